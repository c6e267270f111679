//! `perceiverflow batch`: archives of video files.

mod display;
mod events;
mod job;
mod media_left;
mod merge;
mod summary;
mod work;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use perceiverflow::Result;

/// What is made of many video files: labels, flow, latents or reconstructions, with a row for every window.
///
/// DIR gets results.jsonl, results.parquet and report.json, and beside them what the task makes. A run that was ended, however, goes on with
/// --resume and does nothing twice. A file that fails is recorded with its cause and stops nothing: the exit code is 3 then, also where no
/// file is good. A file that is done although packets of it are damaged is named.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  perceiverflow batch --task flow archive/ --out flow-of-archive
  perceiverflow batch --task classify --model my-model files.csv --out labels --vtt
  perceiverflow batch --task encode --model my-model 'archive/**/*.mp4' --out latents --shard 0/4
  perceiverflow batch --task flow archive/ --out flow-of-archive --resume --retry-failed
  perceiverflow batch merge latents --out all-latents")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    work: work::Work,
}

#[derive(Debug, Subcommand)]
enum Command {
    Merge(merge::Merge),
}

impl Arguments {
    /// Whether the arguments go together, beyond what the parser knows.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.work.check()
    }

    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.command {
            Some(Command::Merge(merge)) => merge.run(),
            None => self.work.run(),
        }
    }
}
