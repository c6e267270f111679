//! Arguments of position encodings, under their published names.

use serde::Deserialize;

use super::PositionEncoding;
use crate::{
    error::{Error, Result},
    perceiver::Weights,
};

/// Arguments of a Fourier encoding, named as published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FourierOptions {
    /// K, frequencies of an axis.
    pub num_bands: usize,
    /// Samples of each axis at the highest frequency's Nyquist rate.
    pub max_resolution: Vec<usize>,
    /// Whether the positions themselves lead.
    #[serde(default = "yes")]
    pub concat_pos: bool,
    /// Whether the cosines are left out.
    #[serde(default)]
    pub sine_only: bool,
}

/// Arguments of a learned table, named as published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TrainableOptions {
    /// Width of the table.
    pub num_channels: usize,
    /// Its rows, as the axes they stand for.
    #[serde(deserialize_with = "one_or_many")]
    pub index_dims: Vec<usize>,
}

/// Which position encoding, with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum PositionOptions {
    /// A learned table.
    Trainable(TrainableOptions),
    /// Fourier features.
    Fourier(FourierOptions),
}

/// The position arguments that preprocessors and decoders share. They are read under their published names: `position_encoding_type` (by
/// default the one whose arguments are there), `trainable_position_encoding_kwargs`, `fourier_position_encoding_kwargs` and
/// `project_pos_dim`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Published")]
pub struct PositionArguments {
    /// The encoding; none for `none`.
    pub encoding: Option<PositionOptions>,
    /// Channels the positions are projected to, if they are.
    pub project_pos_dim: Option<usize>,
}

#[derive(Deserialize)]
struct Published {
    position_encoding_type: Option<String>,
    trainable_position_encoding_kwargs: Option<TrainableOptions>,
    fourier_position_encoding_kwargs: Option<FourierOptions>,
    project_pos_dim: Option<i64>,
}

impl TryFrom<Published> for PositionArguments {
    type Error = Error;

    fn try_from(published: Published) -> Result<Self> {
        let Published { position_encoding_type, trainable_position_encoding_kwargs, fourier_position_encoding_kwargs, .. } =
            published;
        let trainable = trainable_position_encoding_kwargs.map(PositionOptions::Trainable);
        let fourier = fourier_position_encoding_kwargs.map(PositionOptions::Fourier);
        let missing = |field: &str| Error::config(field, "nothing", "the arguments of the position_encoding_type");
        let encoding = match position_encoding_type.as_deref() {
            Some("none") => None,
            Some("trainable") => Some(trainable.ok_or_else(|| missing("trainable_position_encoding_kwargs"))?),
            Some("fourier") => Some(fourier.ok_or_else(|| missing("fourier_position_encoding_kwargs"))?),
            Some(other) => return Err(Error::config("position_encoding_type", other, "trainable, fourier or none")),
            None => trainable.or(fourier),
        };
        let project_pos_dim = published.project_pos_dim.and_then(|channels| usize::try_from(channels).ok());
        Ok(Self { encoding, project_pos_dim: project_pos_dim.filter(|&channels| channels > 0) })
    }
}

impl PositionArguments {
    /// A learned table without projection.
    pub fn trainable(num_channels: usize, rows: usize) -> Self {
        let table = TrainableOptions { num_channels, index_dims: vec![rows] };
        Self { encoding: Some(PositionOptions::Trainable(table)), project_pos_dim: None }
    }

    /// Fourier features with sines, cosines and the positions themselves, without projection.
    pub fn fourier(num_bands: usize, max_resolution: impl Into<Vec<usize>>) -> Self {
        let bands = FourierOptions { num_bands, max_resolution: max_resolution.into(), concat_pos: true, sine_only: false };
        Self { encoding: Some(PositionOptions::Fourier(bands)), project_pos_dim: None }
    }

    /// Builds the encoding, if there is one, as [`PositionEncoding::new`] does.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn build(&self, name: &str, weights: &Weights<'_>) -> Result<Option<PositionEncoding>> {
        self.encoding.as_ref().map(|options| PositionEncoding::new(options, self.project_pos_dim, name, weights)).transpose()
    }
}

fn yes() -> bool {
    true
}

/// `index_dims` may be one number or a list of them.
pub(in crate::perceiver) fn one_or_many<'de, D: serde::Deserializer<'de>>(input: D) -> std::result::Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
    }
    Ok(match OneOrMany::deserialize(input)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
