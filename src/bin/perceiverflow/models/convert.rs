//! `perceiverflow models convert`.

use std::path::PathBuf;

use candle_core::DType;
use clap::{Args, ValueEnum};
use perceiverflow::{Result, checkpoint::Checkpoint};

use super::{description::Description, fetch};
use crate::output;

/// Write a model anew as config.json and model.safetensors, which this program and Hugging Face's libraries read
///
/// Weights in several files become one, and those of pytorch_model.bin need no unpickling any more. The settings of the model's inputs
/// (preprocessor_config.json, tokenizer_config.json, …) come along. The folder appears once all of it is written.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow models convert my-old-model -o my-model
  perceiverflow models convert deepmind/optical-flow-perceiver -o flow-bf16 --dtype bf16")]
pub(crate) struct Arguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(value_name = "MODEL")]
    model: String,

    /// The folder to write; it must not be there yet
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    /// Number format of the weights [default: as they are]
    #[arg(long, value_enum, value_name = "FORMAT")]
    dtype: Option<Format>,

    /// Print JSON instead of a list: what `models show` tells of the new model
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// 32-bit floats
    F32,
    /// 16-bit floats up to 65504
    F16,
    /// 16-bit floats of the range of f32, with fewer digits
    Bf16,
}

impl Format {
    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<()> {
        fetch(&self.model)?;
        Checkpoint::open(&self.model)?.convert(&self.output, self.dtype.map(Format::dtype))?;
        let written = Checkpoint::open(&self.output.to_string_lossy())?;
        let description = Description::new(&written);
        output::report(&if self.json { format!("{:#}\n", description.to_json()) } else { description.to_list(false) })
    }
}
