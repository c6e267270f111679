//! From samples to a file of sound alone.

use std::path::Path;

use ffmpeg_next::Dictionary;

use super::{container::Container, output_file::OutputFile, sound_track::SoundTrack};
use crate::error::Result;

/// A sound file in the making: it has its name only once [`SoundWriter::finish`] has succeeded. Dropped before, it leaves nothing.
///
/// The extension chooses: 32-bit float PCM in wav, AAC in m4a, Opus in ogg and opus, and the sound of a video file in mp4, m4v, mov,
/// mkv and webm. Only wav keeps samples as they are. Opus takes 8, 12, 16, 24 and 48 kHz.
pub struct SoundWriter {
    file: OutputFile,
    track: SoundTrack,
}

impl SoundWriter {
    /// Begins the file `path` for `channels` channels of `rate` samples a second.
    ///
    /// # Errors
    /// When the extension names no container, the folder cannot be written to, libav lacks the encoder, or that refuses the rate or
    /// the channels.
    pub fn create(path: impl AsRef<Path>, rate: u32, channels: u32) -> Result<Self> {
        let path = path.as_ref();
        let container = Container::of(path, false)?;
        let mut file = OutputFile::create(path, container)?;
        let track = SoundTrack::add(&mut file, container, rate, channels)?;
        file.begin(Dictionary::new())?;
        Ok(Self { file, track })
    }

    /// Adds samples from -1 to 1, the channels in turn, where those before ended.
    ///
    /// # Errors
    /// When encoding or writing fails.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        self.track.write(samples, &mut self.file)
    }

    /// Writes what the encoder still holds, closes the file and gives it its name.
    ///
    /// # Errors
    /// When encoding or writing fails; then nothing is left.
    pub fn finish(mut self) -> Result<()> {
        self.track.finish(&mut self.file)?;
        self.file.publish()
    }
}

impl std::fmt::Debug for SoundWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoundWriter").field("path", &self.file.path).finish_non_exhaustive()
    }
}
