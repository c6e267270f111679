//! `PerceiverAudioPostprocessor`: outputs to sound.

use candle_core::{Module, Tensor};

use crate::{
    error::Result,
    perceiver::{Linear, PerceiverConfig, Weights},
};

/// One linear layer to the samples that an output stands for.
#[derive(Clone, Debug)]
pub struct AudioPostprocessor {
    pub(super) classifier: Linear,
}

impl AudioPostprocessor {
    /// Reads `classifier`, to `samples_per_patch` channels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: &PerceiverConfig, in_channels: usize, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { classifier: weights.pp("classifier").linear(in_channels, config.samples_per_patch)? })
    }

    /// B × O × in channels to B × (O · `samples_per_patch`) samples.
    ///
    /// # Errors
    /// For other channels.
    pub fn forward(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(self.classifier.forward(outputs)?.flatten_from(1)?)
    }
}
