//! The window of a multimodal model: some frames and the sound that belongs to them.

use std::{sync::Arc, time::Duration};

use super::super::Picture;

/// A second in nanoseconds.
const SECOND: u128 = 1_000_000_000;

/// What a multimodal model eats in one call. Picture and sound are locked: frame `k` begins with sample `k · samples_per_frame`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipShape {
    /// T, frames of a window, 1 or more.
    pub frames: usize,
    /// Samples that belong to a frame, 1 or more.
    pub samples_per_frame: usize,
    /// Samples a second, 1 or more.
    pub sample_rate: u32,
}

impl ClipShape {
    /// Samples of a window.
    pub fn samples(&self) -> usize {
        self.frames * self.samples_per_frame
    }

    /// How long `samples` samples last, to the nanosecond below.
    pub fn time_of(&self, samples: u64) -> Duration {
        let (rate, nanoseconds) = (u64::from(self.sample_rate), 1_000_000_000);
        let seconds = samples / rate;
        Duration::new(seconds, ((samples % rate) * nanoseconds / rate) as u32)
    }

    /// How long a window lasts.
    pub fn duration(&self) -> Duration {
        self.time_of(self.samples() as u64)
    }

    /// The sample heard at `time`, counted from the start of the stream: the nearest one.
    pub fn place_of(&self, time: Duration) -> u64 {
        ((time.as_nanos() * u128::from(self.sample_rate) + SECOND / 2) / SECOND) as u64
    }

    /// Frames a second.
    pub fn frame_rate(&self) -> f64 {
        f64::from(self.sample_rate) / self.samples_per_frame as f64
    }
}

/// One window: the pictures shown at its frames' times, and its sound.
#[derive(Clone, Debug)]
pub struct Clip {
    /// T pictures, of one size; none where no video was there.
    pub pictures: Vec<Option<Arc<Picture>>>,
    /// Samples of one channel in −1 … 1, [`ClipShape::samples`] of them; 0 where no sound was there.
    pub samples: Vec<f32>,
    /// How many of the samples stand for sound that was not there.
    pub missing_samples: usize,
    /// When the window begins.
    pub time: Duration,
    /// How long it lasts: less than [`ClipShape::duration`] where the media end within it and the rest is padding.
    pub duration: Duration,
    /// Its number since the last reset, from 0.
    pub index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_window_lasts_sixteen_frames_of_a_twenty_fifth() {
        let shape = ClipShape { frames: 16, samples_per_frame: 1920, sample_rate: 48_000 };
        assert_eq!((shape.samples(), shape.frame_rate()), (30_720, 25.0));
        assert_eq!(shape.duration(), Duration::from_millis(640));
    }

    #[test]
    fn long_times_are_exact() {
        let shape = ClipShape { frames: 1, samples_per_frame: 1, sample_rate: 44_100 };
        let day = 24 * 3600;
        assert_eq!(shape.time_of(44_100 * day + 1), Duration::new(day, 22_675));
    }
}
