//! What the program may write to, and how it speaks.

use std::{
    io::{ErrorKind, Write},
    path::Path,
};

use clap::Args;
use perceiverflow::{Error, Result};

/// The options of every command that writes files.
#[derive(Args, Debug)]
pub(crate) struct WritingArguments {
    /// Overwrite files that exist
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,

    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Refuses an output file before any work is done: one that is there already unless `overwrite`, one that is also an input, and one
/// whose folder is missing.
pub(crate) fn check_file(path: &Path, overwrite: bool, inputs: &[&Path]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::format(path, format!("its folder {} does not exist", folder.display())));
    }
    let same = |input: &&&Path| input.canonicalize().is_ok_and(|input| path.canonicalize().is_ok_and(|output| output == input));
    if inputs.iter().find(same).is_some() {
        return Err(Error::format(path, "the output is the input; give another name"));
    }
    if path.exists() && !overwrite {
        return Err(Error::format(path, "the file exists; give -y to overwrite it"));
    }
    Ok(())
}

/// Puts a report on standard output. A reader that has seen enough is no error.
pub(crate) fn report(text: &str) -> Result<()> {
    is_read(text).map(drop)
}

/// Puts one of many results on standard output at once, and tells whether there still is a reader.
pub(crate) fn is_read(text: &str) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::io("standard output")(error)),
    }
}

/// Says on standard error what went wrong, in one line.
pub(crate) fn complain(message: &str) {
    let line: Vec<&str> = message.split_whitespace().collect();
    eprintln!("perceiverflow: {}", line.join(" "));
}
