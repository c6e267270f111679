//! How far a reconstructed sound is from its own, for training.

use candle_core::{D, DType, Device, Tensor};

use crate::{compute::spectrum, error::Result, perceiver::mu_law::MuLaw};

/// Samples of a spectrum; the next begins after half of them.
const LENGTH: usize = 256;
/// µ of the scale on which samples are held against each other: errors of faint samples count for more than those of loud ones.
const MU: f64 = 15.0;
/// Power of a bin below which all is silence.
const SILENCE: f64 = 1e-7;
/// Squared differences of logarithms that are none.
const NOTHING: f64 = 1e-4;

/// The error of the samples, and the distance of their spectra, in which what is too soft to matter among the samples counts as well.
#[derive(Debug)]
pub(super) struct SoundLoss {
    scale: MuLaw,
    transform: Tensor,
}

impl SoundLoss {
    pub(super) fn new(device: &Device) -> Result<Self> {
        Ok(Self { scale: MuLaw::new(MU)?, transform: spectrum::transform(LENGTH, 0..LENGTH / 2 + 1, device)? })
    }

    /// The mean squared error on the scale of a µ-law with µ = 15. Both B × samples.
    pub(super) fn error(&self, answer: &Tensor, own: &Tensor) -> Result<Tensor> {
        let [answer, own] = [answer, own].map(|of| self.scale.compress(&of.to_dtype(DType::F32)?));
        Ok((answer? - own?)?.sqr()?.mean_all()?)
    }

    /// Of log₁₀ power and log₁₀ own power, the root of the mean squared difference over the bins of a spectrum, and of these the mean: the
    /// log-spectral distance in bels. Both B × samples, of whole sounds; 0 of sounds shorter than a spectrum.
    pub(super) fn spectral_distance(&self, answer: &Tensor, own: &Tensor) -> Result<Tensor> {
        if own.dim(1)? < LENGTH {
            return Ok(Tensor::zeros((), DType::F32, own.device())?);
        }
        let levels =
            |of: &Tensor| -> Result<Tensor> { Ok((spectrum::powers(&windows(of)?, &self.transform)? + SILENCE)?.log()?) };
        let difference = (levels(&answer.to_dtype(DType::F32)?)? - levels(&own.to_dtype(DType::F32)?)?)?;
        // The slope of a root is without bound at nothing.
        let distance = (difference.sqr()?.mean(D::Minus1)? + NOTHING)?.sqrt()?;
        Ok((distance.mean_all()? / std::f64::consts::LN_10)?)
    }
}

/// Runs of [`LENGTH`] samples, each half over the next: B·runs × [`LENGTH`].
fn windows(sound: &Tensor) -> Result<Tensor> {
    let (b, count) = sound.dims2()?;
    let (half, runs) = (LENGTH / 2, count / (LENGTH / 2) - 1);
    let halves = sound.narrow(1, 0, (runs + 1) * half)?.reshape((b, runs + 1, half))?;
    Ok(Tensor::cat(&[halves.narrow(1, 0, runs)?, halves.narrow(1, 1, runs)?], 2)?.reshape((b * runs, LENGTH))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(level: f32) -> Tensor {
        let noise = |at: u32| level * ((at * at) as f32 * 0.37).sin();
        Tensor::from_vec((0..1100).map(noise).collect::<Vec<_>>(), (1, 1100), &Device::Cpu).unwrap()
    }

    #[test]
    fn faint_errors_count_for_more_and_softer_sounds_are_apart_in_decibels() {
        let number = |tensor: Tensor| tensor.to_scalar::<f32>().unwrap();
        let (own, silent, loss) = (sound(0.8), sound(0.0), SoundLoss::new(&Device::Cpu).unwrap());
        let error = |of: &Tensor| number(loss.error(&silent, of).unwrap());
        assert!(error(&(&own * 0.1).unwrap()) > 0.05 * error(&own) && error(&silent) == 0.0, "a hundredth of the power");
        let softer = number(loss.spectral_distance(&(&own * 0.1).unwrap(), &own).unwrap());
        // 20 dB are two powers of ten, less what both lose below the level of silence.
        assert!((1.8..2.01).contains(&softer), "{softer}");
        assert_eq!(
            number(loss.spectral_distance(&own.narrow(1, 0, 100).unwrap(), &own.narrow(1, 0, 100).unwrap()).unwrap()),
            0.0
        );
    }

    #[test]
    fn spectra_overlap_by_half() {
        let runs = windows(&sound(1.0)).unwrap();
        assert_eq!(runs.dims(), [7, LENGTH]);
        let (first, second) = (runs.get(0).unwrap().to_vec1::<f32>().unwrap(), runs.get(1).unwrap().to_vec1::<f32>().unwrap());
        assert_eq!(first[LENGTH / 2..], second[..LENGTH / 2]);
    }
}
