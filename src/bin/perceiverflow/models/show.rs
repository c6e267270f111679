//! `perceiverflow models show`.

use clap::Args;
use perceiverflow::{Result, checkpoint::Checkpoint};

use super::{description::Description, fetch};
use crate::output;

/// Tell what a model is: architecture, what one call takes and costs, parameters, labels, hash and files
///
/// A model of the Hugging Face Hub that is not in the cache yet is fetched first.
#[derive(Args, Debug)]
#[command(after_help = "\
GFLOP are 10^9 floating-point operations of all linear layers and attention products as published; a multiply-add counts as 2.

Examples:
  perceiverflow models show builtin:flow
  perceiverflow models show deepmind/vision-perceiver-conv --labels
  perceiverflow models show my-model --json")]
pub(crate) struct Arguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(value_name = "MODEL")]
    model: String,

    /// List every label, not only the first few
    #[arg(long)]
    labels: bool,

    /// Print JSON instead of a list, with every label
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<()> {
        fetch(&self.model)?;
        let model = Checkpoint::open(&self.model)?;
        let description = Description::new(&model);
        output::report(&if self.json { format!("{:#}\n", description.to_json()) } else { description.to_list(self.labels) })
    }
}
