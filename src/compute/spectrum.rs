//! Powers of sound by frequency: the discrete Fourier transform of short windows as a product with a matrix.

use std::{f64::consts::TAU, ops::Range};

use candle_core::{D, Device, Result, Tensor};

/// `length` samples × (cosine parts of the bins, then sine parts), behind Hann's window, with which a sine of full scale has power 1. Bin k is at
/// k / `length` of the rate.
pub(crate) fn transform(length: usize, bins: Range<usize>, device: &Device) -> Result<Tensor> {
    let turn = |at: usize| TAU * (at % length) as f64 / length as f64;
    let hann: Vec<f64> = (0..length).map(|at| 0.5 - 0.5 * turn(at).cos()).collect();
    let full = hann.iter().sum::<f64>() / 2.0;
    let row = |at: usize| {
        let weight = hann[at] / full;
        let cosines = bins.clone().map(move |bin| (weight * turn(at * bin).cos()) as f32);
        cosines.chain(bins.clone().map(move |bin| (weight * turn(at * bin).sin()) as f32))
    };
    let values: Vec<f32> = (0..length).flat_map(row).collect();
    Tensor::from_vec(values, (length, 2 * bins.len()), device)
}

/// The powers of `windows`, N × length, by a [`transform`] of so many samples: N × bins.
pub(crate) fn powers(windows: &Tensor, transform: &Tensor) -> Result<Tensor> {
    let parts = windows.matmul(transform)?.sqr()?;
    let bins = parts.dim(D::Minus1)? / 2;
    parts.narrow(D::Minus1, 0, bins)? + parts.narrow(D::Minus1, bins, bins)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_full_scale_has_power_one_in_its_bin() {
        let sine: Vec<f32> = (0..64).map(|at| (TAU * 5.0 * at as f64 / 64.0).sin() as f32).collect();
        let sine = Tensor::from_vec(sine, (1, 64), &Device::Cpu).unwrap();
        let powers = powers(&sine, &transform(64, 0..33, &Device::Cpu).unwrap()).unwrap().to_vec2::<f32>().unwrap();
        assert!((powers[0][5] - 1.0).abs() < 1e-5 && powers[0][20] < 1e-9, "{:?}", powers[0]);
    }
}
