//! AdamW (Loshchilov and Hutter 2019) with gradient clipping and a running mean of the weights, its state open to be saved.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};

use super::Variables;
use crate::{
    compute::{AdamStep, approach, approach_square},
    error::{Error, Result},
};

/// Constants of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWOptions {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// Decay of the weights, in multiples of the learning rate. Biases, gains and shifts (one axis) do not decay.
    pub weight_decay: f64,
    /// Gradients of a larger norm, over all variables, are scaled down to it.
    pub max_norm: f64,
    /// Decay of the running mean of the weights.
    pub mean_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.01, max_norm: 1.0, mean_decay: 0.999 }
    }
}

/// The optimiser with what it remembers of each variable.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    slots: Vec<Slot>,
    step: u64,
}

#[derive(Debug)]
struct Slot {
    name: String,
    variable: Var,
    first: Tensor,
    second: Tensor,
    mean: Tensor,
}

impl AdamW {
    /// An optimiser of every variable there is.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn new(options: AdamWOptions, variables: &Variables) -> Result<Self> {
        let slots = variables.all().into_iter().map(|(name, variable)| {
            let [first, second] = [variable.zeros_like()?, variable.zeros_like()?];
            Ok(Slot { name, first, second, mean: variable.as_tensor().copy()?, variable })
        });
        Ok(Self { options, slots: slots.collect::<Result<_>>()?, step: 0 })
    }

    /// Moves every variable against its gradient; `gradients` gives them by variable. Returns their norm before clipping.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn step(&mut self, rate: f64, gradients: impl Fn(&Var) -> Option<Tensor>) -> Result<f64> {
        let AdamWOptions { beta1, beta2, epsilon, weight_decay, max_norm, mean_decay } = self.options;
        let gradients: Vec<Option<Tensor>> = self.slots.iter().map(|slot| gradients(&slot.variable)).collect();
        let mut squares = 0f64;
        for gradient in gradients.iter().flatten() {
            squares += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        let norm = squares.sqrt();
        self.step += 1;
        if !norm.is_finite() {
            // A step along such a gradient would end the training; the next batch decides.
            return Ok(norm);
        }
        let clip = if norm > max_norm { max_norm / norm } else { 1.0 };
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powf(self.step as f64));
        // Early on, the running mean is the mean of all weights so far: the first ones would weigh on it for long.
        let keep = mean_decay.min(self.step as f64 / (self.step as f64 + 10.0));
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            approach(&mut slot.first, &gradient, beta1, clip)?;
            approach_square(&mut slot.second, &gradient, beta2, clip)?;
            let decay = if slot.variable.rank() > 1 { 1.0 - rate * weight_decay } else { 1.0 };
            AdamStep { rate, decay, epsilon, corrections }.descend(&slot.variable, &slot.first, &slot.second)?;
            approach(&mut slot.mean, slot.variable.as_tensor(), keep, 1.0)?;
        }
        Ok(norm)
    }

    /// One step down from `loss`, a scalar that the variables lead to. Returns it.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn descend(&mut self, loss: &Tensor, rate: f64) -> Result<f32> {
        let gradients = loss.backward()?;
        self.step(rate, |variable| gradients.get(variable).cloned())?;
        Ok(loss.to_scalar()?)
    }

    /// Steps taken, those that were left out for a gradient that is not finite among them.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The running mean of the weights, by name: what is worth keeping of the training. It moves on in place with the next step.
    pub fn mean_weights(&self) -> BTreeMap<String, Tensor> {
        self.slots.iter().map(|slot| (slot.name.clone(), slot.mean.clone())).collect()
    }

    /// Everything needed to go on: `weights.…`, `first.…`, `second.…` and `mean.…` of each variable.
    ///
    /// # Errors
    /// What the tensor library says.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for Slot { name, variable, first, second, mean } in &self.slots {
            for (kind, tensor) in [("weights", variable.as_tensor()), ("first", first), ("second", second), ("mean", mean)] {
                // A copy: they change in place with the next step.
                state.insert(format!("{kind}.{name}"), tensor.copy()?);
            }
        }
        Ok(state)
    }

    /// Goes on from a [`state`](Self::state) saved after `step` steps.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(&mut self, step: u64, variables: &Variables, state: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        variables.set(|name| state(&format!("weights.{name}")))?;
        for slot in &mut self.slots {
            let tensor = |kind: &str| -> Result<Tensor> {
                let name = format!("{kind}.{}", slot.name);
                let shape = slot.variable.shape();
                let found = state(&name).filter(|tensor| tensor.shape() == shape);
                found.ok_or_else(|| Error::tensor(&name, "nothing", format!("{shape:?}")))
            };
            // Copies: nothing else may hold what changes in place.
            (slot.first, slot.second, slot.mean) = (tensor("first")?.copy()?, tensor("second")?.copy()?, tensor("mean")?.copy()?);
        }
        self.step = step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn finds_the_bottom_of_a_bowl_and_goes_on_from_a_saved_state_to_the_bit() {
        let run = |stop: Option<u64>| {
            let variables = Variables::new(1, &Device::Cpu);
            let x = variables.weights(1.0).get((2, 2), "x").unwrap();
            let mut optimiser = AdamW::new(AdamWOptions::default(), &variables).unwrap();
            let step = |optimiser: &mut AdamW| {
                let gradients = (x.clone() - 3.0).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
                optimiser.step(0.05, |variable| gradients.get(variable).cloned()).unwrap();
            };
            for at in 0..400 {
                if stop == Some(at) {
                    let saved = optimiser.state().unwrap();
                    variables.set(|_| Some(Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap())).unwrap();
                    optimiser = AdamW::new(AdamWOptions::default(), &variables).unwrap();
                    optimiser.restore(at, &variables, |name| saved.get(name).cloned()).unwrap();
                }
                step(&mut optimiser);
            }
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let undisturbed = run(None);
        assert!(undisturbed.iter().all(|x| (x - 3.0).abs() < 0.05), "{undisturbed:?}");
        assert_eq!(undisturbed, run(Some(123)));
    }
}
