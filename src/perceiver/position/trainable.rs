//! Learned tables of positions (Perceiver IO, appendix D).

use candle_core::Tensor;

use super::TrainableOptions;
use crate::{
    error::{Error, Result},
    perceiver::Weights,
};

/// A learned table of positions.
#[derive(Clone, Debug)]
pub(super) struct TrainablePositions {
    table: Tensor,
}

impl TrainablePositions {
    /// Reads `position_embeddings`, rows × channels.
    ///
    /// # Errors
    /// When the tensor is missing or has another shape.
    pub(super) fn new(options: &TrainableOptions, weights: &Weights<'_>) -> Result<Self> {
        let rows: usize = options.index_dims.iter().product();
        Ok(Self { table: weights.get((rows, options.num_channels), "position_embeddings")? })
    }

    /// The table, rows × channels.
    pub(super) fn table(&self) -> &Tensor {
        &self.table
    }

    /// The table resized to another grid of positions, as transformers 5 does: taken as a square and resampled by bicubic interpolation
    /// (a = −0.75, edges clamped, no antialias).
    ///
    /// # Errors
    /// When the table is no square, or what the tensor library says.
    pub(super) fn interpolated(&self, height: usize, width: usize) -> Result<Tensor> {
        let (rows, channels) = self.table.dims2()?;
        let side = rows.isqrt();
        if (height, width) == (side, side) {
            return Ok(self.table.clone());
        }
        if side * side != rows {
            return Err(Error::tensor("position_embeddings", self.table.dims(), "a square number of rows, to be interpolated"));
        }
        let device = self.table.device();
        let kernel = |from, to| Tensor::from_vec(cubic_weights(from, to), (to, from), device);
        let across = kernel(side, width)?.broadcast_matmul(&self.table.reshape((side, side, channels))?)?;
        let down = kernel(side, height)?.matmul(&across.reshape((side, width * channels))?)?;
        Ok(down.reshape((height * width, channels))?)
    }
}

/// Bicubic interpolation from `from` samples to `to` samples as a matrix, to × from.
fn cubic_weights(from: usize, to: usize) -> Vec<f32> {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = from as f32 / to as f32;
    let mut matrix = vec![0f32; to * from];
    for (row, out) in matrix.chunks_exact_mut(from).enumerate() {
        let at = scale * (row as f32 + 0.5) - 0.5;
        let t = at - at.floor();
        for (tap, weight) in [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)].into_iter().enumerate() {
            let source = (at.floor() as isize + tap as isize - 1).clamp(0, from as isize - 1);
            out[source as usize] += weight;
        }
    }
    matrix
}
