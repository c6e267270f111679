//! `perceiverflow batch merge`: several runs to one.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use perceiverflow::{Result, batch::merge};

use super::summary;
use crate::output::report;

/// The exit code where shards or files are missing.
const INCOMPLETE: u8 = 4;

/// Merge the runs of several shards or machines into one folder: rows, table, journal, report, and what the task made.
///
/// What is merged can be gone on with by --resume, like any run. Shards that are not there, and files that were planned or begun and are
/// neither done nor failed, are named, and the exit code is 4; else it is as after a run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow batch merge out --out all
  perceiverflow batch merge machine-1/out machine-2/out --out all")]
pub(crate) struct Merge {
    /// Folders of runs, or folders that shards have theirs in
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,

    /// Folder for everything; made if missing
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// Overwrite a run that is there
    #[arg(short = 'y', long)]
    overwrite: bool,
}

impl Merge {
    /// Does the work.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let merged = merge(&self.folders, &self.out, self.overwrite)?;
        report(&summary::of(&merged))?;
        Ok(if merged.is_complete() { summary::exit_code(&merged) } else { ExitCode::from(INCOMPLETE) })
    }
}
