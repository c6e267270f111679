//! `perceiverflow models verify`.

use std::{path::PathBuf, process::ExitCode};

use candle_core::Device;
use clap::Args;
use perceiverflow::{
    Result,
    checkpoint::{
        Checkpoint,
        hub::{self, Hub},
        hub_id,
    },
    compute::Precision,
    tasks::Model,
};
use serde_json::{Value, json};

use crate::output;

/// Check models: that their files are whole, their tensors those the configuration asks for, and every number finite
///
/// Large files in the Hugging Face cache are also held against the SHA-256 that names them. Prints each model's hash. Nothing is fetched.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow models verify builtin:flow my-model
  perceiverflow models verify deepmind/optical-flow-perceiver --json

Exit code 1 when a model is damaged or not there.")]
pub(crate) struct Arguments {
    /// Folders with config.json and weights, Hugging Face ids (owner/name or owner/name@revision), or builtin:NAME
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<String>,

    /// Print JSON instead of a list
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (mut list, mut entries, mut all_fine) = (String::new(), Vec::new(), true);
        for source in &self.models {
            match verify(source) {
                Ok(hash) => {
                    list += &format!("ok    {source}  SHA-256 {hash}\n");
                    entries.push(json!({ "name": source, "ok": true, "sha256": hash, "error": null }));
                }
                Err(error) => {
                    all_fine = false;
                    list += &format!("FAIL  {error}\n");
                    entries.push(json!({ "name": source, "ok": false, "sha256": null, "error": error.to_string() }));
                }
            }
        }
        output::report(&if self.json { format!("{:#}\n", Value::from(entries)) } else { list })?;
        Ok(if all_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The hash of a model in which nothing is wrong.
fn verify(source: &str) -> Result<String> {
    let folder = match hub_id(source) {
        Some(id) => Hub::from_environment().open(&id)?,
        None => PathBuf::from(source),
    };
    if folder.is_dir() {
        hub::verify(&folder)?;
    }
    let model = Checkpoint::open(source)?;
    Model::build(&model, &Device::Cpu, Precision::F32)?;
    Ok(model.hash().to_owned())
}
