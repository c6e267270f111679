//! Sound to tokens: `PerceiverAudioPreprocessor` (Perceiver IO, section 4.4).

use candle_core::{DType, Tensor};
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    perceiver::{Block, Join, PositionArguments, PositionEncoding, Weights},
};

/// Arguments of the preprocessor, named as published and with the published defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct AudioOptions {
    /// Samples of a token.
    pub samples_per_patch: usize,
    /// How positions meet features.
    pub concat_or_add_pos: Join,
    /// Arguments of the positions.
    #[serde(flatten)]
    pub positions: PositionArguments,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self { samples_per_patch: 96, concat_or_add_pos: Join::Concat, positions: PositionArguments::default() }
    }
}

/// Runs of samples to tokens.
#[derive(Clone, Debug)]
pub struct AudioPreprocessor {
    samples_per_patch: usize,
    join: Join,
    positions: PositionEncoding,
}

impl AudioPreprocessor {
    /// Reads `position_embeddings.…` and `positions_projection`, as far as the options ask for them.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(options: &AudioOptions, weights: &Weights<'_>) -> Result<Self> {
        let positions = options.positions.build("position_embeddings", weights)?;
        let positions = positions.ok_or_else(|| Error::config("position_encoding_type", "none", "fourier or trainable"))?;
        if options.samples_per_patch == 0 {
            return Err(Error::config("samples_per_patch", 0, "1 or more"));
        }
        Ok(Self { samples_per_patch: options.samples_per_patch, join: options.concat_or_add_pos, positions })
    }

    /// C, channels of a token.
    pub fn num_channels(&self) -> usize {
        match self.join {
            Join::Concat => self.samples_per_patch + self.positions.channels(),
            Join::Add => self.positions.channels(),
        }
    }

    /// Tokens of `samples`, B × samples or B × samples × 1 in −1 … 1.
    ///
    /// # Errors
    /// For another shape, or when the samples do not divide into tokens.
    pub fn forward(&self, samples: &Tensor) -> Result<Block> {
        let (b, count) = match *samples.dims() {
            [b, count] | [b, count, 1] if count.is_multiple_of(self.samples_per_patch) => (b, count),
            _ => {
                let accepted = format!("B, samples or B, samples, 1 with a multiple of {} samples", self.samples_per_patch);
                return Err(Error::tensor("audio", samples.dims(), accepted));
            }
        };
        let tokens = count / self.samples_per_patch;
        let features = samples.to_dtype(DType::F32)?.reshape((b, tokens, self.samples_per_patch))?;
        let positions = self.positions.grid(&[tokens], false, features.dtype(), features.device())?;
        Ok(Block { positions: Some((positions, self.join)), ..Block::bare(features) })
    }
}
