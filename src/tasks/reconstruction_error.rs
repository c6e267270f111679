//! How far a reconstruction is from the window it was made of.

use super::{ClipInputs, VideoQueries};
use crate::error::{Error, Result};

/// Colours of a pixel.
const COLOURS: usize = 3;

/// The distance between two series of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReconstructionError {
    /// Mean squared error.
    pub mse: f64,
    /// How much stronger the signal is than the error, in dB: against the strongest level there is, 1, for video (PSNR), and against
    /// the window's own sound for audio (SNR). Infinite where nothing differs; minus infinity where silence was not kept silent.
    pub decibels: f64,
}

impl ReconstructionError {
    /// Of the levels that the video head gave for the pixels that were asked for, T × Y × X × 3 of `grid` (T, Y, X) or fewer, against the
    /// window's own levels of these pixels.
    ///
    /// # Errors
    /// When there are not as many levels as were asked for, the window is of another grid, or the queries do not lie within it.
    pub fn of_video(window: &ClipInputs, levels: &[f32], grid: [usize; 3], queries: VideoQueries) -> Result<Self> {
        let image = window.image();
        let [frames, rows, columns] = grid;
        if image.len() != frames * rows * columns * COLOURS {
            return Err(Error::tensor(
                "window's video",
                image.len(),
                format!("{frames} x {rows} x {columns} x {COLOURS} levels"),
            ));
        }
        let points = queries.points(grid)?;
        if levels.len() != points.len() * COLOURS {
            let accepted = format!("{} levels, those of the pixels that were asked for", points.len() * COLOURS);
            return Err(Error::tensor("reconstructed video", levels.len(), accepted));
        }
        let plane = rows * columns;
        // The head answers pixel by pixel, the window lies plane by plane.
        let own = |point: u32, colour: usize| {
            let point = point as usize;
            image[(point / plane * COLOURS + colour) * plane + point % plane]
        };
        let pixels = points.iter().zip(levels.chunks_exact(COLOURS));
        let differences = pixels.flat_map(|(&point, pixel)| (0..COLOURS).map(move |colour| own(point, colour) - pixel[colour]));
        let mse = mean_square(differences, levels.len());
        Ok(Self { mse, decibels: decibels(1.0, mse) })
    }

    /// Of the samples that the audio head gave, against the window's own.
    ///
    /// # Errors
    /// When there are not as many samples as the window has.
    pub fn of_audio(window: &ClipInputs, samples: &[f32]) -> Result<Self> {
        let own = window.audio();
        if samples.len() != own.len() {
            return Err(Error::tensor(
                "reconstructed audio",
                samples.len(),
                format!("{} samples, those of the window", own.len()),
            ));
        }
        let mse = mean_square(own.iter().zip(samples).map(|(a, b)| a - b), own.len());
        Ok(Self { mse, decibels: decibels(mean_square(own.iter().copied(), own.len()), mse) })
    }
}

fn mean_square(numbers: impl Iterator<Item = f32>, count: usize) -> f64 {
    numbers.map(|number| f64::from(number).powi(2)).sum::<f64>() / count as f64
}

fn decibels(signal: f64, error: f64) -> f64 {
    if error == 0.0 { f64::INFINITY } else { 10.0 * (signal / error).log10() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        perceiver::PerceiverConfig,
        tasks::{ClipPreprocessor, Framing, Region},
    };

    /// Two frames of 1 × 1 pixel and four samples.
    fn window(image: [f32; 6], audio: [f32; 4]) -> ClipInputs {
        let mut config =
            PerceiverConfig { num_frames: 2, audio_samples_per_frame: 2, image_size: 1, ..PerceiverConfig::default() };
        config.multimodal.patch = 1;
        ClipPreprocessor::new(&config, Framing::Crop).inputs(image.to_vec(), audio.to_vec()).unwrap()
    }

    #[test]
    fn a_tenth_of_the_range_is_twenty_decibels() {
        let window = window([0.5; 6], [1.0, -1.0, 1.0, -1.0]);
        let video =
            ReconstructionError::of_video(&window, &[0.4, 0.6, 0.4, 0.6, 0.4, 0.6], [2, 1, 1], VideoQueries::default()).unwrap();
        assert!((video.mse - 0.01).abs() < 1e-8 && (video.decibels - 20.0).abs() < 1e-5, "{video:?}");
        let audio = ReconstructionError::of_audio(&window, &[0.9, -0.9, 1.1, -1.1]).unwrap();
        assert!((audio.mse - 0.01).abs() < 1e-8 && (audio.decibels - 20.0).abs() < 1e-5, "{audio:?}");
    }

    #[test]
    fn planes_meet_pixels() {
        let mut config =
            PerceiverConfig { num_frames: 1, audio_samples_per_frame: 1, image_size: 2, ..PerceiverConfig::default() };
        config.multimodal.patch = 1;
        let planes: Vec<f32> = (0..12).map(|n| n as f32 / 12.0).collect();
        let pixels: Vec<f32> = (0..4).flat_map(|pixel| (0..3).map(move |colour| (colour * 4 + pixel) as f32 / 12.0)).collect();
        let window = ClipPreprocessor::new(&config, Framing::Crop).inputs(planes, vec![0.0]).unwrap();
        let error = ReconstructionError::of_video(&window, &pixels, [1, 2, 2], VideoQueries::default()).unwrap();
        assert_eq!((error.mse, error.decibels), (0.0, f64::INFINITY));
        let queries = VideoQueries { stride: 1, region: Some(Region { x: 1, y: 0, width: 1, height: 2 }) };
        let column = [&pixels[3..6], &pixels[9..12]].concat();
        assert_eq!(ReconstructionError::of_video(&window, &column, [1, 2, 2], queries).unwrap().mse, 0.0);
        let other = ReconstructionError::of_video(&window, &pixels[..6], [1, 2, 2], queries).unwrap();
        assert!(other.mse > 0.0, "its pixels are others");
        let silent = ReconstructionError::of_audio(&window, &[0.5]).unwrap();
        assert_eq!((silent.mse, silent.decibels), (0.25, f64::NEG_INFINITY));
    }

    #[test]
    fn other_numbers_are_refused() {
        let window = window([0.0; 6], [0.0; 4]);
        assert!(ReconstructionError::of_video(&window, &[0.0; 3], [1, 1, 1], VideoQueries::default()).is_err());
        assert!(ReconstructionError::of_video(&window, &[0.0; 3], [2, 1, 1], VideoQueries::default()).is_err());
        assert!(ReconstructionError::of_audio(&window, &[0.0; 3]).is_err());
    }
}
