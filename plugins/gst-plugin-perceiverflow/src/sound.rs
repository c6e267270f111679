//! Audio buffers to the one channel of samples that models hear.

use std::time::Duration;

use perceiverflow::{Error, Result, media::AudioChunk};

/// The sample formats that are read.
pub(crate) const FORMATS: [&str; 2] = ["F32LE", "S16LE"];

/// Raw audio as its caps describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SoundFormat {
    sample: Sample,
    channels: usize,
    rate: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    F32,
    S16,
}

impl SoundFormat {
    /// The format of fixed caps that [`caps::audio`](crate::caps::audio) accepts.
    pub(crate) fn of(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0).filter(|structure| structure.name() == "audio/x-raw")?;
        let sample = match structure.get::<&str>("format").ok()? {
            "F32LE" => Sample::F32,
            "S16LE" => Sample::S16,
            _ => return None,
        };
        let number = |name: &str| structure.get::<i32>(name).ok().filter(|number| *number > 0);
        Some(Self { sample, channels: number("channels")? as usize, rate: number("rate")? as u32 })
    }

    /// The samples of a buffer that begins at `time`, the mean of the channels.
    ///
    /// # Errors
    /// When the bytes are no whole number of samples of every channel.
    pub(crate) fn read(&self, bytes: &[u8], time: Duration) -> Result<AudioChunk> {
        let width = match self.sample {
            Sample::F32 => 4,
            Sample::S16 => 2,
        };
        let frame = width * self.channels;
        if !bytes.len().is_multiple_of(frame) {
            return Err(Error::option("audio buffer", format!("{} bytes", bytes.len()), format!("a multiple of {frame}")));
        }
        let level = |sample: &[u8]| match self.sample {
            Sample::F32 => f32::from_le_bytes(sample.try_into().unwrap_or_default()),
            Sample::S16 => f32::from(i16::from_le_bytes(sample.try_into().unwrap_or_default())) / 32_768.0,
        };
        let mean = |frame: &[u8]| frame.chunks_exact(width).map(level).sum::<f32>() / self.channels as f32;
        Ok(AudioChunk { samples: bytes.chunks_exact(frame).map(mean).collect(), rate: self.rate, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Option<SoundFormat> {
        gst::init().unwrap();
        SoundFormat::of(&text.parse::<gst::Caps>().unwrap())
    }

    #[test]
    fn channels_are_averaged_in_both_formats() {
        let stereo = format("audio/x-raw,format=S16LE,rate=8000,channels=2,layout=interleaved").unwrap();
        let bytes: Vec<u8> = [16_384i16, 0, -32_768, -32_768].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let chunk = stereo.read(&bytes, Duration::from_millis(3)).unwrap();
        assert_eq!(chunk, AudioChunk { samples: vec![0.25, -1.0], rate: 8000, time: Duration::from_millis(3) });
        let mono = format("audio/x-raw,format=F32LE,rate=8000,channels=1,layout=interleaved").unwrap();
        assert_eq!(mono.read(&0.5f32.to_le_bytes(), Duration::ZERO).unwrap().samples, [0.5]);
    }

    #[test]
    fn half_a_sample_and_other_formats_are_refused() {
        let stereo = format("audio/x-raw,format=S16LE,rate=8000,channels=2,layout=interleaved").unwrap();
        assert!(stereo.read(&[0; 6], Duration::ZERO).unwrap_err().to_string().contains("multiple of 4"));
        assert_eq!(format("audio/x-raw,format=F64LE,rate=8000,channels=1"), None);
        assert_eq!(format("video/x-raw,format=RGB"), None);
    }
}
