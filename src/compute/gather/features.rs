//! Products of rows with the inputs' features, a tile of inputs and a panel of rows at a time.

use std::ops::Range;

use crate::compute::{
    Format, LeftFactor,
    packed::{PANEL, pack_transposed},
};

/// Channels of the inputs, and what rows ask them for.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// M × F.
    pub values: &'a [f32],
    /// rows × F.
    pub queries: &'a [f32],
}

/// The features of a tile beside the queries of some panels of rows.
pub(super) struct Tile<'a> {
    values: &'a [f32],
    /// F.
    width: usize,
    format: Format,
    /// Panels of the rows' queries.
    queries: Vec<u32>,
    /// The features, inputs × F, and transposed.
    rows: LeftFactor,
    columns: LeftFactor,
}

impl<'a> Tile<'a> {
    /// Some panels of rows; no inputs yet. Factors are taken in `format` where there are many features.
    pub(super) fn new(of: Features<'a>, width: usize, panels: Range<usize>, format: Format) -> Self {
        let format = format.over(width);
        let mut queries = vec![0; panels.len() * format.units(width) * PANEL];
        for (panel, out) in panels.zip(queries.chunks_exact_mut((format.units(width) * PANEL).max(1))) {
            let of_panel = &of.queries[panel * PANEL * width..of.queries.len().min((panel + 1) * PANEL * width)];
            pack_transposed(of_panel, of_panel.len() / width, width, width, 1.0, format, out);
        }
        Self { values: of.values, width, format, queries, rows: LeftFactor::new(format), columns: LeftFactor::new(format) }
    }

    /// That of the factors.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Takes the features of these inputs.
    pub(super) fn take(&mut self, inputs: Range<usize>) {
        let values = &self.values[inputs.start * self.width..inputs.end * self.width];
        self.rows.pack(values, inputs.len(), self.width, self.width);
        self.columns.pack_transposed(values, self.width, inputs.len(), self.width);
    }

    /// Features · queries of a panel, inputs × [`PANEL`], into `scores`, or added to them.
    pub(super) fn score(&self, panel: usize, scores: &mut [f32], add: bool) {
        let length = self.format.units(self.width) * PANEL;
        self.rows.times(&self.queries[panel * length..(panel + 1) * length], 0..self.rows.rows(), scores, add);
    }

    /// Adds features · `weights` (inputs × [`PANEL`], in the format of the factors) to `sums`, F × [`PANEL`].
    pub(super) fn sum(&self, weights: &[u32], sums: &mut [f32]) {
        self.columns.times(weights, 0..self.width, sums, true);
    }
}
