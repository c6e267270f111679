//! `perceiverflow train flow`.

use std::path::PathBuf;

use perceiverflow::{Result, checkpoint::Checkpoint, perceiver::PerceiverConfig, train::FlowTask};

use super::{Textures, TrainingArgs};

/// Train an optical-flow model on synthetic pairs with exact flow.
///
/// Goes on where it was when OUT holds a training already; stop it at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  perceiverflow train flow --out my-flow --textures pictures/
  perceiverflow flow clip.mp4 -o out.mp4 --model my-flow")]
pub(crate) struct FlowArgs {
    /// Configuration of the model [default: that of builtin:flow]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    textures: Textures,
    #[command(flatten)]
    training: TrainingArgs,
}

impl FlowArgs {
    pub(super) fn run(self) -> Result<()> {
        let config = match &self.config {
            Some(path) => PerceiverConfig::open(path)?,
            None => Checkpoint::open("builtin:flow")?.config().clone(),
        };
        self.training.train(FlowTask { config, library: self.textures.library()? }).map(drop)
    }
}
