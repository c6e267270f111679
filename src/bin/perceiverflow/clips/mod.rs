//! What the commands on windows of video and sound share: their options, reading windows, and writing what comes of them.

mod reading;
mod reconstruction;

use clap::{Args, ValueEnum};
use perceiverflow::{
    Result,
    batch::Cutting,
    media::{MissingAudio, PartialWindow},
    tasks::{Autoencode, Framing, Region, VideoQueries},
};

#[cfg(feature = "train")]
pub(crate) use self::reading::windows_to_train_on;
pub(crate) use self::{
    reading::{Encoded, Windows},
    reconstruction::push_decoded,
};
use crate::model::ModelArguments;

/// How windows are cut.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Windows")]
pub(crate) struct ClipArguments {
    /// Frames from the start of a window to the start of the next, 1 or more: fewer than a window has overlap, more leave media out
    /// [default: those of a window]
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..))]
    stride_frames: Option<u32>,

    /// How pictures of any shape meet the model's square; an image classifier has its own way
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    resize_mode: ResizeMode,

    /// What becomes of windows without sound: silence, drop or error
    #[arg(long, value_name = "RULE", default_value = "silence")]
    missing_audio: MissingAudio,

    /// What becomes of a last window that is not full: pad or drop
    #[arg(long, value_name = "RULE", default_value = "pad")]
    partial_window: PartialWindow,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ResizeMode {
    /// The largest square in the middle, as the published model was trained
    #[default]
    Crop,
    /// The whole picture, each side to the square's
    Stretch,
    /// The whole picture in its shape, black beside it
    Letterbox,
}

impl ClipArguments {
    pub(crate) fn framing(&self) -> Framing {
        match self.resize_mode {
            ResizeMode::Crop => Framing::Crop,
            ResizeMode::Stretch => Framing::Stretch,
            ResizeMode::Letterbox => Framing::Letterbox,
        }
    }

    pub(crate) fn cutting(&self) -> Cutting {
        Cutting {
            stride_frames: self.stride_frames.map(|frames| frames as usize),
            framing: self.framing(),
            missing_audio: self.missing_audio,
            partial: self.partial_window,
        }
    }
}

/// Which pixels are asked for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Queries")]
pub(crate) struct QueryArguments {
    /// Ask for every N-th pixel of every N-th row only, 1 or more: N² times fewer queries
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    query_stride: u32,

    /// Ask for a part of the model's picture only, in its pixels
    #[arg(long = "roi", value_name = "X,Y,WIDTH,HEIGHT")]
    region: Option<Region>,
}

impl QueryArguments {
    pub(crate) fn queries(&self) -> VideoQueries {
        VideoQueries { stride: self.query_stride as usize, region: self.region }
    }
}

impl ModelArguments {
    /// The multimodal model.
    pub(crate) fn open_multimodal(&self) -> Result<Autoencode> {
        Autoencode::of(&self.checkpoint()?, self.computing.device, self.computing.precision)
    }
}
