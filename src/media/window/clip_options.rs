//! What may be chosen about multimodal windows, and what is counted of them.

use std::{fmt, str::FromStr, time::Duration};

use super::ClipShape;
use crate::error::{Error, Result};

/// One of the streams that windows are cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipStream {
    /// The pictures.
    Video,
    /// The sound.
    Audio,
}

impl fmt::Display for ClipStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
        })
    }
}

/// What becomes of a window that has sound for less than half of its time, whether the stream has a hole or there is no audio at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingAudio {
    /// It is made, with silence.
    #[default]
    Silence,
    /// It is left out.
    Drop,
    /// It is an error.
    Error,
}

impl FromStr for MissingAudio {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "silence" => Ok(Self::Silence),
            "drop" => Ok(Self::Drop),
            "error" => Ok(Self::Error),
            _ => Err(Error::option("missing-audio", text, "silence, drop or error")),
        }
    }
}

/// What becomes of a window that the media do not fill before they end or break off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialWindow {
    /// It is made; the rest is padding: silence, and the last picture as long as it may stand.
    #[default]
    Pad,
    /// It is left out.
    Drop,
}

impl FromStr for PartialWindow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pad" => Ok(Self::Pad),
            "drop" => Ok(Self::Drop),
            _ => Err(Error::option("partial-window", text, "pad or drop")),
        }
    }
}

/// How windows are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipOptions {
    /// Frames from the start of a window to the start of the next, 1 or more: fewer than T overlap, more leave media out in between.
    pub stride_frames: usize,
    /// What becomes of windows without sound.
    pub missing_audio: MissingAudio,
    /// What becomes of windows that are not full at the end.
    pub partial: PartialWindow,
    /// Whether there is video. See [`ClipWindow::open`](super::ClipWindow::open) for video that joins later.
    pub video: bool,
    /// Whether there is audio.
    pub audio: bool,
    /// How far the time of a chunk may lie from where counting its samples puts it before it is believed at once.
    pub tolerance: Duration,
    /// How long one stream is waited for while the other goes on. What comes later than that is late.
    pub patience: Duration,
}

impl ClipOptions {
    /// Windows side by side, with silence for missing sound and the last one padded; 40 ms of tolerance and 10 s of patience.
    pub fn new(shape: &ClipShape, video: bool, audio: bool) -> Self {
        Self {
            stride_frames: shape.frames,
            missing_audio: MissingAudio::default(),
            partial: PartialWindow::default(),
            video,
            audio,
            tolerance: Duration::from_millis(40),
            patience: Duration::from_secs(10),
        }
    }
}

/// What happened so far. Nothing is lost without being counted here; media between windows that lie apart are not lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClipStats {
    /// Windows given out.
    pub windows: u64,
    /// Windows left out by [`MissingAudio::Drop`] or [`PartialWindow::Drop`].
    pub dropped: u64,
    /// Windows not made because neither a picture nor a sample was there.
    pub empty: u64,
    /// Pictures that were not there in the windows given out.
    pub missing_pictures: u64,
    /// Samples that were not there in the windows given out.
    pub missing_samples: u64,
    /// Frames that came after something later, or when their place had been given up.
    pub late_frames: u64,
    /// Samples left out because their place was taken or had been given up.
    pub late_samples: u64,
    /// Chunks that were placed anew because their time was beyond the tolerance.
    pub resyncs: u64,
    /// Samples repeated or left out to follow a clock that drifts.
    pub slips: u64,
}

/// What is held for windows to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldMedia {
    /// Number of pictures.
    pub pictures: usize,
    /// Number of samples.
    pub samples: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_by_name() {
        assert_eq!("drop".parse::<MissingAudio>().unwrap(), MissingAudio::Drop);
        assert_eq!("pad".parse::<PartialWindow>().unwrap(), PartialWindow::Pad);
        let message = "mute".parse::<MissingAudio>().unwrap_err().to_string();
        assert_eq!(message, "missing-audio = mute: accepted is silence, drop or error");
        assert!("".parse::<PartialWindow>().is_err());
    }
}
