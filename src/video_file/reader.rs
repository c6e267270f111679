//! From a file to frames.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    VideoFormat,
    media_reader::{Media, MediaReader, SkipTo},
};
use crate::{
    error::{Error, Result},
    media::{Frame, Picture},
};

/// The frames of a file's main video stream, in the order of their times.
///
/// Pictures are turned upright where the file says how, and all have the size of the first: a stream that changes its size is
/// scaled. Packets that cannot be decoded are skipped and counted.
#[derive(Debug)]
pub struct VideoReader {
    reader: MediaReader,
    format: VideoFormat,
}

impl VideoReader {
    /// Opens `path`, of any container and codec that libav knows.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, truncated or no media file, or has no video that can be decoded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let reader = MediaReader::open_silent(path.as_ref())?;
        let format = reader.video_format().ok_or_else(|| Error::format(path, "the file has no video stream"))?;
        Ok(Self { reader, format })
    }

    /// Size, clock and colour.
    pub fn format(&self) -> VideoFormat {
        self.format
    }

    /// How long the video lasts, as far as the file tells.
    pub fn duration(&self) -> Option<Duration> {
        self.reader.duration()
    }

    /// How many frames to expect, as far as the file tells: exact where it has an index, otherwise reckoned.
    pub fn frames(&self) -> Option<u64> {
        self.reader.frames()
    }

    /// Packets and frames so far that could not be decoded, or only in part: the first are skipped, of the others the decoder made up the
    /// rest.
    pub fn damaged(&self) -> u64 {
        self.reader.damaged()
    }

    /// Decodes no picture before the last key frame that is early enough, as [`MediaReader::skip_to`] does.
    pub fn skip_to(&mut self, to: SkipTo, stand_in: Arc<Picture>) {
        self.reader.skip_to(to, stand_in);
    }

    /// The next frame; none after the last.
    ///
    /// # Errors
    /// When reading fails, when nothing at all can be decoded, or when the file ends long before it says.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            match self.reader.next_media()? {
                Some(Media::Frame(frame)) => return Ok(Some(frame)),
                Some(Media::Audio(_)) => {}
                None => return Ok(None),
            }
        }
    }
}
