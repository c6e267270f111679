//! A block of rows times a panel of columns, by the best instructions there are.

use super::{Format, PANEL, ROWS, plain};

/// One such product: its factors, and where the sums go.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// Rows, 1 to [`ROWS`], and columns, 1 to [`PANEL`].
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Units of the inner length.
    pub(super) depth: usize,
    /// depth × rows and depth × [`PANEL`] units.
    pub(super) left: &'a [u32],
    pub(super) right: &'a [u32],
    /// The first of the sums, and how far it is to the next row.
    out: *mut f32,
    stride: usize,
    /// Whether sums are added to what is there.
    add: bool,
}

impl<'a> Tile<'a> {
    /// A tile whose sums go to `out`, or are added to what is there.
    ///
    /// # Safety
    /// As long as the tile is there, `out` holds `rows` rows of `columns` numbers, `stride` apart, that nobody else uses.
    ///
    /// # Panics
    /// When the shape is none of a tile.
    #[allow(unsafe_code)]
    pub(super) unsafe fn new(
        [rows, columns, depth]: [usize; 3],
        left: &'a [u32],
        right: &'a [u32],
        out: *mut f32,
        stride: usize,
        add: bool,
    ) -> Self {
        assert!((1..=ROWS).contains(&rows) && (1..=PANEL).contains(&columns), "a tile of {rows} x {columns}");
        assert!(left.len() == depth * rows && right.len() == depth * PANEL, "factors of another length than {depth}");
        Self { rows, columns, depth, left, right, out, stride, add }
    }

    /// Writes some sums of a row, from a column on, as far as there are columns.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(super) fn put(&self, row: usize, column: usize, sums: &[f32]) {
        debug_assert!(row < self.rows, "row {row} of {}", self.rows);
        for (sum, column) in sums.iter().zip(column..self.columns) {
            let out = self.out.wrapping_add(row * self.stride + column);
            // SAFETY: a row and a column of the tile, which the maker of the tile vouches for.
            unsafe { *out = if self.add { *out + sum } else { *sum } };
        }
    }

    /// Where the sums of a row go, and whether they are added.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (*mut f32, bool) {
        (self.out.wrapping_add(row * self.stride), self.add)
    }

    /// Multiplies. A format that this processor has no instructions for is none that [`Format::of`] gives.
    #[allow(unsafe_code)]
    pub(super) fn multiply(&self, format: Format) {
        #[cfg(target_arch = "x86_64")]
        {
            use super::{avx2, avx512};
            use std::arch::is_x86_feature_detected;

            let has_avx512 = is_x86_feature_detected!("avx512f");
            match format {
                // SAFETY: the processor was just asked for these instructions.
                Format::F32 if has_avx512 => return unsafe { avx512::multiply_f32(self) },
                // SAFETY: as above.
                Format::F32 if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
                    return unsafe { avx2::multiply_f32(self) };
                }
                // SAFETY: as above.
                Format::Bf16 if has_avx512 && is_x86_feature_detected!("avx512bf16") => {
                    return unsafe { avx512::multiply_bf16(self) };
                }
                _ => {}
            }
        }
        assert!(format == Format::F32, "bfloat16 products without their instructions");
        plain::multiply_f32(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_gives_the_sums_of_the_plain_one() {
        let numbers = |count: usize, step: u32| (0..count as u32).map(move |at| ((at * step % 17) as f32 - 8.0).to_bits());
        for rows in 1..=ROWS {
            for columns in [1, 7, 16, 17, PANEL] {
                let depth = 5;
                let (left, right): (Vec<u32>, Vec<u32>) =
                    (numbers(depth * rows, 7).collect(), numbers(depth * PANEL, 5).collect());
                // Two numbers behind each row must stay as they are.
                let stride = columns + 2;
                let by = |multiply: &dyn Fn(&Tile<'_>), add: bool| {
                    let mut out = vec![3.0; rows * stride];
                    // SAFETY: `out` has room for the rows, and is used after the tile.
                    #[allow(unsafe_code)]
                    let tile = unsafe { Tile::new([rows, columns, depth], &left, &right, out.as_mut_ptr(), stride, add) };
                    multiply(&tile);
                    out
                };
                for add in [false, true] {
                    let expected = by(&plain::multiply_f32, add);
                    let exact = |at: usize| -> f32 {
                        let (row, column) = (at / stride, at % stride);
                        if column >= columns {
                            return 3.0;
                        }
                        let number = |units: &[u32], at: usize| f32::from_bits(units[at]);
                        let product = |k: usize| number(&left, k * rows + row) * number(&right, k * PANEL + column);
                        let sum: f32 = (0..depth).map(product).sum();
                        sum + if add { 3.0 } else { 0.0 }
                    };
                    assert!(expected.iter().enumerate().all(|(at, &x)| x == exact(at)), "{rows} x {columns}");
                    assert_eq!(by(&|tile| tile.multiply(Format::F32), add), expected);
                    #[cfg(target_arch = "x86_64")]
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        // SAFETY: the processor was just asked for these instructions.
                        #[allow(unsafe_code)]
                        let found = by(&|tile| unsafe { super::super::avx2::multiply_f32(tile) }, add);
                        assert_eq!(found, expected);
                    }
                }
            }
        }
    }
}
