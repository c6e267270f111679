//! Text to tokens: `PerceiverTextPreprocessor` (Perceiver IO, section 4.1).

use candle_core::Tensor;

use crate::{
    error::{Error, Result},
    perceiver::{Block, Join, PerceiverConfig, Positions, Weights},
};

/// An embedding of each byte plus one of its place.
#[derive(Clone, Debug)]
pub struct TextPreprocessor {
    embeddings: Tensor,
    position_embeddings: Tensor,
}

impl TextPreprocessor {
    /// Reads `embeddings.weight` (`vocab_size` × `d_model`) and `position_embeddings.weight` (`max_position_embeddings` × `d_model`).
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let table = |name: &str, rows: usize| weights.pp(name).get((rows, config.d_model), "weight");
        Ok(Self {
            embeddings: table("embeddings", config.vocab_size)?,
            position_embeddings: table("position_embeddings", config.max_position_embeddings)?,
        })
    }

    /// C, channels of a token.
    pub fn num_channels(&self) -> usize {
        self.embeddings.dims()[1]
    }

    /// The embedding of each id, `vocab_size` × `d_model`.
    pub fn embeddings(&self) -> &Tensor {
        &self.embeddings
    }

    /// Tokens of `ids`, B × M integers below `vocab_size`.
    ///
    /// # Errors
    /// For more tokens than there are positions, or an id outside the vocabulary.
    pub fn forward(&self, ids: &Tensor) -> Result<Block> {
        let (b, m) = ids.dims2()?;
        let (places, channels) = self.position_embeddings.dims2()?;
        if m > places {
            return Err(Error::tensor("input_ids", ids.dims(), format!("at most {places} tokens (max_position_embeddings)")));
        }
        let features = self.embeddings.index_select(&ids.flatten_all()?, 0)?.reshape((b, m, channels))?;
        let positions = Positions::Dense(self.position_embeddings.narrow(0, 0, m)?);
        Ok(Block { positions: Some((positions, Join::Add)), ..Block::bare(features) })
    }
}
