//! `perceiverflow models list`.

use clap::Args;
use perceiverflow::{
    Result, builtin,
    checkpoint::{Checkpoint, hub::Hub},
};
use serde_json::{Value, json};

use super::description::{Description, bytes};
use crate::output;

/// List the models that are here: those built into this program, and the Perceiver models in the Hugging Face cache
#[derive(Args, Debug)]
#[command(after_help = "\
The cache is the one of Hugging Face's own tools: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.

Examples:
  perceiverflow models list
  perceiverflow models list --json")]
pub(crate) struct Arguments {
    /// Print JSON instead of a list: of each model what `models show` tells
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<()> {
        let here = builtin::MODELS.iter().map(|model| format!("builtin:{}", model.name));
        let cached = Hub::from_environment().models().into_iter().map(|model| model.id);
        let names: Vec<String> = here.chain(cached).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let (mut list, mut entries) = (String::new(), Vec::new());
        for name in names {
            // One that is damaged does not hide the others.
            let opened = Checkpoint::open(&name);
            if self.json {
                entries.push(match opened {
                    Ok(model) => Description::new(&model).to_json(),
                    Err(error) => json!({ "name": name, "error": error.to_string() }),
                });
            } else {
                let what = match opened {
                    Ok(model) => {
                        let architecture = Description::new(&model).architecture;
                        let size = model.files().iter().map(|(_, size)| size).sum();
                        format!("{architecture}  {} parameters  {}", model.parameters(), bytes(size))
                    }
                    Err(error) => error.to_string(),
                };
                list += &format!("{name:width$}  {what}\n");
            }
        }
        output::report(&if self.json { format!("{:#}\n", Value::from(entries)) } else { list })
    }
}
