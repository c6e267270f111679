//! `perceiverflow classify`: what is seen and heard in videos, window by window.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use perceiverflow::{
    Error, Result,
    formats::{web_vtt, write_beside},
    tasks::ClassifyWindows,
};

use crate::{
    clips::{ClipArguments, Windows},
    interrupt::Interrupt,
    labelling::LabelArguments,
    model::{ModelArguments, multimodal_default},
    output::{WritingArguments, check_file, complain, report},
};

/// What is seen and heard in videos or sound files, for each window of a multimodal model; or what an image classifier sees in 25 frames of
/// each second of a video, or in fewer by --stride-frames.
///
/// A file that cannot be read is named on standard error, the rest goes on, and the exit code is 1.
#[derive(Args, Debug)]
#[command(
    mut_arg("model", multimodal_default),
    after_help = "\
Examples:
  perceiverflow classify --model deepmind/multimodal-perceiver clip.mp4
  perceiverflow classify --model my-model --json --top-k 1 *.mp4 > labels.jsonl
  perceiverflow classify --model my-model clip.mp4 --vtt clip.vtt --threshold 0.5
  perceiverflow classify --model my-image-classifier clip.mp4 --stride-frames 25"
)]
pub(crate) struct Arguments {
    /// Video or sound files
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Write the labels of the only INPUT as WebVTT cues to this file, instead of to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    vtt: Option<PathBuf>,

    #[command(flatten)]
    writing: WritingArguments,

    #[command(flatten)]
    labels: LabelArguments,

    #[command(flatten)]
    clips: ClipArguments,

    #[command(flatten)]
    model: ModelArguments,
}

impl Arguments {
    /// Whether the arguments go together, beyond what the parser knows.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.vtt.is_some() && self.inputs.len() > 1 {
            return Err("--vtt goes with one INPUT".into());
        }
        Ok(())
    }

    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(vtt) = &self.vtt {
            check_file(vtt, self.writing.overwrite, &[&self.inputs[0]])?;
        }
        let interrupt = Interrupt::listen();
        let computing = &self.model.computing;
        let task = ClassifyWindows::of(&self.model.checkpoint()?, computing.device, computing.precision)?;
        let mut code = ExitCode::SUCCESS;
        for input in &self.inputs {
            match self.classify(input, &task, &interrupt) {
                Err(error) if self.inputs.len() == 1 || matches!(error, Error::Interrupted) => return Err(error),
                Err(error) => {
                    complain(&error.to_string());
                    code = ExitCode::FAILURE;
                }
                Ok(()) => {}
            }
        }
        Ok(code)
    }

    fn classify(&self, input: &Path, task: &ClassifyWindows, interrupt: &Interrupt) -> Result<()> {
        let windows = Windows::read(input, &self.clips, task.preprocessor(self.clips.framing()))?;
        let (name, mut cues) = (input.to_string_lossy(), web_vtt::HEADER.to_owned());
        let progress = windows.each_batch(&self.model, self.writing.quiet, interrupt, |windows| {
            let scores = task.scores(&windows.iter().map(|window| &window.inputs).collect::<Vec<_>>())?;
            windows.iter().zip(scores).try_for_each(|(window, scores)| {
                let labels = self.labels.of_window(task.labels(&scores), |labels| task.holding(labels));
                let range = window.range();
                if self.vtt.is_some() {
                    cues += &web_vtt::cue(&range, &self.labels.chosen(&labels));
                    return Ok(());
                }
                report(&self.labels.line(&name, Some(range), task.hash(), &labels))
            })
        })?;
        if let Some(vtt) = &self.vtt {
            write_beside(vtt, |file| file.write_all(cues.as_bytes()))?;
        }
        progress.finish();
        Ok(())
    }
}
