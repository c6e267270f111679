//! `perceiverflow flow`: optical flow of a video or of two pictures.

mod pictures;
#[cfg(feature = "video-file")]
mod video;

use std::path::{Path, PathBuf};

use clap::Args;
use perceiverflow::{
    Result,
    render::{FlowMode, FlowStyle},
};

use crate::{model::FlowModelArguments, output::WritingArguments};

/// Optical flow of a video, or from one picture to another.
///
/// A video becomes a video of the same frames at the same times with the same sound; the flow from each frame to a later one is drawn
/// on it. Frames without a flow of their own (the last ones, and those between windows) repeat the newest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow flow clip.mp4 -o flow.mp4
  perceiverflow flow clip.mkv -o arrows.mkv --mode arrows --arrow-step 24 --max-magnitude 8
  perceiverflow flow clip.mp4 --flo fields/ --inference-interval 5
  perceiverflow flow first.png second.png -o flow.flo --picture flow.png")]
pub(crate) struct Arguments {
    /// A video file, or two pictures of one size (PNG or JPEG)
    #[arg(required = true, num_args = 1..=2, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Where the result goes: for a video mp4, m4v, mov, mkv or webm; for two pictures .flo (Middlebury) or .png (KITTI, 16 bits)
    #[arg(short, long, value_name = "FILE", required_unless_present = "flo")]
    output: Option<PathBuf>,

    /// Folder for the flow of every window of a video, NAME_000000.flo and on, numbered by their first frame; made if missing
    #[arg(long, value_name = "DIR")]
    flo: Option<PathBuf>,

    /// PNG file for the drawing of the flow from one picture to another
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    #[command(flatten)]
    writing: WritingArguments,

    #[command(flatten)]
    pairs: PairArguments,

    #[command(flatten)]
    drawing: Drawing,

    #[command(flatten)]
    model: FlowModelArguments,
}

/// Which frames make a window.
#[derive(Args, Debug)]
pub(crate) struct PairArguments {
    /// Frames from the first to the second of a window, 1 or more
    #[arg(long, value_name = "FRAMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) frame_distance: u32,

    /// Frames from one window to the next, 1 or more; a drawing of those between repeats the newest flow
    #[arg(long, value_name = "FRAMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) inference_interval: u32,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Drawing")]
struct Drawing {
    /// wheel (the Middlebury colours: hue is direction, saturation is length), arrows, or blend (the wheel over the picture)
    #[arg(long, value_name = "MODE", default_value_t)]
    mode: FlowMode,

    /// Motion in pixels that is drawn with full saturation or the longest arrow; 0 chooses for each frame
    #[arg(long, value_name = "PIXELS", default_value_t = 0.0, value_parser = non_negative)]
    max_magnitude: f32,

    /// Pixels from one arrow to the next, 1 or more
    #[arg(long, value_name = "PIXELS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    arrow_step: u32,

    /// How much of the picture the wheel covers in mode blend, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    alpha: f32,
}

impl Arguments {
    /// Whether the arguments go together, beyond what the parser knows.
    pub(crate) fn check(&self) -> Result<(), String> {
        let pictures = self.inputs.len() == 2;
        for (given, name, for_pictures) in [(self.flo.is_some(), "--flo", false), (self.picture.is_some(), "--picture", true)] {
            if given && pictures != for_pictures {
                let fits = if for_pictures { "two pictures" } else { "a video" };
                return Err(format!("{name} goes with {fits}; give {} INPUT", if for_pictures { "two" } else { "one" }));
            }
        }
        Ok(())
    }

    /// Does the work.
    pub(crate) fn run(&self) -> Result<()> {
        match self.inputs.as_slice() {
            [first, second] => self.run_pictures(first, second),
            [input, ..] => self.run_video(input),
            [] => Ok(()),
        }
    }

    fn run_pictures(&self, first: &Path, second: &Path) -> Result<()> {
        pictures::run(&pictures::Job {
            first,
            second,
            output: self.output.as_deref(),
            picture: self.picture.as_deref(),
            overwrite: self.writing.overwrite,
            style: self.drawing.style(),
            model: &self.model,
        })
    }

    #[cfg(feature = "video-file")]
    fn run_video(&self, input: &Path) -> Result<()> {
        video::run(&video::Job {
            input,
            output: self.output.as_deref(),
            flo: self.flo.as_deref(),
            overwrite: self.writing.overwrite,
            quiet: self.writing.quiet,
            distance: self.pairs.frame_distance as usize,
            interval: u64::from(self.pairs.inference_interval),
            style: self.drawing.style(),
            model: &self.model,
        })
    }

    #[cfg(not(feature = "video-file"))]
    fn run_video(&self, input: &Path) -> Result<()> {
        Err(perceiverflow::Error::format(input, "this build reads two pictures only; build with --features video-file for video"))
    }
}

impl Drawing {
    fn style(&self) -> FlowStyle {
        FlowStyle { mode: self.mode, max_magnitude: self.max_magnitude, arrow_step: self.arrow_step as usize, alpha: self.alpha }
    }
}

fn non_negative(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|&value: &f32| value.is_finite() && value >= 0.0).ok_or_else(|| "accepted is 0 or more".into())
}

fn share(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "accepted is 0 to 1".into())
}
