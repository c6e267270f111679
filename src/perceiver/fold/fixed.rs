//! A layer's numbers as the processor's kernels take them: they do not change any more.

use std::sync::Arc;

use crate::{
    compute::{Finish, LeftStack, Norm, RightFactor},
    error::Result,
    perceiver::{LayerNorm, Linear, weights::EPSILON},
};

/// Gain and shift of a layer norm.
#[derive(Clone, Debug)]
pub(super) struct FixedNorm {
    gain: Vec<f32>,
    shift: Vec<f32>,
}

/// W and b of a linear layer.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub(super) weight: Arc<RightFactor>,
    pub(super) bias: Vec<f32>,
}

impl FixedNorm {
    pub(super) fn new(norm: &LayerNorm) -> Result<Self> {
        Ok(Self { gain: norm.gain.to_vec1()?, shift: norm.shift.to_vec1()? })
    }

    pub(super) fn get(&self) -> Norm<'_> {
        Norm { gain: &self.gain, shift: &self.shift, epsilon: EPSILON }
    }

    /// How many channels it has.
    pub(super) fn channels(&self) -> usize {
        self.gain.len()
    }
}

impl Dense {
    pub(super) fn new(linear: &Linear) -> Result<Self> {
        Ok(Self { weight: linear.factor()?, bias: linear.bias.to_vec1()? })
    }

    /// x Wᵀ + b, behind GELU where asked for, in the place of what `out` held.
    pub(super) fn write(&self, x: &LeftStack, rows: usize, gelu: bool, out: &mut Vec<f32>) {
        out.resize(rows * self.bias.len(), 0.0);
        self.weight.product_into(x, Finish { bias: Some(&self.bias), gelu, residual: None }, out, false);
    }

    /// Adds x Wᵀ + b.
    pub(super) fn add(&self, x: &LeftStack, out: &mut [f32]) {
        self.weight.product_into(x, Finish { bias: Some(&self.bias), ..Finish::default() }, out, true);
    }
}
