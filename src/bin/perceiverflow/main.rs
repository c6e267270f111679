//! The program `perceiverflow`: arguments to validated options to work, one file for each command.
//!
//! Exit codes: 0 when all went well, 1 with one line on standard error when something failed, 2 for wrong usage,
//! 3 when `batch` did what it could and some files failed, 4 when `batch merge` misses shards or files, 130 after Ctrl-C.

#[cfg(feature = "video-file")]
mod batch;
mod batches;
mod bench;
#[cfg(feature = "video-file")]
mod classify;
mod classify_image;
mod classify_text;
#[cfg(feature = "video-file")]
mod clips;
#[cfg(feature = "video-file")]
mod decode;
mod doctor;
#[cfg(feature = "video-file")]
mod encode;
mod evaluate;
mod fill_mask;
mod flow;
#[cfg(feature = "video-file")]
mod interrupt;
mod labelling;
mod model;
mod models;
mod output;
#[cfg(feature = "video-file")]
mod progress;
#[cfg(feature = "video-file")]
mod reconstruct;
#[cfg(feature = "video-file")]
mod scene;
#[cfg(feature = "video-file")]
mod series;
mod standard_input;
mod tensors;
#[cfg(feature = "train")]
mod train;

use std::{num::NonZeroUsize, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use perceiverflow::{Error, Result, compute::Threads};

/// A call of a model takes and gives back tensors of many megabytes. The C library asks the system for each of them anew, page by page, which
/// takes as long as half of a small model's cross-attention.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Perceiver IO models on video files, pictures and text.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  perceiverflow doctor
  perceiverflow flow clip.mp4 -o flow.mp4
  perceiverflow flow first.png second.png -o flow.flo
  perceiverflow classify-image --model MODEL *.jpg
  perceiverflow fill-mask --model MODEL 'A text where a word is [MASK][MASK][MASK][MASK][MASK][MASK][MASK].'

`perceiverflow COMMAND --help` tells what a command takes, with units, ranges and defaults.")]
struct Arguments {
    /// Show the messages of the FFmpeg libraries
    #[cfg(feature = "video-file")]
    #[arg(short, long, global = true)]
    verbose: bool,

    /// Threads that compute, 1 or more [default: the number of processors]; results do not depend on it
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Flow(flow::Arguments),
    #[cfg(feature = "video-file")]
    Classify(classify::Arguments),
    #[cfg(feature = "video-file")]
    Reconstruct(reconstruct::Arguments),
    #[cfg(feature = "video-file")]
    Encode(encode::Arguments),
    #[cfg(feature = "video-file")]
    Decode(decode::Arguments),
    #[cfg(feature = "video-file")]
    Batch(batch::Arguments),
    ClassifyImage(classify_image::Arguments),
    ClassifyText(classify_text::Arguments),
    FillMask(fill_mask::Arguments),
    #[command(subcommand)]
    Evaluate(evaluate::Arguments),
    #[cfg(feature = "video-file")]
    Scene(scene::Arguments),
    Tensors(tensors::Arguments),
    Bench(bench::Arguments),
    #[command(subcommand)]
    Models(models::ModelsCommand),
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Train(train::TrainCommand),
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "video-file")]
    perceiverflow::video_file::show_libav_messages(arguments.verbose);
    let command = arguments.command;
    let result = match arguments.threads {
        Some(count) => Threads::new(count).and_then(|threads| threads.run(|| run(command))),
        None => run(command),
    };
    match result {
        Ok(code) => code,
        Err(Error::Interrupted) => ExitCode::from(130),
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Flow(arguments) => {
            arguments.check().unwrap_or_else(|reason| misused("flow", &reason));
            arguments.run()?;
        }
        #[cfg(feature = "video-file")]
        Command::Classify(arguments) => {
            arguments.check().unwrap_or_else(|reason| misused("classify", &reason));
            return arguments.run();
        }
        #[cfg(feature = "video-file")]
        Command::Reconstruct(arguments) => arguments.run()?,
        #[cfg(feature = "video-file")]
        Command::Encode(arguments) => arguments.run()?,
        #[cfg(feature = "video-file")]
        Command::Decode(arguments) => arguments.run()?,
        #[cfg(feature = "video-file")]
        Command::Batch(arguments) => {
            arguments.check().unwrap_or_else(|reason| misused("batch", &reason));
            return arguments.run();
        }
        Command::ClassifyImage(arguments) => return arguments.run(),
        Command::ClassifyText(arguments) => return arguments.run(),
        Command::FillMask(arguments) => return arguments.run(),
        Command::Evaluate(arguments) => arguments.run()?,
        #[cfg(feature = "video-file")]
        Command::Scene(arguments) => arguments.run()?,
        Command::Tensors(arguments) => return arguments.run(),
        Command::Bench(arguments) => arguments.run()?,
        Command::Models(command) => return models::run(&command),
        #[cfg(feature = "train")]
        Command::Train(command) => train::run(command)?,
        Command::Doctor(arguments) => return arguments.run(),
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the program as the parser does when arguments do not go together.
fn misused(command: &str, reason: &str) -> ! {
    let mut program = Arguments::command();
    program.build();
    match program.find_subcommand_mut(command) {
        Some(command) => command.error(ErrorKind::ArgumentConflict, reason).exit(),
        None => program.error(ErrorKind::ArgumentConflict, reason).exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }
}
