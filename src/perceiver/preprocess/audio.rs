//! Sound to tokens: `PerceiverAudioPreprocessor` (Perceiver IO, section 4.4).

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Tensor};
use serde::Deserialize;

use super::audio_profile::{AudioProfile, Transforms};
use crate::{
    error::{Error, Result},
    perceiver::{Block, Join, PositionArguments, PositionEncoding, Weights, mu_law::MuLaw},
};

/// Arguments of the preprocessor, named as published and with the published defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct AudioOptions {
    /// Samples of a token.
    pub samples_per_patch: usize,
    /// µ of the µ-law (ITU-T G.711) that makes faint samples larger before they are features; none leaves them as they are. Not in the
    /// published code.
    pub mu_law: Option<f64>,
    /// What is measured of the sound, beside its samples. Not in the published code.
    #[serde(skip)]
    pub profile: Option<AudioProfile>,
    /// How positions meet features.
    pub concat_or_add_pos: Join,
    /// Arguments of the positions.
    #[serde(flatten)]
    pub positions: PositionArguments,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self {
            samples_per_patch: 96,
            mu_law: None,
            profile: None,
            concat_or_add_pos: Join::Concat,
            positions: PositionArguments::default(),
        }
    }
}

/// Runs of samples to tokens.
#[derive(Clone, Debug)]
pub struct AudioPreprocessor {
    samples_per_patch: usize,
    mu_law: Option<MuLaw>,
    profile: Option<AudioProfile>,
    /// Made when the first sound comes.
    transforms: Arc<OnceLock<Transforms>>,
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
        let mu_law = options.mu_law.map(MuLaw::new).transpose()?;
        let AudioOptions { samples_per_patch, profile, concat_or_add_pos: join, .. } = *options;
        Ok(Self { samples_per_patch, mu_law, profile, transforms: Arc::default(), join, positions })
    }

    /// C, channels of a token.
    pub fn num_channels(&self) -> usize {
        match self.join {
            Join::Concat => {
                self.samples_per_patch + self.profile.map_or(0, |profile| profile.channels()) + self.positions.channels()
            }
            Join::Add => self.positions.channels(),
        }
    }

    /// Tokens of `samples`, B × samples or B × samples × 1 in −1 … 1.
    ///
    /// # Errors
    /// For another shape, or when the samples do not divide into tokens.
    pub fn forward(&self, samples: &Tensor) -> Result<Block> {
        let (b, count) = match *samples.dims() {
            [b, count] | [b, count, 1] if self.fits(count) => (b, count),
            _ => {
                let accepted = match self.profile {
                    None => format!("B, samples or B, samples, 1 with a multiple of {} samples", self.samples_per_patch),
                    Some(AudioProfile { tokens, .. }) => {
                        format!("B, samples or B, samples, 1 with {} samples", tokens * self.samples_per_patch)
                    }
                };
                return Err(Error::tensor("audio", samples.dims(), accepted));
            }
        };
        let tokens = count / self.samples_per_patch;
        let samples = samples.to_dtype(DType::F32)?.reshape((b, tokens, self.samples_per_patch))?;
        let features = match self.mu_law {
            Some(law) => law.compress(&samples)?,
            None => samples.clone(),
        };
        let features = match &self.profile {
            Some(profile) => Tensor::cat(&[features, profile.measure(&samples, self.transforms(profile, &samples)?)?], 2)?,
            None => features,
        };
        let positions = self.positions.grid(&[tokens], false, features.dtype(), features.device())?;
        Ok(Block { positions: Some((positions, self.join)), ..Block::bare(features) })
    }

    /// Whether so many samples are whole tokens, and as many as are measured together.
    fn fits(&self, samples: usize) -> bool {
        let (tokens, rest) = (samples / self.samples_per_patch, samples % self.samples_per_patch);
        rest == 0 && self.profile.is_none_or(|profile| profile.tokens == tokens)
    }

    fn transforms(&self, profile: &AudioProfile, samples: &Tensor) -> Result<&Transforms> {
        if let Some(transforms) = self.transforms.get() {
            return Ok(transforms);
        }
        let transforms = profile.transforms(samples.device())?;
        Ok(self.transforms.get_or_init(|| transforms))
    }
}
