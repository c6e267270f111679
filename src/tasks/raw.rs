//! A model run on raw tensors, by the names of the reference's arguments: how anyone checks parity with their own weights.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};

use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    perceiver::{
        Keep,
        models::{ModelOutput, PerceiverForOpticalFlow},
    },
};

/// A model that takes and gives tensors.
#[derive(Debug)]
pub struct RawModel {
    model: Architecture,
    device: Device,
    dtype: DType,
}

#[derive(Debug)]
enum Architecture {
    OpticalFlow(PerceiverForOpticalFlow),
}

impl RawModel {
    /// Opens any model whose architecture, the first of `architectures` in its configuration, is known.
    ///
    /// # Errors
    /// When the model cannot be found or read, its architecture is none of ours, or the device is not there.
    pub fn open(model: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let checkpoint = Checkpoint::open(model)?;
        let model = match checkpoint.config().architectures.first().map(String::as_str) {
            Some("PerceiverForOpticalFlow") => {
                Architecture::OpticalFlow(checkpoint.build(&device, precision, PerceiverForOpticalFlow::new)?)
            }
            other => return Err(Error::config("architectures", other.unwrap_or("nothing"), "PerceiverForOpticalFlow")),
        };
        Ok(Self { model, device, dtype: precision.dtype() })
    }

    /// Runs the model on tensors named as its arguments (`inputs`, …) and on scalar arguments as text. Gives every result by its published name: `logits`,
    /// `hidden_states.0`, `attentions.0`, `cross_attentions.0`, …, those beyond the logits only where `keep` asks for them.
    ///
    /// # Errors
    /// When an argument is missing, unknown or of the wrong shape.
    pub fn run(
        &self,
        arguments: &HashMap<String, Tensor>,
        scalars: &[(String, String)],
        keep: Keep,
    ) -> Result<BTreeMap<String, Tensor>> {
        let (tensors, settings): (&[&str], &[&str]) = match &self.model {
            Architecture::OpticalFlow(_) => (&["inputs"], &[]),
        };
        if let Some(unknown) = arguments.keys().find(|name| !tensors.contains(&name.as_str())) {
            return Err(Error::tensor(format!("in.{unknown}"), "an argument", format!("in.{}", tensors.join(", in."))));
        }
        if let Some((name, value)) = scalars.iter().find(|(name, _)| !settings.contains(&name.as_str())) {
            let accepted = if settings.is_empty() { "none for this architecture".into() } else { settings.join(", ") };
            return Err(Error::option("--arg", format!("{name}={value}"), accepted));
        }
        let argument = |name: &str| -> Result<Tensor> {
            let tensor =
                arguments.get(name).ok_or_else(|| Error::tensor(format!("in.{name}"), "nothing", "a tensor of that name"))?;
            Ok(tensor.to_device(&self.device)?.to_dtype(self.dtype)?)
        };
        match &self.model {
            Architecture::OpticalFlow(model) => named(model.forward(&argument("inputs")?, keep)?),
        }
    }
}

fn named(output: ModelOutput) -> Result<BTreeMap<String, Tensor>> {
    let ModelOutput { logits, encoder, decoder_attention } = output;
    let mut results = BTreeMap::from([("logits".to_owned(), logits)]);
    let cross = encoder.cross_attentions.into_iter().chain(decoder_attention).collect();
    for (name, tensors) in
        [("hidden_states", encoder.hidden_states), ("attentions", encoder.attentions), ("cross_attentions", cross)]
    {
        results.extend(tensors.into_iter().enumerate().map(|(number, tensor)| (format!("{name}.{number}"), tensor)));
    }
    for tensor in results.values_mut() {
        *tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
    }
    Ok(results)
}
