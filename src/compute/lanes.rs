//! Sums and maxima of rows in a fixed order that vector registers can follow.

/// Lanes that the compiler may keep in one vector register: a plain fold would have to respect the order of the additions.
const LANES: usize = 16;

/// The largest number of a row.
#[inline(always)]
pub(super) fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    chunks.for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = if x > *lane { x } else { *lane }));
    lanes.into_iter().fold(rest, f32::max)
}

/// The sum of a row.
#[inline(always)]
pub(super) fn sum(row: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    chunks.for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += x));
    lanes.into_iter().sum::<f32>() + rest
}

/// The sum of the squares of what lies between a row's elements and `from`.
#[inline(always)]
pub(super) fn squares(row: &[f32], from: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| (x - from) * (x - from)).sum();
    chunks.for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += (x - from) * (x - from)));
    lanes.into_iter().sum::<f32>() + rest
}
