//! `PerceiverModel`: latents and encoder, alone or behind a preprocessor (Perceiver IO, section 3.1).

use candle_core::{DType, Tensor};

use super::ForwardOptions;
use crate::{
    error::{Error, Result},
    perceiver::{EncoderOutput, PerceiverConfig, PerceiverEncoder, Weights},
};

/// The latent array and the encoder that fills it.
#[derive(Clone, Debug)]
pub struct PerceiverModel {
    latents: Tensor,
    encoder: PerceiverEncoder,
    channels: usize,
}

impl PerceiverModel {
    /// The bare model, whose inputs have `d_model` channels. Reads `embeddings.latents` and `encoder.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        Self::behind(config, config.d_model, weights)
    }

    /// The model behind a preprocessor whose tokens have `channels` channels. Reads the same tensors.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn behind(config: &PerceiverConfig, channels: usize, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self {
            latents: weights.pp("embeddings").get((config.num_latents, config.d_latents), "latents")?,
            encoder: PerceiverEncoder::new(config, channels, &weights.pp("encoder"))?,
            channels,
        })
    }

    /// Encodes `inputs`, B × M × C.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward<'a>(&self, inputs: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<EncoderOutput> {
        let (b, _, channels) = inputs.dims3()?;
        if channels != self.channels {
            return Err(Error::tensor("inputs", inputs.dims(), format!("B, M, {} channels", self.channels)));
        }
        let ForwardOptions { attention_mask, head_mask, keep, .. } = options.into();
        let (n, d) = self.latents.dims2()?;
        let latents = self.latents.unsqueeze(0)?.broadcast_as((b, n, d))?;
        self.encoder.forward(&latents, &inputs.to_dtype(DType::F32)?, attention_mask, head_mask, keep)
    }
}
