//! `perceiverflow encode`: a video to the latents of its windows.

use std::path::PathBuf;

use clap::Args;
use perceiverflow::{
    Result,
    formats::latents::{LatentsInfo, LatentsWindow, LatentsWriter},
};

use crate::{
    clips::{ClipArguments, Encoded, Windows},
    interrupt::Interrupt,
    model::{ModelArguments, multimodal_default},
    output::{WritingArguments, check_file},
};

/// A video or sound file to the latents of its windows, which `perceiverflow decode` can be asked about at any time.
///
/// The file is safetensors: latents (W × N × D, float32), time and duration of each window in nanoseconds, and the model's hash.
#[derive(Args, Debug)]
#[command(
    mut_arg("model", multimodal_default),
    after_help = "\
Examples:
  perceiverflow encode --model my-model clip.mp4 -o clip.safetensors
  perceiverflow decode --model my-model clip.safetensors --head labels"
)]
pub(crate) struct Arguments {
    /// A video or sound file
    #[arg(value_name = "INPUT")]
    input: PathBuf,

    /// Where the latents go
    #[arg(short, long, value_name = "LATENTS.safetensors")]
    output: PathBuf,

    #[command(flatten)]
    writing: WritingArguments,

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
        let source = self.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let info = LatentsInfo { model_hash: task.hash().to_owned(), source, dims: task.latent_dims() };
        let mut writer = LatentsWriter::create(&self.output, info)?;
        let progress = windows.encode(&task, &self.model, self.writing.quiet, &interrupt, |encoded| {
            encoded.iter().try_for_each(|Encoded { time, duration, latents }| {
                writer.push(&LatentsWindow { time: *time, duration: *duration, values: latents.to_vec()? })
            })
        })?;
        writer.finish()?;
        progress.finish();
        Ok(())
    }
}
