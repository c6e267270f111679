//! `perceiverflow models`: which models there are, and what one of them is.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use perceiverflow::{Result, builtin, checkpoint::Checkpoint};
use serde_json::{Value, json};

use crate::output;

/// Tell which models there are and what they are
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models built into this program
    #[command(after_help = "\
Examples:
  perceiverflow models list
  perceiverflow models list --json")]
    List(Form),
    /// Tell a model's architecture, size, classes and hash
    #[command(after_help = "\
Examples:
  perceiverflow models show builtin:flow
  perceiverflow models show my-model --json")]
    Show {
        /// A folder with config.json and weights (model.safetensors or pytorch_model.bin), or builtin:NAME
        #[arg(value_name = "MODEL")]
        model: String,

        #[command(flatten)]
        form: Form,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Form {
    /// Print JSON instead of a list
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &ModelsCommand) -> Result<()> {
    match command {
        ModelsCommand::List(form) => {
            let names = builtin::MODELS.iter().map(|model| format!("builtin:{}", model.name));
            let models = names.map(|name| Checkpoint::open(&name)).collect::<Result<Vec<_>>>()?;
            output::report(&if form.json {
                format!("{:#}\n", models.iter().map(as_json).collect::<Value>())
            } else {
                models.iter().map(as_line).collect()
            })
        }
        ModelsCommand::Show { model, form } => {
            let model = Checkpoint::open(model)?;
            output::report(&if form.json { format!("{:#}\n", as_json(&model)) } else { as_list(&model) })
        }
    }
}

fn architecture(model: &Checkpoint) -> &str {
    model.config().architectures.first().map_or("none named", String::as_str)
}

/// The names of the classes in the order of their numbers.
fn labels(model: &Checkpoint) -> Vec<&str> {
    let mut labels: Vec<(&String, &String)> = model.config().id2label.iter().flatten().collect();
    labels.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
    labels.into_iter().map(|(_, label)| label.as_str()).collect()
}

fn as_json(model: &Checkpoint) -> Value {
    json!({
        "name": model.name(),
        "architecture": model.config().architectures.first(),
        "parameters": model.parameters(),
        "labels": labels(model),
        "sha256": model.hash(),
    })
}

fn as_line(model: &Checkpoint) -> String {
    format!("{}  {}  {} parameters\n", model.name(), architecture(model), model.parameters())
}

fn as_list(model: &Checkpoint) -> String {
    let mut list = format!("{}\n", model.name());
    let labels = labels(model);
    let mut row = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(list, "  {what:12}  {value}");
    };
    row("architecture", &architecture(model));
    row("parameters", &model.parameters());
    row("SHA-256", &model.hash());
    row("labels", &labels.len());
    for (number, label) in labels.iter().enumerate() {
        row(&format!("{number:>12}"), label);
    }
    list
}
