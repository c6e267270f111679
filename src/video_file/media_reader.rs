//! From a file to frames and samples, in one pass.

use std::{path::Path, time::Duration};

use super::{VideoFormat, demuxer::Demuxer, picture_decoder::PictureDecoder, sound_decoder::SoundDecoder};
use crate::{
    error::{Error, Result},
    media::{AudioChunk, Frame},
};

/// What a file holds next.
#[derive(Clone, Debug)]
pub enum Media {
    /// A picture, upright, as [`VideoReader`](super::VideoReader) gives it.
    Frame(Frame),
    /// Samples of one channel.
    Audio(AudioChunk),
}

/// The frames of a file's main video stream and the sound of its main audio stream, about in the order they lie in the file.
///
/// Sound becomes one channel of the rate asked for; all channels count alike. Its times are those of the file to the sample; what
/// lies before zero, the run-in of a codec, is left out. Packets that cannot be decoded are skipped and counted.
pub struct MediaReader {
    demuxer: Demuxer,
    pictures: Option<PictureDecoder>,
    sound: Option<SoundDecoder>,
    drained: bool,
}

impl MediaReader {
    /// Opens `path`, of any container and codec that libav knows, for its pictures and its sound at `sample_rate` samples a second.
    ///
    /// # Errors
    /// When the rate is 0, or the file cannot be read, is empty, truncated or no media file, has neither video nor sound, or has one
    /// that cannot be decoded.
    pub fn open(path: impl AsRef<Path>, sample_rate: u32) -> Result<Self> {
        if sample_rate == 0 || i32::try_from(sample_rate).is_err() {
            return Err(Error::option("sample rate", sample_rate, "1 to 2147483647"));
        }
        let mut demuxer = Demuxer::open(path.as_ref())?;
        let pictures = PictureDecoder::open(&mut demuxer)?;
        let sound = SoundDecoder::open(&demuxer, sample_rate)?;
        if pictures.is_none() && sound.is_none() {
            return Err(Error::format(path, "the file has neither video nor sound"));
        }
        Ok(Self { demuxer, pictures, sound, drained: false })
    }

    /// Opens `path` for its pictures alone.
    pub(super) fn open_silent(path: &Path) -> Result<Self> {
        let mut demuxer = Demuxer::open(path)?;
        let pictures = PictureDecoder::open(&mut demuxer)?;
        Ok(Self { demuxer, pictures, sound: None, drained: false })
    }

    /// Size, clock and colour of the pictures; none where the file has no video.
    pub fn video_format(&self) -> Option<VideoFormat> {
        self.pictures.as_ref().map(|pictures| pictures.format)
    }

    /// Whether the file has sound.
    pub fn has_sound(&self) -> bool {
        self.sound.is_some()
    }

    /// How long the file lasts, as far as it tells: its video, where it has one.
    pub fn duration(&self) -> Option<Duration> {
        self.pictures.as_ref().and_then(|pictures| pictures.duration).or_else(|| self.demuxer.duration())
    }

    /// How many frames to expect, as far as the file tells: exact where it has an index, otherwise reckoned.
    pub fn frames(&self) -> Option<u64> {
        let pictures = self.pictures.as_ref()?;
        let reckoned = |duration: Duration| (duration.as_secs_f64() * pictures.format.frame_rate.value()).round() as u64;
        pictures.frames.or_else(|| self.duration().map(reckoned))
    }

    /// Packets, frames and chunks skipped so far because they could not be decoded.
    pub fn damaged(&self) -> u64 {
        self.demuxer.damaged()
    }

    /// The next frame or samples; none after the last.
    ///
    /// # Errors
    /// When reading fails, when nothing at all can be decoded, or when the file ends long before it says.
    pub fn next_media(&mut self) -> Result<Option<Media>> {
        loop {
            if let Some(pictures) = &mut self.pictures
                && let Some(frame) = pictures.receive(&mut self.demuxer)?
            {
                return Ok(Some(Media::Frame(frame)));
            }
            if let Some(sound) = &mut self.sound
                && let Some(chunk) = sound.receive(&mut self.demuxer)?
            {
                return Ok(Some(Media::Audio(chunk)));
            }
            if self.drained {
                return self.demuxer.end().map(|()| None);
            }
            self.feed()?;
        }
    }

    /// Hands the next packet to the decoder of its stream; at the end, tells both that there is none.
    fn feed(&mut self) -> Result<()> {
        let packet = self.demuxer.next_packet()?;
        let is_for = |stream: usize| packet.as_ref().is_none_or(|packet| packet.stream() == stream);
        let of_pictures = self.pictures.as_mut().filter(|pictures| is_for(pictures.stream));
        let of_sound = self.sound.as_mut().filter(|sound| is_for(sound.stream));
        let sent =
            [of_pictures.map(|pictures| pictures.send(packet.as_ref())), of_sound.map(|sound| sound.send(packet.as_ref()))];
        match packet {
            Some(_) => sent.into_iter().flatten().filter(Result::is_err).for_each(|_| self.demuxer.skip()),
            // The end is refused only by a decoder that has had it already.
            None => self.drained = true,
        }
        Ok(())
    }
}

impl std::fmt::Debug for MediaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaReader")
            .field("path", &self.demuxer.path)
            .field("video_format", &self.video_format())
            .field("has_sound", &self.has_sound())
            .finish_non_exhaustive()
    }
}
