//! A model run on raw tensors, by the names of the reference's arguments: how anyone checks parity with their own weights.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};

use super::Model;
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    perceiver::{
        EncoderOutput, HeadMask, Keep, ProblemType,
        decode::Points,
        loss,
        models::{AUDIO, ForwardOptions, IMAGE, LABEL, ModelOutput, MultimodalInputs},
    },
};

/// A model that takes and gives tensors.
#[derive(Debug)]
pub struct RawModel {
    model: Model,
    problem_type: Option<ProblemType>,
    device: Device,
}

/// The tensors and the settings an architecture takes.
fn accepted(model: &Model) -> (&'static [&'static str], &'static [&'static str]) {
    match model {
        Model::Bare(_) | Model::OpticalFlow(_) => (&["inputs", "attention_mask", "head_mask"], &[]),
        Model::MaskedLM(_) => (&["inputs", "attention_mask", "head_mask", "labels"], &[]),
        Model::SequenceClassification(_) => (&["inputs", "attention_mask", "head_mask", "labels"], &[PROBLEM_TYPE]),
        Model::ImageClassification(_) => {
            (&["inputs", "attention_mask", "head_mask", "labels"], &[PROBLEM_TYPE, INTERPOLATE_POS_ENCODING])
        }
        Model::MultimodalAutoencoding(_) => (
            &[
                "inputs.audio",
                "inputs.image",
                "inputs.label",
                "attention_mask",
                "head_mask",
                "subsampled_output_points.audio",
                "subsampled_output_points.image",
                "subsampled_output_points.label",
            ],
            &[],
        ),
    }
}

/// Which loss, where the configuration does not say or says otherwise.
const PROBLEM_TYPE: &str = "problem_type";
const INTERPOLATE_POS_ENCODING: &str = "interpolate_pos_encoding";

impl RawModel {
    /// Opens any model whose architecture, the first of `architectures` in its configuration, is known.
    ///
    /// # Errors
    /// When the model cannot be found or read, its architecture is none of ours, or the device is not there.
    pub fn open(model: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(model)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When its architecture is none of ours, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let model = Model::build(checkpoint, &device, precision)?;
        Ok(Self { model, problem_type: checkpoint.config().problem_type, device })
    }

    /// Runs the model on tensors named as its arguments (`inputs`, `attention_mask`, `inputs.audio`, …) and on scalar arguments as text
    /// (`interpolate_pos_encoding=true`). Byte ids, labels and points are integers and stay so; the rest takes the model's number format.
    /// Gives every result by its published name: `logits` (`logits.audio`, … of several modalities; `last_hidden_state` of the bare model),
    /// `loss` where there are `labels`, and where `keep` asks for them `hidden_states.0`, `attentions.0`, `cross_attentions.0`, ….
    ///
    /// # Errors
    /// When an argument is missing, unknown or of the wrong shape.
    pub fn run(
        &self,
        arguments: &HashMap<String, Tensor>,
        scalars: &[(String, String)],
        keep: Keep,
    ) -> Result<BTreeMap<String, Tensor>> {
        let (tensors, settings) = accepted(&self.model);
        if let Some(unknown) = arguments.keys().find(|name| !tensors.contains(&name.as_str())) {
            return Err(Error::tensor(format!("in.{unknown}"), "an argument", format!("in.{}", tensors.join(", in."))));
        }
        if let Some((name, value)) = scalars.iter().find(|(name, _)| !settings.contains(&name.as_str())) {
            let accepted = if settings.is_empty() { "none for this architecture".into() } else { settings.join(", ") };
            return Err(Error::option("--arg", format!("{name}={value}"), accepted));
        }
        let arguments = Arguments { tensors: arguments, scalars, device: &self.device };
        let attention_mask = arguments.as_given("attention_mask")?;
        let head_mask = arguments.number("head_mask")?.map(|mask| HeadMask::new(&mask)).transpose()?;
        let options = ForwardOptions {
            attention_mask: attention_mask.as_ref(),
            head_mask: head_mask.as_ref(),
            interpolate_pos_encoding: arguments.flag(INTERPOLATE_POS_ENCODING)?,
            keep,
            ..Default::default()
        };
        let labels = arguments.as_given("labels")?;
        let problem_type = arguments.problem_type()?.or(self.problem_type);
        let classified = |output: ModelOutput| -> Result<Results> {
            let loss = labels.as_ref().map(|labels| loss::classification(&output.logits, labels, problem_type)).transpose()?;
            Ok(Results::from(output).with_loss(loss))
        };
        let results = match &self.model {
            Model::Bare(model) => {
                let encoder = model.forward(&arguments.numbers("inputs")?, options)?;
                Results::new([("last_hidden_state".to_owned(), encoder.last_hidden_state.clone())], encoder, None)
            }
            Model::MaskedLM(model) => {
                let output = model.forward(&arguments.integers("inputs")?, options)?;
                let loss = labels.as_ref().map(|labels| loss::cross_entropy(&output.logits, labels)).transpose()?;
                Results::from(output).with_loss(loss)
            }
            Model::SequenceClassification(model) => classified(model.forward(&arguments.integers("inputs")?, options)?)?,
            Model::ImageClassification(model) => classified(model.forward(&arguments.numbers("inputs")?, options)?)?,
            Model::OpticalFlow(model) => model.forward(&arguments.numbers("inputs")?, options)?.into(),
            Model::MultimodalAutoencoding(model) => {
                let [image, audio] = [arguments.numbers("inputs.image")?, arguments.numbers("inputs.audio")?];
                let label = arguments.number("inputs.label")?;
                let inputs = MultimodalInputs { image: &image, audio: &audio, label: label.as_ref() };
                let ModelOutput { logits, encoder, decoder_attention } = model.forward(inputs, &arguments.points()?, options)?;
                let logits = logits.into_iter().map(|(modality, tensor)| (format!("logits.{modality}"), tensor));
                Results::new(logits, encoder, decoder_attention)
            }
        };
        results.on_the_processor()
    }
}

/// What a call was given, by name.
struct Arguments<'a> {
    tensors: &'a HashMap<String, Tensor>,
    scalars: &'a [(String, String)],
    device: &'a Device,
}

impl Arguments<'_> {
    fn as_given(&self, name: &str) -> Result<Option<Tensor>> {
        self.tensors.get(name).map(|tensor| Ok(tensor.to_device(self.device)?)).transpose()
    }

    /// As float32, whatever integer or float it is.
    fn number(&self, name: &str) -> Result<Option<Tensor>> {
        self.as_given(name)?.map(|tensor| Ok(tensor.to_dtype(DType::F32)?)).transpose()
    }

    fn numbers(&self, name: &str) -> Result<Tensor> {
        self.number(name)?.ok_or_else(|| missing(name))
    }

    fn integers(&self, name: &str) -> Result<Tensor> {
        match self.as_given(name)?.ok_or_else(|| missing(name))? {
            tensor if tensor.dtype().is_int() => Ok(tensor),
            other => Err(Error::tensor(format!("in.{name}"), other.dtype(), "integers")),
        }
    }

    fn points(&self) -> Result<Points> {
        let mut points = Points::new();
        for modality in [AUDIO, IMAGE, LABEL] {
            let name = format!("subsampled_output_points.{modality}");
            if !self.tensors.contains_key(&name) {
                continue;
            }
            let given: Vec<i64> = self.integers(&name)?.flatten_all()?.to_dtype(DType::I64)?.to_vec1()?;
            let point = |point: i64| {
                u32::try_from(point).map_err(|_| Error::tensor(format!("in.{name}"), point, "indices from 0 to 2^32 - 1"))
            };
            points.insert(modality.to_owned(), given.into_iter().map(point).collect::<Result<_>>()?);
        }
        Ok(points)
    }

    /// The last value given for a setting.
    fn setting(&self, name: &str) -> Option<&str> {
        self.scalars.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.setting(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Error::option("--arg", format!("{name}={other}"), format!("{name}=true or {name}=false"))),
        }
    }

    fn problem_type(&self) -> Result<Option<ProblemType>> {
        let Some(given) = self.setting(PROBLEM_TYPE) else { return Ok(None) };
        let known = [
            ("regression", ProblemType::Regression),
            ("single_label_classification", ProblemType::SingleLabelClassification),
            ("multi_label_classification", ProblemType::MultiLabelClassification),
        ];
        let found = known.iter().find(|(name, _)| *name == given).map(|(_, problem)| *problem);
        let accepted = || known.map(|(name, _)| name).join(", ");
        found.map(Some).ok_or_else(|| Error::option("--arg", format!("{PROBLEM_TYPE}={given}"), accepted()))
    }
}

fn missing(name: &str) -> Error {
    Error::tensor(format!("in.{name}"), "nothing", "a tensor of that name")
}

/// What a call gives, by name.
struct Results(BTreeMap<String, Tensor>);

impl Results {
    fn new(
        answers: impl IntoIterator<Item = (String, Tensor)>,
        encoder: EncoderOutput,
        decoder_attention: Option<Tensor>,
    ) -> Self {
        let mut results = BTreeMap::from_iter(answers);
        let cross = encoder.cross_attentions.into_iter().chain(decoder_attention).collect();
        for (name, tensors) in
            [("hidden_states", encoder.hidden_states), ("attentions", encoder.attentions), ("cross_attentions", cross)]
        {
            results.extend(tensors.into_iter().enumerate().map(|(number, tensor)| (format!("{name}.{number}"), tensor)));
        }
        Self(results)
    }

    fn with_loss(mut self, loss: Option<Tensor>) -> Self {
        self.0.extend(loss.map(|loss| ("loss".to_owned(), loss)));
        self
    }

    fn on_the_processor(self) -> Result<BTreeMap<String, Tensor>> {
        let mut results = self.0;
        for tensor in results.values_mut() {
            *tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        }
        Ok(results)
    }
}

impl From<ModelOutput> for Results {
    fn from(output: ModelOutput) -> Self {
        let ModelOutput { logits, encoder, decoder_attention } = output;
        Self::new([("logits".to_owned(), logits)], encoder, decoder_attention)
    }
}
