//! `PerceiverClassificationPostprocessor`: an output to class scores.

use candle_core::{Module, Tensor};

use crate::{
    error::Result,
    perceiver::{Linear, PerceiverConfig, Weights},
};

/// One linear layer over the first output.
#[derive(Clone, Debug)]
pub struct ClassificationPostprocessor {
    pub(super) classifier: Linear,
}

impl ClassificationPostprocessor {
    /// Reads `classifier`, to as many channels as there are labels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: &PerceiverConfig, in_channels: usize, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { classifier: weights.pp("classifier").linear(in_channels, config.num_labels())? })
    }

    /// B × O × in channels to B × classes; outputs after the first do not matter.
    ///
    /// # Errors
    /// For other channels, or without an output.
    pub fn forward(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(self.classifier.forward(&outputs.narrow(1, 0, 1)?.squeeze(1)?)?)
    }
}
