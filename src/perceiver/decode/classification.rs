//! `PerceiverClassificationDecoder`: one query, one row of class scores (Perceiver IO, section 3.2).

use candle_core::Tensor;

use super::{BasicDecoder, BasicDecoderOptions, Decoded};
use crate::{
    error::Result,
    perceiver::{PerceiverConfig, Weights},
};

/// A basic decoder with one output.
#[derive(Clone, Debug)]
pub struct ClassificationDecoder {
    decoder: BasicDecoder,
}

impl ClassificationDecoder {
    /// Reads `decoder.…`. The output's channels and grid follow from the labels, whatever the options say.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(config: &PerceiverConfig, options: BasicDecoderOptions, weights: &Weights<'_>) -> Result<Self> {
        let options = BasicDecoderOptions { output_num_channels: config.num_labels(), output_index_dims: vec![1], ..options };
        Ok(Self { decoder: BasicDecoder::new(config, options, &weights.pp("decoder"))? })
    }

    /// The decoder within.
    pub fn basic(&self) -> &BasicDecoder {
        &self.decoder
    }

    /// The query, B × 1 × E, of `inputs`' batch and type.
    ///
    /// # Errors
    /// Without a position encoding.
    pub fn query(&self, inputs: &Tensor) -> Result<Tensor> {
        self.decoder.query(inputs, None, None)
    }

    /// Answers `query` (B × 1 × E) from the latents `z` (B × N × D): B × classes.
    ///
    /// # Errors
    /// When shapes do not fit, or the decoder only makes queries.
    pub fn forward(&self, query: &Tensor, z: &Tensor, keep: bool) -> Result<Decoded> {
        let Decoded { logits, cross_attentions } = self.decoder.forward(query, z, keep)?;
        Ok(Decoded { logits: logits.narrow(1, 0, 1)?.squeeze(1)?, cross_attentions })
    }
}
