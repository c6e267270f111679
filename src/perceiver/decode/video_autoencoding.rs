//! `PerceiverBasicVideoAutoencodingDecoder`: one query for each pixel of a video (Perceiver IO, section 4.4).

use candle_core::Tensor;

use super::{BasicDecoder, BasicDecoderOptions, Decoded};
use crate::{
    error::Result,
    perceiver::{PerceiverConfig, Weights},
};

/// A basic decoder whose outputs are the cells of a T × Y × X grid.
#[derive(Clone, Debug)]
pub struct BasicVideoAutoencodingDecoder {
    output_shape: [usize; 3],
    decoder: BasicDecoder,
}

impl BasicVideoAutoencodingDecoder {
    /// Reads `decoder.…`. The grid is `output_shape` (T, Y, X), whatever the options say.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(
        config: &PerceiverConfig,
        output_shape: [usize; 3],
        options: BasicDecoderOptions,
        weights: &Weights<'_>,
    ) -> Result<Self> {
        let options = BasicDecoderOptions { output_index_dims: output_shape.to_vec(), ..options };
        Ok(Self { output_shape, decoder: BasicDecoder::new(config, options, &weights.pp("decoder"))? })
    }

    /// The decoder within.
    pub fn basic(&self) -> &BasicDecoder {
        &self.decoder
    }

    /// Queries of every cell, B × (T · Y · X) × E. `inputs` is B × channels × T × Y × X.
    ///
    /// # Errors
    /// Without a position encoding, or when the inputs have other axes.
    pub fn query(&self, inputs: &Tensor) -> Result<Tensor> {
        self.decoder.query(inputs, None, None)
    }

    /// Answers the queries of every cell from the latents `z` (B × N × D): B × T × Y × X × channels.
    ///
    /// # Errors
    /// When shapes do not fit, or the decoder only makes queries.
    pub fn forward(&self, query: &Tensor, z: &Tensor, keep: bool) -> Result<Decoded> {
        let Decoded { logits, cross_attentions } = self.decoder.forward(query, z, keep)?;
        let [t, y, x] = self.output_shape;
        let (b, _, channels) = logits.dims3()?;
        Ok(Decoded { logits: logits.reshape((b, t, y, x, channels))?, cross_attentions })
    }
}
