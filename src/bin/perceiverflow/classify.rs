//! `perceiverflow classify`: what is seen and heard in videos, window by window.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use perceiverflow::{
    Error, Result,
    formats::{web_vtt, write_beside},
    media::Labels,
    tasks::{Autoencode, ClipInputs, Head, Latents},
};

use crate::{
    clips::{ClipArguments, Window, Windows},
    interrupt::Interrupt,
    labelling::LabelArguments,
    model::ModelArguments,
    output::{check_file, complain, report},
    progress::{Progress, Unit},
};

/// What is seen and heard in videos or sound files, for each window of a multimodal model.
///
/// A file that cannot be read is named on standard error, the rest goes on, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow classify --model deepmind/multimodal-perceiver clip.mp4
  perceiverflow classify --model my-model --json --top-k 1 *.mp4 > labels.jsonl
  perceiverflow classify --model my-model clip.mp4 --vtt clip.vtt --threshold 0.5")]
pub(crate) struct Arguments {
    /// Video or sound files
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Write the labels of the only INPUT as WebVTT cues to this file, instead of to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    vtt: Option<PathBuf>,

    /// Overwrite a file that exists
    #[arg(short = 'y', long)]
    overwrite: bool,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,

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
            check_file(vtt, self.overwrite, &[&self.inputs[0]])?;
        }
        let interrupt = Interrupt::listen();
        let task = self.model.open_multimodal()?;
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

    fn classify(&self, input: &Path, task: &Autoencode, interrupt: &Interrupt) -> Result<()> {
        let windows = Windows::read(input, &self.clips, task)?;
        let mut progress = Progress::begin(windows.expected, Unit::WINDOWS, self.quiet);
        let (name, mut cues) = (input.to_string_lossy(), web_vtt::HEADER.to_owned());
        loop {
            let batch = windows.next_batch(self.model.batch_size as usize, interrupt)?;
            if batch.is_empty() {
                break;
            }
            for (window, labels) in batch.iter().zip(labels(task, &batch)?) {
                let range = window.time..window.time + window.duration;
                if self.vtt.is_some() {
                    let _ = write!(cues, "{}", web_vtt::cue(&range, &self.labels.chosen(&labels)));
                } else {
                    report(&self.labels.line(&name, Some(range), task.hash(), &labels))?;
                }
                progress.step(window.time + window.duration);
            }
        }
        windows.finish()?;
        if let Some(vtt) = &self.vtt {
            write_beside(vtt, |file| std::io::Write::write_all(file, cues.as_bytes()))?;
        }
        progress.finish();
        Ok(())
    }
}

/// The labels of several windows, by one call of the encoder and one of the decoder.
fn labels(task: &Autoencode, windows: &[Window]) -> Result<Vec<Labels>> {
    let inputs: Vec<&ClipInputs> = windows.iter().map(|window| &window.inputs).collect();
    let latents = task.encode(&inputs)?;
    let scores = task.decode(&latents.iter().collect::<Vec<&Latents>>(), Head::Labels)?;
    Ok(scores.iter().map(|scores| task.labels(scores)).collect())
}
