//! `perceiverflow reconstruct`: a video through a few hundred latents and back.

use std::path::PathBuf;

use clap::Args;
use perceiverflow::{
    Result,
    video_file::{Kind, Reconstruction},
};

use crate::{
    clips::{ClipArguments, QueryArguments, Windows, push_decoded},
    interrupt::Interrupt,
    model::{ModelArguments, multimodal_default},
    output::{WritingArguments, check_file},
};

/// A video and its sound as a multimodal model remembers them: encoded to latents and decoded again, window by window.
///
/// The result has the model's own size and rates. Fewer queries (--query-stride, --roi) cost less, since what is not asked for is not
/// computed. Windows that overlap (--stride-frames) are crossfaded.
#[derive(Args, Debug)]
#[command(
    mut_arg("model", multimodal_default),
    after_help = "\
Examples:
  perceiverflow reconstruct --model deepmind/multimodal-perceiver clip.mp4 -o seen.mp4
  perceiverflow reconstruct --model my-model clip.mp4 -o quick.mp4 --query-stride 4
  perceiverflow reconstruct --model my-model clip.mp4 -o face.mp4 --roi 64,32,96,96
  perceiverflow reconstruct --model my-model speech.ogg -o heard.wav"
)]
pub(crate) struct Arguments {
    /// A video or sound file
    #[arg(value_name = "INPUT")]
    input: PathBuf,

    /// Where the result goes: mp4, m4v, mov, mkv or webm; wav, m4a, ogg or opus for its sound alone
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    writing: WritingArguments,

    #[command(flatten)]
    queries: QueryArguments,

    #[command(flatten)]
    clips: ClipArguments,

    #[command(flatten)]
    model: ModelArguments,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<()> {
        check_file(&self.output, self.writing.overwrite, &[&self.input])?;
        let interrupt = Interrupt::listen();
        let task = self.model.open_multimodal()?;
        let windows = Windows::read(&self.input, &self.clips, task.preprocessor(self.clips.framing()))?;
        let kind = Kind::of(&self.output, Kind { video: windows.video.is_some(), sound: windows.has_sound })?;
        let source = windows.video.map(|format| (format, self.clips.framing()));
        let queries = self.queries.queries();
        let mut file = Reconstruction::create(&self.output, kind, &task, queries, source)?;
        let take = |encoded: &[_]| push_decoded(&mut file, &task, queries, encoded);
        let progress = windows.encode(&task, &self.model, self.writing.quiet, &interrupt, take)?;
        file.finish()?;
        progress.finish();
        Ok(())
    }
}
