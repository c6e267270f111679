//! Features that a layer makes of fewer channels, W x + b, read as the channels they are made of.

use crate::{error::Result, perceiver::Linear};

/// The layer, from F to more channels.
#[derive(Clone, Debug)]
pub(super) struct Lift {
    /// W, channels × F.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 𝟏ᵀW and 𝟏ᵀb.
    sum: (Vec<f64>, f64),
    /// WᵀW, Wᵀb and bᵀb.
    square: (Vec<f64>, Vec<f64>, f64),
}

impl Lift {
    pub(super) fn new(layer: &Linear) -> Result<Self> {
        let (weight, bias): (Vec<f32>, Vec<f32>) = (layer.matrix()?.flatten_all()?.to_vec1()?, layer.bias.to_vec1()?);
        let width = weight.len() / bias.len().max(1);
        let (mut sum, mut square) = ((vec![0.0; width], 0.0), (vec![0.0; width * width], vec![0.0; width], 0.0));
        for (row, &bias) in weight.chunks_exact(width.max(1)).zip(&bias) {
            let (row, bias): (Vec<f64>, f64) = (row.iter().map(|&x| f64::from(x)).collect(), f64::from(bias));
            for (at, x) in row.iter().enumerate() {
                sum.0[at] += x;
                square.1[at] += x * bias;
                row.iter().zip(&mut square.0[at * width..]).for_each(|(y, square)| *square += x * y);
            }
            sum.1 += bias;
            square.2 += bias * bias;
        }
        Ok(Self { weight, bias, sum, square })
    }

    /// How many features there are.
    pub(super) fn channels(&self) -> usize {
        self.bias.len()
    }

    /// F.
    pub(super) fn width(&self) -> usize {
        self.sum.0.len()
    }

    /// What a query of the features asks the channels they are made of, and what it finds in all tokens alike: q·(W x + b) = (Wᵀq)·x + q·b.
    pub(super) fn absorb(&self, query: &[f32]) -> (Vec<f32>, f32) {
        let mut absorbed = vec![0.0; self.width()];
        for (row, query) in self.weight.chunks_exact(self.width().max(1)).zip(query) {
            absorbed.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * query);
        }
        (absorbed, query.iter().zip(&self.bias).map(|(query, bias)| query * bias).sum())
    }

    /// Σ w (W x + b) from Σ w x and Σ w, times `share`, added to `features`.
    pub(super) fn add(&self, gathered: &[f32], weight: f32, share: f32, features: &mut [f32]) {
        let rows = self.weight.chunks_exact(self.width().max(1)).zip(&self.bias);
        for (sum, (row, bias)) in features.iter_mut().zip(rows) {
            let product: f32 = row.iter().zip(gathered).map(|(x, gathered)| x * gathered).sum();
            *sum += share * (product + bias * weight);
        }
    }

    /// The sum of a token's features and that of their squares.
    pub(super) fn moments(&self, x: &[f32]) -> (f64, f64) {
        let product = |row: &[f64]| row.iter().zip(x).map(|(a, &x)| a * f64::from(x)).sum::<f64>();
        let rows = self.square.0.chunks_exact(self.width().max(1));
        let square: f64 = rows.zip(x).map(|(row, &x)| f64::from(x) * product(row)).sum();
        (product(&self.sum.0) + self.sum.1, square + 2.0 * product(&self.square.1) + self.square.2)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Module, Tensor};
    use candle_nn::VarBuilder;

    use super::*;
    use crate::perceiver::Weights;

    #[test]
    fn what_is_read_of_few_channels_is_what_is_read_of_the_features() {
        let numbers = |shape: &[usize], step: f64| {
            let count = shape.iter().product::<usize>() as f32;
            (Tensor::arange(0f32, count, &Device::Cpu).unwrap() * step).unwrap().sin().unwrap().reshape(shape).unwrap()
        };
        let tensors = [("weight".to_owned(), numbers(&[5, 3], 1.3)), ("bias".to_owned(), numbers(&[5], 0.7))];
        let tensors = VarBuilder::from_tensors(tensors.into(), candle_core::DType::F32, &Device::Cpu);
        let layer = Weights::new(tensors, 0.0).linear(3, 5).unwrap();
        let lift = Lift::new(&layer).unwrap();
        assert_eq!((lift.width(), lift.channels()), (3, 5));
        let x = [0.3, -0.8, 0.5];
        let features = layer.forward(&Tensor::new(&[x], &Device::Cpu).unwrap()).unwrap().to_vec2::<f32>().unwrap().remove(0);
        let query = [0.2, 0.4, -0.6, 0.8, -1.0];
        let asked = |query: &[f32], x: &[f32]| -> f32 { query.iter().zip(x).map(|(a, b)| a * b).sum() };
        let (absorbed, constant) = lift.absorb(&query);
        assert!((asked(&absorbed, &x) + constant - asked(&query, &features)).abs() < 1e-6);
        let mut sums = [0.0; 5];
        lift.add(&x.map(|x| 2.0 * x), 2.0, 0.5, &mut sums);
        sums.iter().zip(&features).for_each(|(sum, feature)| assert!((sum - feature).abs() < 1e-6));
        let (sum, square) = lift.moments(&x);
        let exact = |power: i32| features.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>();
        assert!((sum - exact(1)).abs() < 1e-6 && (square - exact(2)).abs() < 1e-6);
    }
}
