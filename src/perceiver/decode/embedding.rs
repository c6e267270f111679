//! `PerceiverEmbeddingDecoder`: how alike an output and each entry of the vocabulary are.

use candle_core::Tensor;

use crate::{compute, error::Result, perceiver::Weights};

/// Scores against the embeddings that the text preprocessor reads; only the bias is its own.
#[derive(Clone, Debug)]
pub struct EmbeddingDecoder {
    bias: Tensor,
}

impl EmbeddingDecoder {
    /// Reads `bias`, one number for each of `vocab_size` entries.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn new(vocab_size: usize, weights: &Weights<'_>) -> Result<Self> {
        Ok(Self { bias: weights.get_constant(vocab_size, "bias", 0.0)? })
    }

    /// `hidden` (B × O × channels) against `embeddings` (vocabulary × channels): B × O × vocabulary.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward(&self, hidden: &Tensor, embeddings: &Tensor) -> Result<Tensor> {
        let (b, o, channels) = hidden.dims3()?;
        let scores = hidden.reshape((b * o, channels))?.matmul(&embeddings.t()?)?;
        Ok(compute::add_bias(&scores, &self.bias)?.reshape((b, o, ()))?)
    }
}
