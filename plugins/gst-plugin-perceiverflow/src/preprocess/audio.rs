//! Sound in buffers: caps to formats, bytes to samples.

use perceiverflow::{Error, Result};

use crate::caps;

/// How samples lie in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleFormat {
    F32,
    S16,
}

impl SampleFormat {
    /// The format of these caps.
    ///
    /// # Errors
    /// When they are not one channel at `rate`; with the caps that would be accepted.
    pub(super) fn of(given: &gst::CapsRef, rate: u32) -> Result<Self> {
        let accepted = caps::audio(Some(rate));
        let format = given.structure(0).and_then(|structure| structure.get::<&str>("format").ok());
        match format {
            Some("F32LE") if given.is_subset(&accepted) => Ok(Self::F32),
            Some("S16LE") if given.is_subset(&accepted) => Ok(Self::S16),
            _ => Err(Error::option("audio caps", given, format!("{accepted}; audioconvert ! audioresample make them"))),
        }
    }

    /// Samples in −1 … 1. Half a sample at the end is left out.
    pub(super) fn samples(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            Self::S16 => bytes.as_chunks().0.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(format: &str, rate: i32, channels: i32) -> gst::Caps {
        gst::Caps::builder("audio/x-raw")
            .field("format", format)
            .field("rate", rate)
            .field("channels", channels)
            .field("layout", "interleaved")
            .build()
    }

    #[test]
    fn other_sound_is_refused_with_what_is_accepted() {
        gst::init().unwrap();
        assert_eq!(SampleFormat::of(&caps("F32LE", 800, 1), 800).unwrap(), SampleFormat::F32);
        assert_eq!(SampleFormat::of(&caps("S16LE", 800, 1), 800).unwrap(), SampleFormat::S16);
        for wrong in [caps("F32LE", 48_000, 1), caps("F32LE", 800, 2), caps("S32LE", 800, 1)] {
            let message = SampleFormat::of(&wrong, 800).unwrap_err().to_string();
            assert!(message.contains("rate=(int)800") && message.contains("audioresample"), "{message}");
        }
    }

    #[test]
    fn both_formats_span_the_same_range() {
        assert_eq!(SampleFormat::S16.samples(&[0, 128, 0, 64, 9]), [-1.0, 0.5]);
        assert_eq!(SampleFormat::F32.samples(&0.25f32.to_le_bytes()), [0.25]);
    }
}
