//! Measures of what a token of sound holds, beside its samples. Not in the published code: a small model need not learn to make them.

use std::f64::consts::LN_10;

use candle_core::{D, DType, Device, Tensor};

use crate::{compute::spectrum, error::Result};

/// What is measured of sounds of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioProfile {
    /// Samples of a token, a multiple of [`PART`](Self::PART).
    pub samples_per_patch: usize,
    /// Tokens of a sound.
    pub tokens: usize,
}

/// Tokens whose samples a spectrum is made of.
const SPAN: usize = 8;
/// Power, of a full scale of 1, below which all is silence: that of samples of 1e-4.
const SILENCE: f64 = 1e-8;
/// What the logarithm of a power is multiplied with, so that silence is −1 and the full scale 1.
const SCALE: f64 = 0.25;
/// How far spectra reach: so many 32nds of half the rate. What lies above says how the sound was resampled, not what it is.
const REACH: usize = 27;
/// Bins of the shorter window that make a band.
const BAND: usize = 4;
/// A sample of at least this share of the sound's largest is at the limit.
const LIMIT: f64 = 0.98;
/// A share of 1/8 of all samples at the limit, and more, counts as all.
const MANY: f64 = 8.0;
/// Of the sound and of the token: how many samples are at the limit.
const LIMITS: usize = 2;

/// The transforms from windowed samples to cosine and sine parts, for the low bins and for the bands above.
#[derive(Debug)]
pub(super) struct Transforms {
    low: Tensor,
    high: Tensor,
}

impl AudioProfile {
    /// Samples of a part of a token whose level is measured by itself.
    pub const PART: usize = 16;

    /// Samples of the longer window; the shorter one has a quarter of them.
    fn window(&self) -> usize {
        self.samples_per_patch * self.tokens.clamp(1, SPAN)
    }

    /// Bins of the longer window that are measured one by one: up to an eighth of half the rate.
    fn low(&self) -> usize {
        self.window() / 16
    }

    /// Bins of the shorter window, from there on to the end.
    fn high(&self) -> usize {
        self.window() / 8 * REACH / 32 - self.low() / 4
    }

    /// Channels of a token.
    pub fn channels(&self) -> usize {
        self.low() + self.high().div_ceil(BAND) + self.samples_per_patch / Self::PART + LIMITS
    }

    /// Measures `samples`, B × tokens × samples of a token in −1 … 1, to B × tokens × channels. Powers p are given as log₁₀(10⁻⁸ + p) / 4 + 1,
    /// from −1 for silence to 1 for the full scale:
    ///
    /// - the spectrum of the eight tokens around, as far as the sound reaches: below a sixteenth of the rate bin by bin, above it, up to 27/64 of
    ///   the rate, in bands of bins four times as wide, from a window of a quarter of the length (both of Hann's form; a sine of full scale has 1);
    /// - the mean square of every 16 samples;
    /// - how many samples reach 98 % of the sound's largest, in the sound and in the token: from −1 for none to 1 for an eighth or more, as
    ///   all of silence are.
    ///
    /// # Errors
    /// For another shape.
    pub(super) fn measure(&self, samples: &Tensor, transforms: &Transforms) -> Result<Tensor> {
        let (b, tokens, patch) = samples.dims3()?;
        // Nothing of this is trained.
        let samples = samples.to_dtype(DType::F32)?.detach();
        let sound = samples.reshape((b, tokens * patch))?;
        let low = spectrum::powers(&self.windows(&sound, self.window())?, &transforms.low)?;
        let high = spectrum::powers(&self.windows(&sound, self.window() / 4)?, &transforms.high)?;
        let bands = self.high().div_ceil(BAND);
        let high = high.pad_with_zeros(1, 0, bands * BAND - self.high())?.reshape((b * tokens, bands, BAND))?.sum(2)?;
        let levels = samples.reshape((b * tokens, patch / Self::PART, Self::PART))?.sqr()?.mean(2)?;
        let powers = Tensor::cat(&[low, high, levels], 1)?.reshape((b, tokens, ()))?;
        let powers = ((powers + SILENCE)?.log()? * (SCALE / LN_10))?.affine(1.0, 1.0)?;
        Ok(Tensor::cat(&[powers, limits(&samples)?], 2)?)
    }

    /// The samples of a window around each token, within the sound: B·tokens × length.
    fn windows(&self, sound: &Tensor, length: usize) -> Result<Tensor> {
        let (b, count) = sound.dims2()?;
        let starts = (0..self.tokens).map(|token| {
            let middle = token * self.samples_per_patch + self.samples_per_patch / 2;
            middle.saturating_sub(length / 2).min(count - length) as u32
        });
        let places: Vec<u32> = starts.flat_map(|start| start..start + length as u32).collect();
        let places = Tensor::new(places, sound.device())?;
        Ok(sound.contiguous()?.index_select(&places, 1)?.reshape((b * self.tokens, length))?)
    }

    pub(super) fn transforms(&self, device: &Device) -> Result<Transforms> {
        let (window, first) = (self.window(), self.low() / 4);
        Ok(Transforms {
            low: spectrum::transform(window, 0..self.low(), device)?,
            high: spectrum::transform(window / 4, first..first + self.high(), device)?,
        })
    }
}

/// How many samples are at the limit, in the sound and in each token: B × tokens × 2.
fn limits(samples: &Tensor) -> Result<Tensor> {
    let (b, tokens, _) = samples.dims3()?;
    let levels = samples.abs()?;
    let largest = levels.flatten_from(1)?.max_keepdim(1)?.unsqueeze(2)?;
    let at_limit = levels.broadcast_ge(&(largest * LIMIT)?)?.to_dtype(DType::F32)?;
    let of_token = at_limit.mean_keepdim(D::Minus1)?;
    let of_sound = of_token.mean_keepdim(1)?.broadcast_as((b, tokens, 1))?;
    let both = Tensor::cat(&[of_sound, of_token], 2)?;
    Ok((both * MANY)?.clamp(0.0, 1.0)?.affine(2.0, -1.0)?)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const PROFILE: AudioProfile = AudioProfile { samples_per_patch: 32, tokens: 10 };

    fn measured(sample: impl Fn(usize) -> f64) -> Vec<Vec<f32>> {
        let samples: Vec<f32> = (0..320).map(|at| sample(at) as f32).collect();
        let samples = Tensor::from_vec(samples, (1, 10, 32), &Device::Cpu).unwrap();
        let measures = PROFILE.measure(&samples, &PROFILE.transforms(&Device::Cpu).unwrap()).unwrap();
        assert_eq!(measures.dims(), [1, 10, PROFILE.channels()]);
        measures.get(0).unwrap().to_vec2().unwrap()
    }

    fn largest(of: &[f32]) -> usize {
        (0..of.len()).max_by(|&a, &b| of[a].total_cmp(&of[b])).unwrap()
    }

    #[test]
    fn a_sine_stands_in_its_bin_or_its_band() {
        // Windows of 256 and 64 samples: 16 bins, and bands of 4 bins from bin 4 of the shorter window on.
        assert_eq!((PROFILE.low(), PROFILE.high(), PROFILE.channels()), (16, 23, 16 + 6 + 2 + 2));
        for token in measured(|at| (TAU * 5.0 * at as f64 / 256.0).sin()) {
            assert_eq!(largest(&token[..22]), 5);
            assert!((token[5] - 1.0).abs() < 1e-3, "full scale is {}", token[5]);
        }
        for token in measured(|at| 0.1 * (TAU * 13.0 * at as f64 / 64.0).sin()) {
            // Bins 12 to 15.
            assert_eq!(largest(&token[..22]), 16 + 2);
            assert!((token[18] - 0.5).abs() < 0.1, "-20 dB is {}", token[18]);
        }
    }

    #[test]
    fn silence_and_gaps_are_as_low_as_can_be() {
        assert!(measured(|_| 0.0).iter().all(|token| token[..24].iter().all(|&level| (level + 1.0).abs() < 1e-5)));
        let gap = measured(|at| if (48..64).contains(&at) { 0.0 } else { 0.3 * (at as f64).sin() });
        assert!(gap[1][23] == -1.0 && gap[1][22] > 0.3, "{:?}", &gap[1][22..]);
    }

    #[test]
    fn samples_at_the_limit_are_counted() {
        let clipped = measured(|at| (1.5 * (TAU * at as f64 / 40.0).sin()).clamp(-1.0, 1.0));
        assert!(clipped.iter().all(|token| token[24] == 1.0));
        // One of 320 samples is the largest.
        let steady = measured(|at| 0.002 * at as f64);
        assert!(steady[0][24] < -0.5 && steady[0][25] == -1.0 && steady[9][25] > -0.5, "{:?}", &steady[9][24..]);
    }
}
