//! Products of rows with the inputs' features, a tile of inputs at a time.

use std::ops::Range;

use super::{TILE_ROWS, ranges};
use crate::compute::{Format, LeftFactor, RightFactor, lanes::product, vectorise::vectorised};

/// Features so few that products run along the inputs.
const FEW: usize = 8;

/// Channels of the inputs, and what rows ask them for.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// M × F.
    pub values: &'a [f32],
    /// rows × F.
    pub queries: &'a [f32],
}

/// The features of a tile beside the queries of a block of rows.
pub(super) struct Tile<'a> {
    values: &'a [f32],
    /// Rows of the block × F.
    queries: &'a [f32],
    /// F.
    width: usize,
    form: Form,
}

enum Form {
    /// F × inputs of the tile.
    Few(Vec<f32>),
    Many {
        /// Rows in blocks of [`TILE_ROWS`].
        queries: Vec<LeftFactor>,
        /// The features as columns and as rows.
        columns: RightFactor,
        rows: RightFactor,
        weights: LeftFactor,
    },
}

impl<'a> Tile<'a> {
    /// A block of rows; no inputs yet. Factors are taken in `format` where there are many features.
    pub(super) fn new(of: Features<'a>, width: usize, rows: Range<usize>, format: Format) -> Self {
        let queries = &of.queries[rows.start * width..rows.end * width];
        let form = if width <= FEW {
            Form::Few(Vec::new())
        } else {
            let format = format.over(width);
            let none = || RightFactor::new(&[], 0, 0, format);
            let block = |rows: Range<usize>| {
                let mut packed = LeftFactor::new(format);
                packed.pack(&queries[rows.start * width..], rows.len(), width, width);
                packed
            };
            let queries = ranges(rows.len(), TILE_ROWS).map(block).collect();
            Form::Many { queries, columns: none(), rows: none(), weights: LeftFactor::new(format) }
        };
        Self { values: of.values, queries, width, form }
    }

    /// Takes the features of these inputs.
    pub(super) fn take(&mut self, inputs: Range<usize>) {
        let values = &self.values[inputs.start * self.width..inputs.end * self.width];
        match &mut self.form {
            Form::Few(columns) => {
                columns.clear();
                columns.extend((0..self.width).flat_map(|channel| values.iter().skip(channel).step_by(self.width)));
            }
            Form::Many { columns, rows, .. } => {
                columns.take_transposed(values, inputs.len(), self.width);
                rows.take(values, inputs.len(), self.width);
            }
        }
    }

    /// Adds queries · features to `scores`, rows × inputs, for rows of the block that begin one of its tiles.
    pub(super) fn score(&self, rows: Range<usize>, scores: &mut [f32]) {
        let length = scores.len() / rows.len();
        match &self.form {
            Form::Few(columns) => {
                let queries = &self.queries[rows.start * self.width..rows.end * self.width];
                let queries = queries.chunks_exact(self.width.max(1));
                scores.chunks_exact_mut(length).zip(queries).for_each(|(scores, query)| score_few(scores, columns, query));
            }
            Form::Many { queries, columns, .. } => columns.multiply(&queries[rows.start / TILE_ROWS], scores, length, 0, true),
        }
    }

    /// Adds `weights` (rows × inputs) · features to `sums`, rows × F.
    pub(super) fn sum(&mut self, weights: &[f32], rows: usize, sums: &mut [f32]) {
        let length = weights.len() / rows;
        match &mut self.form {
            Form::Few(columns) => {
                let sums = sums.chunks_exact_mut(self.width.max(1));
                weights.chunks_exact(length).zip(sums).for_each(|(weights, sums)| sum_few(weights, columns, sums));
            }
            Form::Many { rows: features, weights: packed, .. } => {
                packed.pack(weights, rows, length, length);
                features.multiply(packed, sums, self.width, 0, true);
            }
        }
    }
}

vectorised! {
    /// Adds the columns, each times its number of the query.
    fn score_few(scores: &mut [f32], columns: &[f32], query: &[f32]) {
        for (column, query) in columns.chunks_exact(scores.len()).zip(query) {
            scores.iter_mut().zip(column).for_each(|(score, x)| *score += query * x);
        }
    }
}

vectorised! {
    /// Adds each column's product with the weights.
    fn sum_few(weights: &[f32], columns: &[f32], sums: &mut [f32]) {
        for (column, sum) in columns.chunks_exact(weights.len()).zip(sums) {
            *sum += product(weights, column);
        }
    }
}
