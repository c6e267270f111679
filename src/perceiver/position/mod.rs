//! Position encodings: learned tables and Fourier features (Perceiver IO, appendix D), each with its optional projection.

mod arguments;
mod fourier;
mod trainable;

pub(super) use arguments::one_or_many;
pub use arguments::{FourierOptions, PositionArguments, PositionOptions, TrainableOptions};
pub(super) use fourier::AxisPositions;
pub use fourier::{FourierGrid, FourierPositions};

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Module, Tensor};

use self::trainable::TrainablePositions;
use super::{Linear, Positions, Weights};
use crate::error::Result;

/// A position encoding with its optional projection.
#[derive(Clone, Debug)]
pub struct PositionEncoding {
    kind: Kind,
    projection: Option<Arc<Projection>>,
    channels: usize,
}

/// What encodings are projected by.
#[derive(Debug)]
struct Projection {
    layer: Linear,
    /// A learned table behind it, where neither changes: made when it is first asked for.
    whole: OnceLock<Tensor>,
}

#[derive(Clone, Debug)]
enum Kind {
    Trainable { positions: TrainablePositions, axes: usize },
    Fourier(FourierPositions),
}

impl PositionEncoding {
    /// Builds the encoding; its tensors are `{name}.position_embeddings` and `positions_projection.…` beside it. `project_pos_dim` > 0
    /// asks for the projection, to that many channels.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or an argument is not accepted.
    pub fn new(options: &PositionOptions, project_pos_dim: Option<usize>, name: &str, weights: &Weights<'_>) -> Result<Self> {
        let (kind, width) = match options {
            PositionOptions::Trainable(options) => {
                let positions = TrainablePositions::new(options, &weights.pp(name))?;
                (Kind::Trainable { positions, axes: options.index_dims.len() }, options.num_channels)
            }
            PositionOptions::Fourier(options) => {
                let positions = FourierPositions::new(options.clone())?;
                let width = positions.channels();
                (Kind::Fourier(positions), width)
            }
        };
        let projection = project_pos_dim.map(|to| weights.pp("positions_projection").linear(width, to)).transpose()?;
        let projection = projection.map(|layer| Arc::new(Projection { layer, whole: OnceLock::new() }));
        Ok(Self { kind, projection, channels: project_pos_dim.unwrap_or(width) })
    }

    /// Channels of the encoding, projected or not.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Axes of the encoding.
    pub fn axes(&self) -> usize {
        match &self.kind {
            Kind::Trainable { axes, .. } => *axes,
            Kind::Fourier(positions) => positions.axes(),
        }
    }

    /// The Fourier features that these positions are, where they are nothing else.
    pub(super) fn fourier(&self) -> Option<&FourierPositions> {
        match &self.kind {
            Kind::Fourier(positions) if self.projection.is_none() => Some(positions),
            _ => None,
        }
    }

    /// The positions of a grid. A learned table is returned whole whatever the grid, unless `interpolate` asks to resize it.
    ///
    /// # Errors
    /// When the grid does not fit the encoding.
    pub fn grid(&self, index_dims: &[usize], interpolate: bool, dtype: DType, device: &Device) -> Result<Positions> {
        let positions = match (&self.kind, index_dims) {
            (Kind::Trainable { positions, .. }, &[height, width]) if interpolate => {
                Positions::Dense(positions.interpolated(height, width)?)
            }
            (Kind::Trainable { positions, .. }, _) => return Ok(Positions::Dense(self.whole(positions.table())?)),
            (Kind::Fourier(positions), _) => Positions::Fourier(positions.grid(index_dims)?),
        };
        match &self.projection {
            None => Ok(positions),
            Some(projection) => Ok(Positions::Dense(projection.layer.forward(&positions.dense(dtype, device)?)?)),
        }
    }

    /// A learned table behind its projection, if it has one.
    fn whole(&self, table: &Tensor) -> Result<Tensor> {
        let Some(projection) = &self.projection else { return Ok(table.clone()) };
        if let Some(projected) = projection.whole.get() {
            return Ok(projected.clone());
        }
        let projected = projection.layer.forward(table)?;
        // What is packed does not change; a layer in training does.
        Ok(if projection.layer.packed().is_some() { projection.whole.get_or_init(|| projected).clone() } else { projected })
    }

    /// The encoding of given positions, B × O × axes, as B × O × channels. A learned table ignores them and is returned whole, as in the
    /// reference.
    ///
    /// # Errors
    /// When the positions have another number of axes.
    pub fn points(&self, positions: &Tensor, dtype: DType) -> Result<Tensor> {
        let encoded = match &self.kind {
            Kind::Trainable { positions: table, .. } => {
                let (rows, channels) = table.table().dims2()?;
                table.table().unsqueeze(0)?.broadcast_as((positions.dim(0)?, rows, channels))?.contiguous()?
            }
            Kind::Fourier(fourier) => fourier.encode(positions)?.to_dtype(dtype)?,
        };
        match &self.projection {
            None => Ok(encoded),
            Some(projection) => Ok(projection.layer.forward(&encoded)?),
        }
    }
}
