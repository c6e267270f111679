//! How far two sounds are apart as one hears them: their spectra in dB.

use std::{f64::consts::TAU, fmt};

use serde::Serialize;

/// A spectrum is of this many milliseconds, and the next begins after half of it.
const MILLISECONDS: usize = 32;
/// Below this level, in dB of a sine of full scale, all is silence.
const SILENCE: f64 = -80.0;

/// Mean log-spectral distances in dB, below which all of −80 dB and less counts alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SpectralDistance {
    /// Of the sounds that were made to their own.
    pub model: f64,
    /// Of silence.
    pub silence: f64,
    /// Of a sound that always has the mean spectrum of these very sounds.
    pub mean_spectrum: f64,
}

impl fmt::Display for SpectralDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, silence, mean_spectrum } = self;
        write!(f, "log-spectral distance {model:.2} dB (silence {silence:.2} dB, mean spectrum {mean_spectrum:.2} dB)")
    }
}

/// Sounds beside what a model made of them, gathered one by one.
#[derive(Clone, Debug)]
pub struct SpectralDistances {
    spectra: Spectra,
    own: Spectrogram,
    made: Spectrogram,
}

impl SpectralDistances {
    /// Of sounds of `rate` samples a second, each of no fewer than `samples`.
    pub fn new(rate: u32, samples: usize) -> Self {
        Self { spectra: Spectra::new(rate, samples), own: Spectrogram::new(), made: Spectrogram::new() }
    }

    /// Adds a sound and what was made of it, of the same length; samples −1 to 1.
    pub fn add(&mut self, own: &[f32], made: &[f32]) {
        self.own.extend(self.spectra.of(own));
        self.made.extend(self.spectra.of(made));
    }

    /// Over all spectra of all `parts`, which are of sounds of one rate; none where no sound was added.
    pub fn mean(parts: &[&Self]) -> Option<SpectralDistance> {
        let own = || parts.iter().flat_map(|part| &part.own);
        let silence = parts.first()?.spectra.silence();
        own().next()?;
        let constant = |spectrum: &Vec<f32>| log_spectral_distance(own().map(|own| (own, spectrum)));
        Some(SpectralDistance {
            model: log_spectral_distance(own().zip(parts.iter().flat_map(|part| &part.made))),
            silence: constant(&silence),
            mean_spectrum: constant(&mean_spectrum(own())),
        })
    }
}

/// Makes spectra of sound of one rate.
#[derive(Clone, Debug)]
struct Spectra {
    window: Vec<f64>,
    /// Cosine and sine of a turn, as long as the window.
    turn: Vec<(f64, f64)>,
}

/// Spectra that follow each other, each from 0 Hz to half the rate, in dB of a sine of full scale.
type Spectrogram = Vec<Vec<f32>>;

impl Spectra {
    /// Of `rate` samples a second, in sounds of no fewer than `samples`.
    fn new(rate: u32, samples: usize) -> Self {
        let length = (rate as usize * MILLISECONDS / 1000).clamp(2, samples.max(2));
        let angle = |at: usize| TAU * at as f64 / length as f64;
        let turn: Vec<(f64, f64)> = (0..length).map(|at| (angle(at).cos(), angle(at).sin())).collect();
        Self { window: turn.iter().map(|(cosine, _)| 0.5 - 0.5 * cosine).collect(), turn }
    }

    /// The spectra of a sound.
    fn of(&self, samples: &[f32]) -> Spectrogram {
        let length = self.window.len();
        samples.windows(length).step_by(length / 2).map(|samples| self.spectrum(samples)).collect()
    }

    /// The spectrum of silence.
    fn silence(&self) -> Vec<f32> {
        vec![SILENCE as f32; self.window.len() / 2 + 1]
    }

    fn spectrum(&self, samples: &[f32]) -> Vec<f32> {
        let length = self.window.len();
        let windowed: Vec<f64> = samples.iter().zip(&self.window).map(|(sample, weight)| f64::from(*sample) * weight).collect();
        // A sine of full scale has half the sum of the window on each side of 0 Hz.
        let full = self.window.iter().sum::<f64>() / 2.0;
        let level = |bin: usize| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (at, value) in windowed.iter().enumerate() {
                let (cosine, sine) = self.turn[bin * at % length];
                real += value * cosine;
                imaginary += value * sine;
            }
            let power = (real * real + imaginary * imaginary) / (full * full);
            (10.0 * power.log10()).max(SILENCE) as f32
        };
        (0..=length / 2).map(level).collect()
    }
}

/// The log-spectral distance in dB: of each pair of spectra the root of the mean squared difference, and of these the mean.
fn log_spectral_distance<'a>(pairs: impl IntoIterator<Item = (&'a Vec<f32>, &'a Vec<f32>)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0u32);
    for (a, b) in pairs {
        let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        sum += (squares / a.len() as f64).sqrt();
        count += 1;
    }
    sum / f64::from(count.max(1))
}

/// The mean of spectra, bin by bin; empty of none.
fn mean_spectrum<'a>(spectra: impl IntoIterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let (mut sums, mut count): (Vec<f64>, f64) = (Vec::new(), 0.0);
    for spectrum in spectra {
        sums.resize(spectrum.len(), 0.0);
        sums.iter_mut().zip(spectrum).for_each(|(sum, level)| *sum += f64::from(*level));
        count += 1.0;
    }
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 kHz at 8 kHz: bin 32 of 256.
    fn sine(level: f32) -> Vec<f32> {
        (0..1024).map(|at| level * (at as f32 * std::f32::consts::TAU / 8.0).sin()).collect()
    }

    #[test]
    fn a_sine_of_full_scale_is_at_zero_decibels() {
        let spectra = Spectra::new(8000, 1024).of(&sine(1.0));
        assert_eq!((spectra.len(), spectra[0].len()), (7, 129));
        assert!(spectra[3][32].abs() < 0.01 && spectra[3][100] < -70.0, "{:?}", spectra[3]);
        let silence = Spectra::new(8000, 1024).of(&[0.0; 1024]);
        assert_eq!(silence[0], Spectra::new(8000, 1024).silence());
    }

    #[test]
    fn ten_decibels_softer_is_ten_decibels_away_where_there_is_sound() {
        let of = |samples: &[f32]| Spectra::new(8000, 1024).of(samples);
        let noise = |level: f32| -> Vec<f32> { (0..1024u32).map(|at| level * ((at * at) as f32 * 0.37).sin()).collect() };
        let (loud, soft) = (of(&noise(1.0)), of(&noise(0.1f32.sqrt())));
        assert!((log_spectral_distance(loud.iter().zip(&soft)) - 10.0).abs() < 0.1);
        assert_eq!(log_spectral_distance(loud.iter().zip(&loud)), 0.0);
        assert_eq!(mean_spectrum(&vec![vec![-10.0, -20.0], vec![-30.0, -20.0]]), [-20.0, -20.0]);
    }

    #[test]
    fn what_is_made_is_measured_beside_silence_and_the_mean_spectrum() {
        let (mut loud, mut soft) = (SpectralDistances::new(8000, 1024), SpectralDistances::new(8000, 1024));
        assert_eq!((SpectralDistances::mean(&[]), SpectralDistances::mean(&[&loud])), (None, None));
        loud.add(&sine(1.0), &sine(1.0));
        soft.add(&sine(0.1), &sine(1.0));
        let mean = SpectralDistances::mean(&[&loud, &soft]).unwrap();
        // The spectra of one sound are all alike: of two of them, 20 dB apart in the bins above silence, the mean lies between.
        assert!(mean.model > 0.0 && mean.silence > mean.model, "{mean:?}");
        assert!((mean.mean_spectrum - mean.model).abs() < 0.01, "half as far from both: {mean:?}");
    }
}
