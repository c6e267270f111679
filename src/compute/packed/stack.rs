//! A left factor of any number of rows, cut for the cores.

use rayon::prelude::*;

use super::{Format, LeftFactor, ROWS, left::pack_block};
use crate::compute::normalise::Norm;

/// Rows in one piece of work: whole blocks, so many that each panel of the right factor is read seldom.
pub(super) const PIECE: usize = 8 * ROWS;

/// Rows in pieces, ready for products. Packing anew keeps the room.
#[derive(Clone, Debug)]
pub struct LeftStack {
    format: Format,
    rows: usize,
    pieces: Vec<LeftFactor>,
}

impl LeftStack {
    /// No rows yet.
    pub fn new(format: Format) -> Self {
        Self { format, rows: 0, pieces: Vec::new() }
    }

    /// Takes rows of `depth` numbers, behind a norm where there is one. On all cores.
    ///
    /// # Panics
    /// When the last row is not whole, or the norm is of another length.
    pub fn pack(&mut self, values: &[f32], depth: usize, norm: Option<Norm<'_>>) {
        assert!(values.len().is_multiple_of(depth.max(1)), "{} numbers in rows of {depth}", values.len());
        self.rows = values.len() / depth.max(1);
        let format = self.format;
        self.pieces.resize_with(self.rows.div_ceil(PIECE), || LeftFactor::new(format));
        for (number, piece) in self.pieces.iter_mut().enumerate() {
            piece.resize(PIECE.min(self.rows - number * PIECE), depth);
        }
        // A piece is of whole blocks, so blocks follow each other as rows do.
        let blocks: Vec<&mut [u32]> = self.pieces.iter_mut().flat_map(LeftFactor::blocks_mut).collect();
        let rows = values.par_chunks((ROWS * depth).max(1));
        blocks.into_par_iter().zip(rows).for_each_init(Vec::new, |normed, (block, values)| {
            let values = match norm {
                Some(norm) => {
                    normed.clear();
                    normed.extend_from_slice(values);
                    normed.chunks_exact_mut(depth).for_each(|row| norm.apply(row));
                    &normed[..]
                }
                None => values,
            };
            pack_block(values, depth, depth, format, block);
        });
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many pieces they make.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The piece that begins with row `number` · [`PIECE`].
    pub(super) fn piece(&self, number: usize) -> &LeftFactor {
        &self.pieces[number]
    }
}
