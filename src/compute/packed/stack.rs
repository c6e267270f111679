//! A left factor of any number of rows, cut for the cores.

use rayon::prelude::*;

use super::{Format, LeftFactor, ROWS};
use crate::compute::normalise::Norm;

/// Rows in one piece of work: whole blocks, so many that each panel of the right factor is read seldom.
pub(super) const PIECE: usize = 8 * ROWS;

/// Rows in pieces, ready for products. Packing anew keeps the room.
#[derive(Clone, Debug)]
pub struct LeftStack {
    format: Format,
    rows: usize,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    packed: LeftFactor,
    /// Its rows behind their norm, if they have one.
    normed: Vec<f32>,
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
        let none = || Piece { packed: LeftFactor::new(self.format), normed: Vec::new() };
        self.pieces.resize_with(self.rows.div_ceil(PIECE), none);
        self.pieces.par_iter_mut().zip(values.par_chunks((PIECE * depth).max(1))).for_each(|(piece, values)| {
            let values = match norm {
                Some(norm) => {
                    piece.normed.clear();
                    piece.normed.extend_from_slice(values);
                    piece.normed.chunks_exact_mut(depth).for_each(|row| norm.apply(row));
                    &piece.normed
                }
                None => values,
            };
            piece.packed.pack(values, values.len() / depth, depth, depth);
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
        &self.pieces[number].packed
    }
}
