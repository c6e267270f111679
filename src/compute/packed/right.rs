//! The right factor, and the product.

use rayon::prelude::*;

use super::{Format, LeftFactor, LeftStack, PANEL, ROWS, left::interleave_by_vectors, pair, runs, stack::PIECE, tile::Tile};
#[cfg(target_arch = "x86_64")]
use super::{avx512, multiplies_bf16};
use crate::compute::{gelu_in_place, vectorise::vectorised};

/// Panels of columns in one piece of work at most: few enough for every core to have some.
const PANELS: usize = 2;
/// Units that stay in the second-level cache beside the rows that pass by: 1 MiB.
const KEPT: usize = 1 << 18;

/// Columns in panels, ready for products.
#[derive(Clone, Debug)]
pub struct RightFactor {
    format: Format,
    depth: usize,
    columns: usize,
    /// Panels of units × [`PANEL`]; columns that are lacking in the last panel are zero.
    units: Vec<u32>,
}

/// What is done to each row of a product besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// One number for each column, added.
    pub bias: Option<&'a [f32]>,
    /// Whether GELU follows.
    pub gelu: bool,
    /// A matrix of the product's shape, added last.
    pub residual: Option<&'a [f32]>,
}

impl RightFactor {
    /// Takes `depth` rows of `columns` numbers.
    ///
    /// # Panics
    /// When the slice has another length.
    pub fn new(values: &[f32], depth: usize, columns: usize, format: Format) -> Self {
        assert_eq!(values.len(), depth * columns, "{depth} x {columns} numbers");
        let mut out = Self::zeros(depth, columns, format);
        let panels = out.units.par_chunks_mut((format.units(depth) * PANEL).max(1)).enumerate();
        panels.for_each(|(panel, out)| pack(values, depth, columns, panel, format, out));
        out
    }

    /// Takes the transpose of `columns` rows of `depth` numbers.
    ///
    /// # Panics
    /// When the slice has another length.
    pub fn transposed(values: &[f32], columns: usize, depth: usize, format: Format) -> Self {
        assert_eq!(values.len(), depth * columns, "{columns} x {depth} numbers");
        let mut out = Self::zeros(depth, columns, format);
        let panels = out.units.par_chunks_mut((format.units(depth) * PANEL).max(1)).enumerate();
        panels.for_each(|(panel, out)| {
            let (from, width) = (panel * PANEL, PANEL.min(columns - panel * PANEL));
            pack_transposed(&values[from * depth..], width, depth, depth, 1.0, format, out);
        });
        out
    }

    fn zeros(depth: usize, columns: usize, format: Format) -> Self {
        Self { format, depth, columns, units: vec![0; columns.div_ceil(PANEL) * PANEL * format.units(depth)] }
    }

    /// The number format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The inner length.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The transpose as it was taken, but for rounding to the format: columns × depth.
    pub fn to_transposed(&self) -> Vec<f32> {
        let units = self.format.units(self.depth);
        let number = |column: usize, at: usize| {
            let unit = |unit: usize| self.units[(column / PANEL * units + unit) * PANEL + column % PANEL];
            match self.format {
                Format::F32 => f32::from_bits(unit(at)),
                Format::Bf16 => f32::from_bits(unit(at / 2) >> (at % 2 * 16) << 16),
            }
        };
        (0..self.columns).into_par_iter().flat_map_iter(|column| (0..self.depth).map(move |at| number(column, at))).collect()
    }

    /// `left`, rows × depth, times this: rows × columns. On all cores; the result does not depend on their number.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn product(&self, left: &[f32], finish: Finish<'_>) -> Vec<f32> {
        let mut packed = LeftStack::new(self.format);
        packed.pack(left, self.depth, None);
        let length = packed.rows() * self.columns;
        let mut out = Vec::with_capacity(length);
        // SAFETY: there is room for so many numbers, all of which are written.
        #[allow(unsafe_code)]
        unsafe {
            self.multiply_all(&packed, finish, out.as_mut_ptr(), false);
            out.set_len(length);
        }
        out
    }

    /// The same into `out`, rows × columns, of a factor that is packed already. `add` adds to what is there.
    ///
    /// # Panics
    /// When the lengths or formats do not fit.
    pub fn product_into(&self, left: &LeftStack, finish: Finish<'_>, out: &mut [f32], add: bool) {
        assert_eq!(out.len(), left.rows() * self.columns, "numbers for a product of {} rows", left.rows());
        // SAFETY: just asserted, and `out` is borrowed by nobody else.
        #[allow(unsafe_code)]
        unsafe {
            self.multiply_all(left, finish, out.as_mut_ptr(), add);
        }
    }

    /// # Safety
    /// `out` has room for the product, and nobody else uses it. All of it is written; it is read before only with `add`.
    #[allow(unsafe_code)]
    unsafe fn multiply_all(&self, left: &LeftStack, finish: Finish<'_>, out: *mut f32, add: bool) {
        let shared = Shared(out);
        let units_of_panel = self.format.units(self.depth).max(1) * PANEL;
        let panels_at_once = (KEPT / units_of_panel).clamp(1, PANELS);
        let (pieces_down, pieces_across) = (left.pieces(), self.panels().div_ceil(panels_at_once));
        // What is small stays near while all rows pass by once; of what is large, a few panels do, one after the other.
        let rows_pass_once = self.units.len() <= KEPT;
        (0..pieces_down * pieces_across).into_par_iter().for_each(|number| {
            let (down, across) = match rows_pass_once {
                true => (number / pieces_across, number % pieces_across),
                false => (number % pieces_down, number / pieces_down),
            };
            let panels = across * panels_at_once..((across + 1) * panels_at_once).min(self.panels());
            let columns = panels.start * PANEL..(panels.end * PANEL).min(self.columns);
            let (piece, first) = (left.piece(down), down * PIECE);
            let at = |row: usize| shared.at((first + row) * self.columns + columns.start);
            // SAFETY: the matrix holds all rows, of which these are some; no other piece has these rows and columns.
            unsafe { self.multiply_panels(piece, panels, at(0), self.columns, add) };
            for row in 0..piece.rows() {
                // SAFETY: as above.
                let out = unsafe { std::slice::from_raw_parts_mut(at(row), columns.len()) };
                finish.apply(out, columns.start, (first + row) * self.columns + columns.start);
            }
        });
    }

    /// `left` times this into columns of `out`, a matrix of `width` columns and as many rows; from column `at` on. On the calling thread.
    /// `add` adds to what is there.
    ///
    /// # Panics
    /// When the shapes or formats do not fit.
    pub fn multiply(&self, left: &LeftFactor, out: &mut [f32], width: usize, at: usize, add: bool) {
        assert!(out.len() == left.rows() * width && at + self.columns <= width, "{} numbers for a product", out.len());
        if out.is_empty() || self.columns == 0 {
            return;
        }
        // SAFETY: just asserted, and `out` is borrowed by nobody else.
        #[allow(unsafe_code)]
        unsafe {
            self.multiply_panels(left, 0..self.panels(), out[at..].as_mut_ptr(), width, add);
        }
    }

    fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// # Safety
    /// `out` holds the rows of `left`, `stride` apart, from the first column of the first panel to the last one of the last.
    #[allow(unsafe_code)]
    unsafe fn multiply_panels(&self, left: &LeftFactor, panels: std::ops::Range<usize>, out: *mut f32, stride: usize, add: bool) {
        assert!(left.format() == self.format && left.inner() == self.depth, "factors of other shapes or formats");
        let units = self.format.units(self.depth);
        let first = panels.start;
        for panel in panels {
            let columns = PANEL.min(self.columns - panel * PANEL);
            for run in runs(units) {
                let right = &self.units[(panel * units + run.start) * PANEL..(panel * units + run.end) * PANEL];
                for block in 0..left.rows().div_ceil(ROWS) {
                    let (rows, units) = left.block(block);
                    let left = &units[run.start * rows..run.end * rows];
                    let out = out.wrapping_add(block * ROWS * stride + (panel - first) * PANEL);
                    let (shape, add) = ([rows, columns, run.len()], add || run.start > 0);
                    // SAFETY: the caller vouches for `out`.
                    unsafe { Tile::new(shape, left, right, out, stride, add) }.multiply(self.format);
                }
            }
        }
    }
}

/// A matrix whose parts are written by several threads.
struct Shared(*mut f32);

// SAFETY: every thread writes to rows and columns of its own.
#[allow(unsafe_code)]
unsafe impl Sync for Shared {}

impl Shared {
    fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

impl Finish<'_> {
    /// Finishes a part of a row that begins at a column and at an element of the matrix.
    fn apply(&self, row: &mut [f32], column: usize, element: usize) {
        if let Some(bias) = self.bias {
            row.iter_mut().zip(&bias[column..]).for_each(|(x, bias)| *x += bias);
        }
        if self.gelu {
            gelu_in_place(row);
        }
        if let Some(residual) = self.residual {
            row.iter_mut().zip(&residual[element..]).for_each(|(x, residual)| *x += residual);
        }
    }
}

/// A panel of `depth` rows of `columns` numbers.
fn pack(values: &[f32], depth: usize, columns: usize, panel: usize, format: Format, out: &mut [u32]) {
    let from = panel * PANEL;
    let width = PANEL.min(columns - from);
    let row = |number: usize| (number < depth).then(|| &values[number * columns + from..number * columns + from + width]);
    for (unit, out) in out.chunks_exact_mut(PANEL).enumerate() {
        match format {
            Format::F32 => row(unit).into_iter().for_each(|row| pack_row(row, out)),
            Format::Bf16 => pack_rows(row(2 * unit).unwrap_or_default(), row(2 * unit + 1).unwrap_or(&[]), out),
        }
    }
}

fn pack_row(row: &[f32], out: &mut [u32]) {
    out.iter_mut().zip(row).for_each(|(out, x)| *out = x.to_bits());
}

vectorised! {
    /// Two rows as one of pairs. A second row that is not there is zero.
    fn pack_rows(first: &[f32], second: &[f32], out: &mut [u32]) {
        if second.is_empty() {
            out.iter_mut().zip(first).for_each(|(out, first)| *out = pair(*first, 0.0));
        } else {
            out.iter_mut().zip(first.iter().zip(second)).for_each(|(out, (first, second))| *out = pair(*first, *second));
        }
    }
}

/// `columns` rows of `depth` numbers, `stride` apart, times `scale`, as the columns of a panel.
pub(in crate::compute) fn pack_transposed(
    values: &[f32],
    columns: usize,
    depth: usize,
    stride: usize,
    scale: f32,
    format: Format,
    out: &mut [u32],
) {
    // So many units of a panel stay in the nearest cache until all columns are there.
    const AT_ONCE: usize = 64;
    let done = if columns == PANEL { interleave_by_vectors::<PANEL>(values, stride, depth, scale, format, out) } else { 0 };
    for (number, out) in out[done * PANEL..].chunks_mut(AT_ONCE * PANEL).enumerate() {
        let from = format.numbers(done + number * AT_ONCE);
        let numbers = from..depth.min(from + format.numbers(AT_ONCE));
        for (column, row) in values.chunks(stride.max(1)).take(columns).enumerate() {
            put_column(&row[numbers.clone()], column, scale, format, out);
        }
    }
}

vectorised! {
    /// The numbers of one column of a panel, times `scale`.
    fn put_column(numbers: &[f32], column: usize, scale: f32, format: Format, out: &mut [u32]) {
        let units = out.chunks_exact_mut(PANEL);
        match format {
            Format::F32 => units.zip(numbers).for_each(|(out, x)| out[column] = (x * scale).to_bits()),
            Format::Bf16 => units.zip(numbers.chunks(2)).for_each(|(out, both)| {
                let second = both.get(1).copied().unwrap_or(0.0);
                out[column] = pair(both[0] * scale, second * scale);
            }),
        }
    }
}

/// A panel of units of float32 numbers as one of pairs rounded to bfloat16, in place. A number that is lacking at the end is zero.
pub(in crate::compute) fn pack_pairs(units: &mut [u32]) -> &mut [u32] {
    let pairs = (units.len() / PANEL).div_ceil(2);
    // What is written lies before all that is still to be read.
    for at in pair_by_vectors(units)..pairs {
        for column in 0..PANEL {
            let number = |row: usize| units.get(row * PANEL + column).map_or(0.0, |&bits| f32::from_bits(bits));
            units[at * PANEL + column] = pair(number(2 * at), number(2 * at + 1));
        }
    }
    &mut units[..pairs * PANEL]
}

/// The same of whole pairs, as far as this processor has instructions for it: how many rows of pairs were put.
#[allow(unsafe_code)]
fn pair_by_vectors(units: &mut [u32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if multiplies_bf16() {
        // SAFETY: the processor was just asked for these instructions.
        unsafe { avx512::pair_rows(units) };
        return units.len() / (2 * PANEL);
    }
    let _ = units;
    0
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn rounded(values: &[f32], format: Format) -> Vec<f64> {
        let round = |x: f32| if format == Format::F32 { x } else { f32::from_bits(super::super::bf16(x) << 16) };
        values.iter().map(|&x| f64::from(round(x))).collect()
    }

    /// The formats of this machine.
    fn formats() -> impl Iterator<Item = Format> {
        [DType::F32, DType::BF16].into_iter().filter_map(Format::of)
    }

    #[test]
    fn products_of_every_shape_are_those_of_the_rounded_factors() {
        // Odd lengths, one row, more than one piece of work, more than one block of the inner length.
        for (rows, depth, columns) in [(1, 1, 1), (5, 3, 33), (12, 32, 32), (50, 1101, 70), (101, 64, 300)] {
            let (left, right, bias) = (numbers(rows * depth, 1), numbers(depth * columns, 2), numbers(columns, 3));
            let residual = numbers(rows * columns, 4);
            for format in formats() {
                let factor = RightFactor::new(&right, depth, columns, format);
                let (a, b) = (rounded(&left, format), rounded(&right, format));
                let exact = |row: usize, column: usize| -> f64 {
                    (0..depth).map(|at| a[row * depth + at] * b[at * columns + column]).sum::<f64>()
                };
                let finish = Finish { bias: Some(&bias), gelu: false, residual: Some(&residual) };
                let product = factor.product(&left, finish);
                for (at, &found) in product.iter().enumerate() {
                    let expected = exact(at / columns, at % columns) + f64::from(bias[at % columns]) + f64::from(residual[at]);
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-4,
                        "{format:?} {rows} {depth} {columns}: {found} {expected}"
                    );
                }
                // Into the last columns of a wider matrix, added to what is there.
                let mut packed = LeftFactor::new(format);
                packed.pack(&left, rows, depth, depth);
                let mut out = vec![1.0; rows * (columns + 2)];
                factor.multiply(&packed, &mut out, columns + 2, 2, true);
                for (at, &found) in out.iter().enumerate() {
                    let (row, column) = (at / (columns + 2), at % (columns + 2));
                    let expected = if column < 2 { 1.0 } else { 1.0 + exact(row, column - 2) };
                    assert!((f64::from(found) - expected).abs() < 1e-4, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn transposes_are_packed_alike() {
        let (rows, depth) = (45, 37);
        let values = numbers(rows * depth, 5);
        let turned: Vec<f32> = (0..rows * depth).map(|at| values[at % rows * depth + at / rows]).collect();
        for format in formats() {
            let factor = RightFactor::transposed(&values, rows, depth, format);
            assert_eq!(factor.units, RightFactor::new(&turned, depth, rows, format).units);
            assert_eq!(factor.to_transposed().into_iter().map(f64::from).collect::<Vec<_>>(), rounded(&values, format));
            let (mut left, mut from_turned) = (LeftFactor::new(format), LeftFactor::new(format));
            left.pack(&values, rows, depth, depth);
            from_turned.pack_transposed(&turned, rows, depth, rows);
            for block in 0..rows.div_ceil(ROWS) {
                assert_eq!(left.block(block), from_turned.block(block));
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let (left, right) = (numbers(200 * 90, 6), numbers(90 * 600, 7));
        for format in formats() {
            let factor = RightFactor::new(&right, 90, 600, format);
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| factor.product(&left, Finish { gelu: true, ..Default::default() }))
            };
            assert_eq!(with(1), with(3));
        }
    }
}
