//! `perceiverflow models`: which models there are, what one of them is, and how it gets here.

mod convert;
mod description;
mod fetch;
mod list;
#[cfg(feature = "hub")]
mod pull;
mod show;
mod verify;
mod window;

use std::process::ExitCode;

use clap::Subcommand;
use perceiverflow::Result;

pub(crate) use fetch::fetch;
pub(crate) use window::picture;

/// List, fetch, describe, check and convert models
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    List(list::Arguments),
    #[cfg(feature = "hub")]
    Pull(pull::Arguments),
    Show(show::Arguments),
    Verify(verify::Arguments),
    Convert(convert::Arguments),
}

pub(crate) fn run(command: &ModelsCommand) -> Result<ExitCode> {
    match command {
        ModelsCommand::List(arguments) => arguments.run()?,
        #[cfg(feature = "hub")]
        ModelsCommand::Pull(arguments) => arguments.run()?,
        ModelsCommand::Show(arguments) => arguments.run()?,
        ModelsCommand::Verify(arguments) => return arguments.run(),
        ModelsCommand::Convert(arguments) => arguments.run()?,
    }
    Ok(ExitCode::SUCCESS)
}
