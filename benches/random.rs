//! Random tensors and weights.

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use perceiverflow::perceiver::Weights;

/// Weights that come to life as a model asks for them.
pub(crate) fn weights() -> Weights<'static> {
    let variables = Box::leak(Box::new(VarMap::new()));
    Weights::new(VarBuilder::from_varmap(variables, DType::F32, &Device::Cpu), 0.05)
}

/// Normally distributed numbers.
pub(crate) fn tensor(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).expect("shapes here are small")
}
