//! `PerceiverOpticalFlowDecoder`: every input token is asked where it goes (Perceiver IO, section 4.3).

use candle_core::Tensor;

use super::{BasicDecoder, BasicDecoderOptions, Decoded};
use crate::{
    error::{Error, Result},
    perceiver::{Inputs, PerceiverConfig, PositionArguments, Weights, fold::Tokens},
};

/// Arguments of the decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct OpticalFlowDecoderOptions {
    /// Rows and columns of the answer, in pixels.
    pub output_image_shape: [usize; 2],
    /// Pixels of a token's side; 1 in the published model.
    pub patch: usize,
    /// What the output is divided by.
    pub rescale_factor: f64,
    /// The cross-attention, with `patch² · 2` output channels.
    pub decoder: BasicDecoderOptions,
}

/// The queries are the preprocessed inputs themselves; the answer is a vector for each pixel.
#[derive(Clone, Debug)]
pub struct OpticalFlowDecoder {
    output_image_shape: [usize; 2],
    patch: usize,
    rescale_factor: f64,
    decoder: BasicDecoder,
}

impl OpticalFlowDecoder {
    /// Reads `decoder.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: &PerceiverConfig, options: OpticalFlowDecoderOptions, weights: &Weights<'_>) -> Result<Self> {
        let OpticalFlowDecoderOptions { output_image_shape, patch, rescale_factor, decoder } = options;
        Ok(Self {
            output_image_shape,
            patch,
            rescale_factor,
            // The published decoder builds positions that it never uses: the inputs are the queries.
            decoder: BasicDecoder::new(
                config,
                BasicDecoderOptions { positions: PositionArguments::default(), ..decoder },
                &weights.pp("decoder"),
            )?,
        })
    }

    /// Answers the preprocessed `inputs`, in their parts, from the latents `z` (B × N × D): B × Y × X × 2, as [`forward`](Self::forward) does.
    /// In a model that may be folded they stay in parts where that is cheaper.
    ///
    /// # Errors
    /// When the number of queries is not that of the output's tokens.
    pub fn answer(&self, inputs: &Inputs, z: &Tensor, keep: bool) -> Result<Decoded> {
        if let ([(_, block)], Some(folded), false) = (inputs.blocks.as_slice(), self.decoder.folded(), keep)
            && let Some(logits) = folded.forward(&Tokens::of(block)?, z, None)?
        {
            return Ok(Decoded { logits: self.field(&logits)?, cross_attentions: None });
        }
        self.forward(&inputs.dense()?, z, keep)
    }

    /// Answers `query` (B × O × E, the preprocessed inputs) from the latents `z` (B × N × D): B × Y × X × 2. A token's answer is ordered
    /// (row, column, component) within its patch.
    ///
    /// # Errors
    /// When the number of queries is not that of the output's tokens.
    pub fn forward(&self, query: &Tensor, z: &Tensor, keep: bool) -> Result<Decoded> {
        let Decoded { logits, cross_attentions } = self.decoder.forward(query, z, keep)?;
        Ok(Decoded { logits: self.field(&logits)?, cross_attentions })
    }

    /// Answers of tokens, B × O × channels, as a picture of vectors.
    fn field(&self, logits: &Tensor) -> Result<Tensor> {
        let [height, width] = self.output_image_shape;
        let (rows, columns) = (height / self.patch, width / self.patch);
        let (b, tokens, channels) = logits.dims3()?;
        if tokens != rows * columns {
            return Err(Error::tensor(
                "inputs",
                format!("{tokens} tokens"),
                format!("{rows} · {columns} tokens, for an image of {height} rows and {width} columns"),
            ));
        }
        let components = channels / (self.patch * self.patch);
        Ok((logits / self.rescale_factor)?
            .reshape(vec![b, rows, columns, self.patch, self.patch, components])?
            .permute(vec![0, 1, 3, 2, 4, 5])?
            .reshape((b, height, width, components))?)
    }
}
