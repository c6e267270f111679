//! `PerceiverProjectionPostprocessor`: a linear layer.

use candle_core::{Module, Tensor};

use crate::{
    error::Result,
    perceiver::{Linear, Weights},
};

/// One linear layer for every output.
#[derive(Clone, Debug)]
pub struct ProjectionPostprocessor {
    pub(super) classifier: Linear,
}

impl ProjectionPostprocessor {
    /// Reads `classifier`, to `out_channels`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(in_channels: usize, out_channels: usize, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { classifier: weights.pp("classifier").linear(in_channels, out_channels)? })
    }

    /// B × O × in channels to B × O × out channels.
    ///
    /// # Errors
    /// For other channels.
    pub fn forward(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(self.classifier.forward(outputs)?)
    }
}
