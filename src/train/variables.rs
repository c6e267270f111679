//! The tensors that training changes, by their published names.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    checkpoint::Checkpoint,
    error::{Error, Result},
    perceiver::Weights,
};

/// Float32 variables that come to life when a model asks for them. The same seed gives the same first values on every machine.
#[derive(Clone, Debug)]
pub struct Variables {
    device: Device,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    variables: BTreeMap<String, Var>,
    random: ChaCha8Rng,
}

impl Variables {
    /// No variables yet.
    pub fn new(seed: u64, device: &Device) -> Self {
        let inner = Inner { variables: BTreeMap::new(), random: ChaCha8Rng::seed_from_u64(seed) };
        Self { device: device.clone(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// The tree of names to build a model from; new weights have the deviation `initializer_range`.
    pub fn weights(&self, initializer_range: f64) -> Weights<'static> {
        let tensors = VarBuilder::from_backend(Box::new(self.clone()), DType::F32, self.device.clone());
        Weights::new(tensors, initializer_range)
    }

    /// Every variable with its name, in the order of the names.
    pub fn all(&self) -> Vec<(String, Var)> {
        self.lock().variables.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect()
    }

    /// The tensor of every variable, by name: what [`checkpoint::save`](crate::checkpoint::save) takes.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.all().into_iter().map(|(name, variable)| (name, variable.as_tensor().clone())).collect()
    }

    /// Sets every variable to the tensor of its name.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn set(&self, tensors: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        for (name, variable) in self.all() {
            let tensor = tensors(&name).ok_or_else(|| Error::tensor(&name, "nothing", format!("{:?}", variable.shape())))?;
            if tensor.shape() != variable.shape() {
                return Err(Error::tensor(&name, tensor.shape(), format!("{:?}", variable.shape())));
            }
            variable.set(&tensor.to_dtype(DType::F32)?.to_device(&self.device)?)?;
        }
        Ok(())
    }

    /// Sets every variable that `checkpoint` has in its shape to what it has there; the others keep their first values, and their names are
    /// returned. So a model with a new head begins from one that was trained for something else.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn adopt(&self, checkpoint: &Checkpoint) -> Result<Vec<String>> {
        let mut fresh = Vec::new();
        for (name, variable) in self.all() {
            match checkpoint.tensor(&name, &self.device)? {
                Some(tensor) if tensor.shape() == variable.shape() => variable.set(&tensor.to_dtype(DType::F32)?)?,
                _ => fresh.push(name),
            }
        }
        Ok(fresh)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Variables {
    fn get(&self, shape: Shape, name: &str, init: Init, _: DType, device: &Device) -> candle_core::Result<Tensor> {
        let mut inner = self.lock();
        let Inner { variables, random } = &mut *inner;
        if let Some(variable) = variables.get(name) {
            return Ok(variable.as_tensor().clone());
        }
        let first: Vec<f32> = match init {
            Init::Const(value) => vec![value as f32; shape.elem_count()],
            Init::Randn { mean, stdev } => (0..shape.elem_count()).map(|_| (mean + stdev * normal(random)) as f32).collect(),
            other => candle_core::bail!("{name}: variables begin constant or normally distributed, not {other:?}"),
        };
        let variable = Var::from_tensor(&Tensor::from_vec(first, shape, device)?)?;
        let tensor = variable.as_tensor().clone();
        variables.insert(name.to_owned(), variable);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let found = self.lock().variables.get(name).map(|variable| variable.as_tensor().clone());
        found.ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() }.bt())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().variables.contains_key(name)
    }
}

/// A normally distributed number (Box and Muller 1958).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}
