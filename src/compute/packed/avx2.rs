//! The innermost loops of a product on processors with AVX2 and FMA, which have half as many registers of half the width.

use std::arch::x86_64::*;

use super::{PANEL, tile::Tile};

/// Rows at once, and columns: 12 sums in registers, with 2 for the panel and one for the rows.
const ROWS: usize = 6;
const COLUMNS: usize = 16;

/// Rows from `first` on, columns from `column` on: as many as are there.
#[target_feature(enable = "avx2,fma")]
#[allow(unsafe_code)]
fn part<const R: usize>(tile: &Tile<'_>, first: usize, column: usize) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for at in 0..tile.depth {
        let (left, right) = (&tile.left[at * tile.rows + first..][..R], &tile.right[at * PANEL + column..][..COLUMNS]);
        // SAFETY: the slice holds 16 units.
        let right = unsafe { [_mm256_loadu_ps(right.as_ptr().cast()), _mm256_loadu_ps(right[8..].as_ptr().cast())] };
        for (&left, sums) in left.iter().zip(&mut sums) {
            let left = _mm256_set1_ps(f32::from_bits(left));
            *sums = [_mm256_fmadd_ps(left, right[0], sums[0]), _mm256_fmadd_ps(left, right[1], sums[1])];
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let mut numbers = [0f32; COLUMNS];
        // SAFETY: there is room for 16 numbers.
        unsafe {
            _mm256_storeu_ps(numbers.as_mut_ptr(), sums[0]);
            _mm256_storeu_ps(numbers[8..].as_mut_ptr(), sums[1]);
        }
        tile.put(first + row, column, &numbers);
    }
}

/// Products of float32 units.
#[target_feature(enable = "avx2,fma")]
pub(super) fn multiply_f32(tile: &Tile<'_>) {
    for column in (0..tile.columns).step_by(COLUMNS) {
        for first in (0..tile.rows).step_by(ROWS) {
            match tile.rows - first {
                1 => part::<1>(tile, first, column),
                2 => part::<2>(tile, first, column),
                3 => part::<3>(tile, first, column),
                4 => part::<4>(tile, first, column),
                5 => part::<5>(tile, first, column),
                _ => part::<ROWS>(tile, first, column),
            }
        }
    }
}
