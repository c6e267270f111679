//! The innermost loops of a product on processors with AVX-512: the only place that names its instructions.

use std::arch::x86_64::*;

use super::{PANEL, ROWS, tile::Tile};

macro_rules! tile {
    ($name:ident, $features:literal, $step:expr) => {
        #[target_feature(enable = $features)]
        #[inline]
        #[allow(unsafe_code)]
        fn $name<const R: usize, const HALVES: usize>(tile: &Tile<'_>) {
            let (left, right) = (tile.left.as_ptr(), tile.right.as_ptr());
            let mut sums = [[_mm512_setzero_ps(); HALVES]; R];
            for at in 0..tile.depth {
                // SAFETY: a tile has depth × R and depth × PANEL units.
                let (left, right) = unsafe { (left.add(at * R), right.add(at * PANEL)) };
                // SAFETY: as above.
                let right: [__m512i; HALVES] =
                    std::array::from_fn(|half| unsafe { _mm512_loadu_si512(right.add(16 * half).cast()) });
                for (row, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as above.
                    let left = _mm512_set1_epi32(unsafe { *left.add(row) } as i32);
                    for half in 0..HALVES {
                        sums[half] = $step(sums[half], left, right[half]);
                    }
                }
            }
            let mask = u32::MAX >> (PANEL - tile.columns);
            for (row, sums) in sums.iter().enumerate() {
                let (out, add) = tile.row(row);
                for (half, mask) in [mask as u16, (mask >> 16) as u16].into_iter().enumerate().take(HALVES) {
                    // SAFETY: the tile's rows have so many columns; what the mask leaves out is neither read nor written.
                    unsafe {
                        let out = out.wrapping_add(half * 16);
                        let sum = if add { _mm512_add_ps(sums[half], _mm512_maskz_loadu_ps(mask, out)) } else { sums[half] };
                        _mm512_mask_storeu_ps(out, mask, sum);
                    }
                }
            }
        }
    };
}

tile!(tile_f32, "avx512f", |sum, a, b| _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum));
tile!(tile_bf16, "avx512f,avx512bf16", |sum, a: __m512i, b: __m512i| {
    // SAFETY: both types are 512 bits of which every pattern is valid.
    let pairs = |x: __m512i| unsafe { std::mem::transmute::<__m512i, __m512bh>(x) };
    _mm512_dpbf16_ps(sum, pairs(a), pairs(b))
});

macro_rules! by_rows {
    ($tile:expr, $name:ident: $($rows:literal)*) => {
        match $tile.rows {
            $($rows if $tile.columns <= 16 => $name::<$rows, 1>($tile),)*
            $($rows => $name::<$rows, 2>($tile),)*
            _ if $tile.columns <= 16 => $name::<ROWS, 1>($tile),
            _ => $name::<ROWS, 2>($tile),
        }
    };
}

/// Products of float32 units.
#[target_feature(enable = "avx512f")]
pub(super) fn multiply_f32(tile: &Tile<'_>) {
    by_rows!(tile, tile_f32: 1 2 3 4 5 6 7 8 9 10 11);
}

/// Products of units of two bfloat16 numbers, added up in float32.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn multiply_bf16(tile: &Tile<'_>) {
    by_rows!(tile, tile_bf16: 1 2 3 4 5 6 7 8 9 10 11);
}

/// Units that are taken from a row at once.
const UNITS: usize = 16;

/// Puts the numbers of so many rows side by side, times `scale`, as far as they fill vectors: how many units were put.
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)]
pub(super) fn interleave_f32<const R: usize>(rows: [&[f32]; R], scale: f32, out: &mut [u32]) -> usize {
    let units = rows.map(<[f32]>::len).into_iter().min().unwrap_or(0).min(out.len() / R) / UNITS * UNITS;
    let scale = _mm512_set1_ps(scale);
    for at in (0..units).step_by(UNITS) {
        let out = &mut out[at * R..(at + UNITS) * R];
        for (group, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
            let mut vectors = [_mm512_setzero_si512(); 4];
            for (vector, row) in vectors.iter_mut().zip(rows) {
                // SAFETY: each row has so many numbers from there on.
                *vector = _mm512_castps_si512(_mm512_mul_ps(unsafe { _mm512_loadu_ps(row.as_ptr().add(at)) }, scale));
            }
            turn::<R>(vectors, 4 * group, out);
        }
    }
    units
}

/// The same of pairs of numbers, rounded to bfloat16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[allow(unsafe_code)]
pub(super) fn interleave_bf16<const R: usize>(rows: [&[f32]; R], scale: f32, out: &mut [u32]) -> usize {
    let units = (rows.map(<[f32]>::len).into_iter().min().unwrap_or(0) / 2).min(out.len() / R) / UNITS * UNITS;
    let scale = _mm512_set1_ps(scale);
    for at in (0..units).step_by(UNITS) {
        let out = &mut out[at * R..(at + UNITS) * R];
        for (group, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
            let mut vectors = [_mm512_setzero_si512(); 4];
            for (vector, row) in vectors.iter_mut().zip(rows) {
                // SAFETY: each row has two numbers for each unit from there on; all types are 512 bits of which every pattern is valid.
                *vector = unsafe {
                    let from = row.as_ptr().add(2 * at);
                    let [first, second] = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(UNITS))];
                    let both = _mm512_cvtne2ps_pbh(_mm512_mul_ps(second, scale), _mm512_mul_ps(first, scale));
                    std::mem::transmute::<__m512bh, __m512i>(both)
                };
            }
            turn::<R>(vectors, 4 * group, out);
        }
    }
    units
}

/// Four rows of [`UNITS`] units, the first of them row `first` of R, among units of R rows.
#[target_feature(enable = "avx512f")]
#[inline]
#[allow(unsafe_code)]
fn turn<const R: usize>([a, b, c, d]: [__m512i; 4], first: usize, out: &mut [u32]) {
    assert!(out.len() == UNITS * R && first + 4 <= R, "room for a block");
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    // Each quarter of vector j holds four rows of unit 4 · quarter + j.
    let turned = [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ];
    for (j, vector) in turned.into_iter().enumerate() {
        let quarters = [
            _mm512_extracti32x4_epi32::<0>(vector),
            _mm512_extracti32x4_epi32::<1>(vector),
            _mm512_extracti32x4_epi32::<2>(vector),
            _mm512_extracti32x4_epi32::<3>(vector),
        ];
        for (quarter, of_four) in quarters.into_iter().enumerate() {
            let at = (4 * quarter + j) * R + first;
            // SAFETY: four units of the UNITS · R that are there.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().add(at).cast(), of_four) };
        }
    }
}

/// Rows of [`PANEL`] float32 units, two by two, as rows of pairs rounded to bfloat16, in place: they fill the first half.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[allow(unsafe_code)]
pub(super) fn pair_rows(units: &mut [u32]) {
    // Numbers of the first row stand in the lower half of what is rounded at once, those of the second in the upper one.
    let order: [u16; 32] = std::array::from_fn(|at| (at / 2 + at % 2 * 16) as u16);
    // SAFETY: 32 numbers of 16 bits are 512 bits.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    for at in 0..units.len() / (2 * PANEL) {
        for half in [0, 16] {
            // SAFETY: both rows are there, and what is written was read before.
            unsafe {
                let rows = units.as_ptr().add(2 * at * PANEL + half);
                let (first, second) = (_mm512_loadu_ps(rows.cast()), _mm512_loadu_ps(rows.add(PANEL).cast()));
                let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
                let pairs = _mm512_permutexvar_epi16(order, both);
                _mm512_storeu_si512(units.as_mut_ptr().add(at * PANEL + half).cast(), pairs);
            }
        }
    }
}
