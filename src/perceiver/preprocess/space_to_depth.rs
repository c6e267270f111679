//! Blocks of pixels to channels.

use candle_core::Tensor;

use crate::error::{Error, Result};

/// B × C × Y × X to B × Y/s × X/s × (s·s·C), or B × T × C × Y × X to B × T/t × Y/s × X/s × (t·s·s·C): channels-first in, channels-last out,
/// depth ordered (time, row, column, channel).
///
/// # Errors
/// When the tensor has another rank or a side does not divide.
pub fn space_to_depth(x: &Tensor, temporal: usize, spatial: usize) -> Result<Tensor> {
    let refused = || {
        let accepted = format!("B, C, Y, X or B, T, C, Y, X with T divisible by {temporal}, Y and X by {spatial}");
        Error::tensor("image", x.dims(), accepted)
    };
    match *x.dims() {
        [b, c, y, x_] if y.is_multiple_of(spatial) && x_.is_multiple_of(spatial) => {
            let (rows, columns) = (y / spatial, x_ / spatial);
            let blocks = x.reshape(vec![b, c, rows, spatial, columns, spatial])?.permute(vec![0, 2, 4, 3, 5, 1])?;
            Ok(blocks.reshape((b, rows, columns, spatial * spatial * c))?)
        }
        [b, t, c, y, x_] if t.is_multiple_of(temporal) && y.is_multiple_of(spatial) && x_.is_multiple_of(spatial) => {
            let (times, rows, columns) = (t / temporal, y / spatial, x_ / spatial);
            let blocks =
                x.reshape(vec![b, times, temporal, c, rows, spatial, columns, spatial])?.permute(vec![0, 1, 4, 6, 2, 5, 7, 3])?;
            Ok(blocks.reshape((b, times, rows, columns, temporal * spatial * spatial * c))?)
        }
        _ => Err(refused()),
    }
}
