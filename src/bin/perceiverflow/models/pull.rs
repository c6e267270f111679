//! `perceiverflow models pull`.

use clap::Args;
use perceiverflow::{
    Result,
    checkpoint::{
        Checkpoint,
        hub::{Hub, HubId},
    },
};
use serde_json::{Value, json};

use super::fetch::transfer;
use crate::output;

/// Fetch models of the Hugging Face Hub into its cache: configuration, weights, and the settings of their inputs
///
/// What is there already is not fetched again, and a transfer that was cut goes on where it ended. Large files are held against the
/// SHA-256 that the Hub gives. Every command with a --model fetches one by itself when it is first named; this one also looks for a newer
/// commit of a branch.
#[derive(Args, Debug)]
#[command(after_help = "\
Environment, as for Hugging Face's own tools:
  HF_TOKEN        a token for private and gated models [else the file HF_TOKEN_PATH, else HF_HOME/token]
  HF_HUB_CACHE    the cache [else HF_HOME/hub, else ~/.cache/huggingface/hub]
  HF_ENDPOINT     another server than https://huggingface.co
  HF_HUB_OFFLINE  1 to use only what is in the cache

Examples:
  perceiverflow models pull deepmind/optical-flow-perceiver
  perceiverflow models pull deepmind/language-perceiver@main deepmind/vision-perceiver-conv --json
  perceiverflow flow clip.mp4 -o flow.mp4 --model deepmind/optical-flow-perceiver")]
pub(crate) struct Arguments {
    /// Models as owner/name, or owner/name@revision with a branch, tag or commit
    #[arg(value_name = "ID", required = true)]
    models: Vec<HubId>,

    /// Print JSON instead of a list
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<()> {
        let hub = Hub::from_environment();
        let (mut list, mut entries) = (String::new(), Vec::new());
        for id in &self.models {
            let folder = transfer::pull(&hub, id)?;
            let hash = Checkpoint::open(&folder.to_string_lossy())?.hash().to_owned();
            list += &format!("{id}  {}\n", folder.display());
            entries.push(json!({ "name": id.to_string(), "folder": folder, "sha256": hash }));
        }
        output::report(&if self.json { format!("{:#}\n", Value::from(entries)) } else { list })
    }
}
