//! `perceiverflow tensors`: a model run on raw tensors, and its results held against expected ones.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
};

use candle_core::{DType, Device, Tensor};
use clap::Args;
use perceiverflow::{Error, Result, formats::write_beside, perceiver::Keep, tasks::RawModel};

use crate::{model::ComputingArguments, output};

/// Run a model on raw tensors and compare its results with expected ones
///
/// IN holds the arguments as in.NAME (in.inputs, in.attention_mask, in.head_mask, in.labels; of several modalities in.inputs.image, …,
/// in.subsampled_output_points.image, …), named as the reference names them. Every result is called out.NAME: out.logits (out.logits.image, …
/// or out.last_hidden_state), out.loss where there are labels, and with --all or --compare out.hidden_states.0, out.attentions.0,
/// out.cross_attentions.0, … as far as IN expects them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow tensors my-model case.safetensors --compare
  perceiverflow tensors my-model inputs.safetensors -o outputs.safetensors
  perceiverflow tensors my-model case.safetensors --compare --arg interpolate_pos_encoding=true

Exit code 1 when a compared tensor is off by more than the tolerance.")]
pub(crate) struct Arguments {
    /// A folder with config.json and weights, a Hugging Face id (owner/name or owner/name@revision), or builtin:NAME
    #[arg(value_name = "MODEL")]
    model: String,

    /// Tensors to run on
    #[arg(value_name = "IN.safetensors")]
    input: PathBuf,

    /// Write every result to this file
    #[arg(short, long, value_name = "OUT.safetensors")]
    output: Option<PathBuf>,

    /// Overwrite the output file
    #[arg(short = 'y', long)]
    overwrite: bool,

    /// Compare each out.NAME of IN with the result of that name
    #[arg(long)]
    compare: bool,

    /// Largest difference over largest expected magnitude that passes
    #[arg(long, default_value_t = 1e-4, value_name = "RATIO", requires = "compare")]
    tolerance: f64,

    /// Also give hidden states and attention probabilities; they need memory for every score
    #[arg(long)]
    all: bool,

    /// A scalar argument of the model: interpolate_pos_encoding=true, problem_type=regression; may be given several times
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = name_and_value)]
    arguments: Vec<(String, String)>,

    #[command(flatten)]
    computing: ComputingArguments,
}

fn name_and_value(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(path) = &self.output {
            output::check_file(path, self.overwrite, &[&self.input])?;
        }
        let broken = |e: candle_core::Error| Error::format(&self.input, format!("no intact safetensors file ({e})"));
        std::fs::metadata(&self.input).map_err(Error::io(&self.input))?;
        let tensors = candle_core::safetensors::load(&self.input, &Device::Cpu).map_err(broken)?;
        let with_prefix = |prefix: &str| -> HashMap<String, Tensor> {
            let named = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())));
            named.collect()
        };
        let expected: BTreeMap<String, Tensor> = with_prefix("out.").into_iter().collect();
        if self.compare && expected.is_empty() {
            return Err(Error::format(&self.input, "nothing to compare with; --compare needs tensors named out.NAME"));
        }
        let wants = |prefix: &str| self.all || self.compare && expected.keys().any(|name| name.starts_with(prefix));
        let keep = Keep { hidden_states: wants("hidden_states"), attentions: wants("attentions") || wants("cross_attentions") };
        let model = RawModel::of(&self.computing.checkpoint(&self.model)?, self.computing.device, self.computing.precision)?;
        let results = model.run(&with_prefix("in."), &self.arguments, keep)?;
        if let Some(path) = &self.output {
            let named = results.iter().map(|(name, tensor)| (format!("out.{name}"), tensor));
            let bytes = safetensors::serialize(named, None).map_err(|e| Error::format(path, e.to_string()))?;
            write_beside(path, |file| file.write_all(&bytes))?;
        }
        if !self.compare {
            let lines: String = results.iter().map(|(name, tensor)| format!("out.{name} {:?}\n", tensor.dims())).collect();
            output::report(&lines)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (text, all_close) = compared(&results, &expected, self.tolerance)?;
        output::report(&text)?;
        Ok(if all_close { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A line for each expected tensor, and whether all are within the tolerance.
fn compared(results: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>, tolerance: f64) -> Result<(String, bool)> {
    let (mut text, mut all_close) = (String::new(), true);
    for (name, expected) in expected {
        let (verdict, detail) = match results.get(name) {
            None => (false, "not among the results".to_owned()),
            Some(given) if given.dims() != expected.dims() => {
                (false, format!("shape {:?}, expected {:?}", given.dims(), expected.dims()))
            }
            Some(given) => {
                let error = relative_error(given, expected)?;
                (error <= tolerance, format!("relative error {error:.2e}"))
            }
        };
        all_close &= verdict;
        let _ = writeln!(text, "{} out.{name}: {detail}", if verdict { "ok  " } else { "FAIL" });
    }
    Ok((text, all_close))
}

/// Largest difference over largest expected magnitude; not a number when the result holds one.
fn relative_error(given: &Tensor, expected: &Tensor) -> Result<f64> {
    let flat = |x: &Tensor| -> Result<Vec<f32>> { Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?) };
    let (given, expected) = (flat(given)?, flat(expected)?);
    let largest = |values: &mut dyn Iterator<Item = f32>| {
        // `f64::max` would pass over what is not a number.
        values.map(|x| f64::from(x.abs())).fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a })
    };
    let difference = largest(&mut given.iter().zip(&expected).map(|(a, b)| a - b));
    let magnitude = largest(&mut expected.iter().copied());
    Ok(if magnitude == 0.0 { difference } else { difference / magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(values: &[f32]) -> BTreeMap<String, Tensor> {
        BTreeMap::from([("logits".to_owned(), Tensor::new(values, &Device::Cpu).unwrap())])
    }

    #[test]
    fn a_difference_beyond_the_tolerance_fails() {
        let expected = tensors(&[1.0, -4.0]);
        assert!(compared(&tensors(&[1.0, -4.0]), &expected, 0.0).unwrap().1);
        assert!(compared(&tensors(&[1.0, -4.2]), &expected, 0.06).unwrap().1);
        assert!(!compared(&tensors(&[1.0, -4.2]), &expected, 0.04).unwrap().1);
        assert!(!compared(&tensors(&[f32::NAN, -4.0]), &expected, 1e9).unwrap().1);
        assert!(!compared(&tensors(&[1.0]), &expected, 1e9).unwrap().1);
        assert!(!compared(&BTreeMap::new(), &expected, 1e9).unwrap().1);
    }
}
