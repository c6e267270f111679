//! The left factor.

use std::ops::Range;

use super::{Format, PANEL, PanelFactor, ROWS, pair, runs, tile::Tile};
#[cfg(target_arch = "x86_64")]
use super::{avx512, multiplies_bf16};
use crate::compute::vectorise::vectorised;

/// Rows in blocks, ready for products. Packing anew keeps the room.
#[derive(Clone, Debug)]
pub struct LeftFactor {
    format: Format,
    rows: usize,
    depth: usize,
    /// Whether only numbers from a row's own number on are not zero.
    is_upper: bool,
    /// Blocks of units × rows of the block.
    units: Vec<u32>,
}

impl LeftFactor {
    /// No rows yet.
    pub fn new(format: Format) -> Self {
        Self { format, rows: 0, depth: 0, is_upper: false, units: Vec::new() }
    }

    /// Takes `rows` rows of `depth` numbers; row r begins at `r · stride`.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn pack(&mut self, values: &[f32], rows: usize, depth: usize, stride: usize) {
        assert!(rows == 0 || (rows - 1) * stride + depth <= values.len(), "{rows} rows of {depth} numbers");
        self.resize(rows, depth);
        let format = self.format;
        for (block, out) in self.blocks_mut().enumerate() {
            pack_block(&values[block * ROWS * stride..], depth, stride, format, out);
        }
    }

    /// Takes the transpose of `depth` rows of `rows` numbers; row r begins at `r · stride`.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn pack_transposed(&mut self, values: &[f32], rows: usize, depth: usize, stride: usize) {
        assert!(depth == 0 || (depth - 1) * stride + rows <= values.len(), "{depth} rows of {rows} numbers");
        self.resize(rows, depth);
        let units = self.depth();
        for (block, out) in self.units.chunks_mut((ROWS * units).max(1)).enumerate() {
            let rows = out.len() / units;
            put_transposed(&values[(block * ROWS).min(values.len())..], rows, depth, stride, self.format, out);
        }
    }

    /// The same, where all numbers before the diagonal are zero: they are not multiplied.
    #[must_use]
    pub fn upper(self) -> Self {
        Self { is_upper: true, ..self }
    }

    /// All rows times a panel of columns: rows × [`PANEL`] into `out`. `add` adds to what is there.
    ///
    /// # Panics
    /// When the lengths or formats do not fit.
    pub fn multiply(&self, right: &PanelFactor, out: &mut [f32], add: bool) {
        assert!(right.format() == self.format, "factors of other formats");
        self.times(right.units(), 0..self.rows, out, add);
    }

    /// Room for so many rows of so many numbers.
    pub(super) fn resize(&mut self, rows: usize, depth: usize) {
        (self.rows, self.depth, self.is_upper) = (rows, depth, false);
        self.units.resize(rows * self.format.units(depth), 0);
    }

    /// Some rows, the first of them the first of a block, times one panel of columns: rows × [`PANEL`]. `right` holds as many units as the rows
    /// are long. `add` adds to what is there.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(in crate::compute) fn times(&self, right: &[u32], rows: Range<usize>, out: &mut [f32], add: bool) {
        let depth = self.depth();
        assert!(rows.start.is_multiple_of(ROWS) && rows.end <= self.rows, "{rows:?} of {} rows", self.rows);
        assert!(right.len() == depth * PANEL && out.len() == rows.len() * PANEL, "{} numbers for a product", out.len());
        for Range { start: from, end } in runs(depth) {
            for (out, first) in out.chunks_mut(ROWS * PANEL).zip(rows.clone().step_by(ROWS)) {
                let (of_block, units) = self.block(first / ROWS);
                // The last block of the rows may end before its own end only where all rows end.
                let wanted = out.len() / PANEL;
                assert_eq!(wanted, of_block, "rows that end within a block");
                // As many units as lie before the diagonal in all rows of the block.
                let skipped = if self.is_upper { first / self.format.numbers(1) } else { 0 };
                let start = skipped.clamp(from, end);
                let (left, right) = (&units[start * of_block..end * of_block], &right[start * PANEL..end * PANEL]);
                let shape = [of_block, PANEL, end - start];
                // SAFETY: `out` holds these rows of PANEL columns.
                #[allow(unsafe_code)]
                let tile = unsafe { Tile::new(shape, left, right, out.as_mut_ptr(), PANEL, add || from > 0) };
                tile.multiply(self.format);
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Units of the inner length.
    pub(super) fn depth(&self) -> usize {
        self.format.units(self.depth)
    }

    /// The number format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Numbers of the inner length.
    pub(super) fn inner(&self) -> usize {
        self.depth
    }

    /// The units of each block, one after the other.
    pub(super) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut [u32]> {
        let units = self.depth();
        self.units.chunks_mut((ROWS * units).max(1))
    }

    /// Rows and units of a block.
    pub(super) fn block(&self, number: usize) -> (usize, &[u32]) {
        let rows = ROWS.min(self.rows - number * ROWS);
        let from = number * ROWS * self.depth();
        (rows, &self.units[from..from + rows * self.depth()])
    }
}

/// The rows of a block, each of `depth` numbers and `stride` behind the one before.
pub(super) fn pack_block(values: &[f32], depth: usize, stride: usize, format: Format, out: &mut [u32]) {
    let rows = out.len() / format.units(depth).max(1);
    let done = match rows {
        ROWS => interleave_by_vectors::<ROWS>(values, stride, depth, 1.0, format, out),
        _ => 0,
    };
    let (numbers, out) = (format.numbers(done), &mut out[done * rows..]);
    match format {
        Format::F32 => interleave(&values[numbers..], stride, depth - numbers, out),
        Format::Bf16 => interleave_pairs(&values[numbers..], stride, depth - numbers, out),
    }
}

/// R rows side by side, times `scale`, as far as this processor has instructions for it: how many units were put.
#[allow(unsafe_code)]
pub(super) fn interleave_by_vectors<const R: usize>(
    values: &[f32],
    stride: usize,
    depth: usize,
    scale: f32,
    format: Format,
    out: &mut [u32],
) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let rows = || -> [&[f32]; R] { std::array::from_fn(|row| &values[row * stride..row * stride + depth]) };
        match format {
            // SAFETY: the processor is asked for these instructions.
            Format::F32 if std::arch::is_x86_feature_detected!("avx512f") => {
                return unsafe { avx512::interleave_f32(rows(), scale, out) };
            }
            // SAFETY: as above.
            Format::Bf16 if multiplies_bf16() => return unsafe { avx512::interleave_bf16(rows(), scale, out) },
            _ => {}
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, stride, depth, scale, format, out);
    0
}

vectorised! {
    /// `depth` rows of as many numbers as a block has rows, as its units.
    fn put_transposed(values: &[f32], rows: usize, depth: usize, stride: usize, format: Format, out: &mut [u32]) {
        let row = |number: usize| if number < depth { &values[number * stride..number * stride + rows] } else { &[] };
        for (unit, out) in out.chunks_exact_mut(rows).enumerate() {
            match format {
                Format::F32 => out.iter_mut().zip(row(unit)).for_each(|(out, x)| *out = x.to_bits()),
                Format::Bf16 => {
                    let (first, second) = (row(2 * unit), row(2 * unit + 1));
                    if second.is_empty() {
                        out.iter_mut().zip(first).for_each(|(out, a)| *out = pair(*a, 0.0));
                    } else if rows == ROWS {
                        // A number of rows that the compiler knows.
                        for row in 0..ROWS {
                            out[row] = pair(first[row], second[row]);
                        }
                    } else {
                        out.iter_mut().zip(first.iter().zip(second)).for_each(|(out, (a, b))| *out = pair(*a, *b));
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Numbers of the rows of a block, side by side.
    fn interleave(values: &[f32], stride: usize, depth: usize, out: &mut [u32]) {
        let rows = out.len() / depth.max(1);
        if rows == ROWS {
            // A number of rows that the compiler knows.
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &values[row * stride..row * stride + depth]);
            for (at, out) in out.chunks_exact_mut(ROWS).enumerate() {
                out.iter_mut().zip(&rows).for_each(|(out, row)| *out = row[at].to_bits());
            }
        } else {
            for (at, out) in out.chunks_exact_mut(rows.max(1)).enumerate() {
                out.iter_mut().enumerate().for_each(|(row, out)| *out = values[row * stride + at].to_bits());
            }
        }
    }
}

vectorised! {
    /// Pairs of numbers of the rows of a block, side by side.
    fn interleave_pairs(values: &[f32], stride: usize, depth: usize, out: &mut [u32]) {
        const AT_ONCE: usize = 64;
        let rows = out.len() / depth.div_ceil(2).max(1);
        let mut pairs = [[0u32; AT_ONCE]; ROWS];
        for (number, out) in out.chunks_mut((rows * AT_ONCE).max(1)).enumerate() {
            let from = number * 2 * AT_ONCE;
            let length = (2 * AT_ONCE).min(depth - from);
            for (row, pairs) in pairs.iter_mut().enumerate().take(rows) {
                let values = &values[row * stride + from..row * stride + from + length];
                let whole = values.chunks_exact(2);
                let rest = whole.remainder().first().map(|&last| pair(last, 0.0));
                let count = pairs.iter_mut().zip(whole).map(|(out, both)| *out = pair(both[0], both[1])).count();
                if let Some(rest) = rest {
                    pairs[count] = rest;
                }
            }
            for (at, out) in out.chunks_exact_mut(rows.max(1)).enumerate() {
                out.iter_mut().zip(&pairs).for_each(|(out, pairs)| *out = pairs[at]);
            }
        }
    }
}
