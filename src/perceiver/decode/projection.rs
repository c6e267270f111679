//! `PerceiverProjectionDecoder`: class scores from the mean latent, without queries.

use candle_core::{Module, Tensor};

use crate::{
    error::Result,
    perceiver::{Linear, PerceiverConfig, Weights},
};

/// The mean of the latents through one linear layer.
#[derive(Clone, Debug)]
pub struct ProjectionDecoder {
    classifier: Linear,
}

impl ProjectionDecoder {
    /// Reads `classifier`, D to as many channels as there are labels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { classifier: weights.pp("classifier").linear(config.d_latents, config.num_labels())? })
    }

    /// Latents, B × N × D, to scores, B × classes.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, z: &Tensor) -> Result<Tensor> {
        Ok(self.classifier.forward(&z.mean(1)?)?)
    }
}
