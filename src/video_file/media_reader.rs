//! From a file to frames and samples, in one pass.

use std::{path::Path, sync::Arc, time::Duration};

use ffmpeg_next::Packet;

use super::{
    VideoFormat,
    demuxer::Demuxer,
    entrance::{Entrance, Step, Target},
    picture_decoder::PictureDecoder,
    sound_decoder::SoundDecoder,
};
use crate::{
    error::{Error, Result},
    media::{AudioChunk, Frame, Picture},
};

/// What a file holds next.
#[derive(Clone, Debug)]
pub enum Media {
    /// A picture, upright, as [`VideoReader`](super::VideoReader) gives it.
    Frame(Frame),
    /// Samples of one channel.
    Audio(AudioChunk),
}

/// Which frames are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipTo {
    /// Those shown at this time and later.
    Time(Duration),
    /// The one with this number, from 0, and those after it.
    Frame(u64),
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
    skipping: Option<Skipping>,
}

/// The way to the frames that are wanted.
struct Skipping {
    entrance: Entrance<Packet>,
    /// The picture of frames that are passed over.
    stand_in: Arc<Picture>,
    passed: Option<Frame>,
    /// Whether the frame came that decoding begins at.
    entered: bool,
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
        Ok(Self { demuxer, pictures, sound, drained: false, skipping: None })
    }

    /// Opens `path` for its pictures alone.
    pub(super) fn open_silent(path: &Path) -> Result<Self> {
        let mut demuxer = Demuxer::open(path)?;
        let pictures = PictureDecoder::open(&mut demuxer)?;
        Ok(Self { demuxer, pictures, sound: None, drained: false, skipping: None })
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

    /// Packets, frames and chunks so far that could not be decoded, or only in part: the first are skipped, of the others the decoder made
    /// up the rest.
    pub fn damaged(&self) -> u64 {
        self.demuxer.damaged()
    }

    /// Decodes no picture before the last key frame that is early enough. Frames before it come all the same, at their times, with
    /// `stand_in` for their picture; all sound is decoded. To be called before anything is read. Where packets do not tell enough, as in
    /// transport streams, nothing is passed over.
    pub fn skip_to(&mut self, to: SkipTo, stand_in: Arc<Picture>) {
        let Some(pictures) = self.pictures.as_ref().filter(|pictures| pictures.is_countable()) else { return };
        let target = match to {
            SkipTo::Time(time) => pictures.target(time),
            SkipTo::Frame(number) => Target::Number(number),
        };
        self.skipping = Some(Skipping { entrance: Entrance::new(target), stand_in, passed: None, entered: false });
    }

    /// The next frame or samples; none after the last.
    ///
    /// # Errors
    /// When reading fails, when nothing at all can be decoded, when the file ends long before it says, or when decoding cannot begin at
    /// the key frame that [`skip_to`](Self::skip_to) found.
    pub fn next_media(&mut self) -> Result<Option<Media>> {
        loop {
            if let Some(frame) = self.skipping.as_mut().and_then(|skipping| skipping.passed.take()) {
                return Ok(Some(Media::Frame(frame)));
            }
            if let Some(pictures) = &mut self.pictures
                && let Some(frame) = pictures.receive(&mut self.demuxer)?
            {
                self.enter(Some(frame.time))?;
                return Ok(Some(Media::Frame(frame)));
            }
            if let Some(sound) = &mut self.sound
                && let Some(chunk) = sound.receive(&mut self.demuxer)?
            {
                return Ok(Some(Media::Audio(chunk)));
            }
            if self.drained {
                self.enter(None)?;
                return self.demuxer.end().map(|()| None);
            }
            self.feed()?;
        }
    }

    /// Sees to it that the first frame decoded is the one that decoding was to begin at.
    fn enter(&mut self, first: Option<Duration>) -> Result<()> {
        let (Some(skipping), Some(pictures)) = (&mut self.skipping, &self.pictures) else { return Ok(()) };
        if std::mem::replace(&mut skipping.entered, true) {
            return Ok(());
        }
        match skipping.entrance.begins_at().map(|pts| pictures.time(pts)) {
            Some(key) if first != Some(key) => {
                let reason = format!("decoding cannot begin at the key frame at {:.3} s", key.as_secs_f64());
                Err(Error::format(&self.demuxer.path, reason))
            }
            _ => Ok(()),
        }
    }

    /// Hands the next packet to the decoder of its stream; at the end, tells both that there is none.
    fn feed(&mut self) -> Result<()> {
        let packet = match self.next_step()? {
            None => None,
            Some(Step::Decode(packet)) => Some(packet),
            Some(Step::Skip { pts, duration }) => {
                if let (Some(skipping), Some(pictures)) = (&mut self.skipping, &mut self.pictures) {
                    skipping.passed = Some(pictures.pass(pts, duration, skipping.stand_in.clone()));
                }
                return Ok(());
            }
        };
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

    /// What is to be done with the next packet; none at the end.
    fn next_step(&mut self) -> Result<Option<Step<Packet>>> {
        loop {
            let entrance = self.skipping.as_mut().map(|skipping| &mut skipping.entrance);
            let Some(entrance) = entrance else { return Ok(self.demuxer.next_packet()?.map(Step::Decode)) };
            if let Some(step) = entrance.step() {
                return Ok(Some(step));
            }
            match self.demuxer.next_packet()? {
                packet if entrance.is_open() => return Ok(packet.map(Step::Decode)),
                Some(packet) => {
                    let mark = self.pictures.as_ref().and_then(|pictures| pictures.mark(&packet));
                    entrance.push(packet, mark);
                }
                None => entrance.open(),
            }
        }
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
