//! Products of matrices that are kept in the order in which the processor reads them, in float32 or in bfloat16 with float32 sums.
//!
//! The left factor lies in blocks of [`ROWS`] rows, the right one in panels of [`PANEL`] columns (Goto and van de Geijn 2008, "Anatomy of
//! high-performance matrix multiplication"), both along the inner length in units of 32 bits: one float32 number, or two bfloat16 numbers
//! that follow each other. A model's matrices are brought into this order once; what they are multiplied with, for each product.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod left;
mod linear;
mod panel;
mod plain;
mod right;
mod stack;
mod tile;

pub use left::LeftFactor;
pub use linear::linear;
pub use panel::PanelFactor;
pub use right::{Finish, RightFactor};
pub(super) use right::{pack_pairs, pack_transposed};
pub use stack::LeftStack;

use std::ops::Range;

use candle_core::DType;

/// Rows of a block: with the columns of a panel, 24 sums in vector registers, 2 for the panel and one for the rows.
pub(super) const ROWS: usize = 12;
/// Columns of a panel.
pub const PANEL: usize = 32;
/// Units of the inner length that are multiplied before the next block, at most: a block of both factors stays in the nearest caches.
const DEPTH: usize = 512;
/// Numbers that a product adds up at least for its factors to be rounded to 16 bits: over fewer it takes little time in any format.
const NARROWEST: usize = 64;

/// The number format of both factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// 16-bit floats with 8 bits of exponent.
    Bf16,
}

impl Format {
    /// That of a model whose matrices are `dtype`; none where this processor has no instructions for such products.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Self::F32),
            DType::BF16 if multiplies_bf16() => Some(Self::Bf16),
            _ => None,
        }
    }

    /// That of a product over so many numbers: float32 where they are few.
    pub fn over(self, numbers: usize) -> Self {
        if numbers < NARROWEST { Self::F32 } else { self }
    }

    /// The tensor type it stands for.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Numbers of so many whole units.
    fn numbers(self, units: usize) -> usize {
        match self {
            Self::F32 => units,
            Self::Bf16 => 2 * units,
        }
    }

    /// Units of so many numbers; what is lacking in the last one is zero.
    pub(super) fn units(self, numbers: usize) -> usize {
        match self {
            Self::F32 => numbers,
            Self::Bf16 => numbers.div_ceil(2),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn multiplies_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_bf16() -> bool {
    false
}

/// An inner length in runs of at most [`DEPTH`] units, as equal as whole units allow; one without units where there is none.
fn runs(units: usize) -> impl Iterator<Item = Range<usize>> {
    let at_once = units.div_ceil(units.div_ceil(DEPTH).max(1)).max(1);
    (0..units.max(1)).step_by(at_once).map(move |from| from..units.min(from + at_once))
}

/// The 16 bits of the bfloat16 number next to `x`, ties to even.
#[inline(always)]
pub(super) fn bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16
}

/// A unit of two numbers, the first in its lower half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> u32 {
    bf16(first) | bf16(second) << 16
}
