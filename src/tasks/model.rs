//! Any model of the family, by the architecture its checkpoint names.

use candle_core::Device;

use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    perceiver::models::{
        PerceiverForImageClassification, PerceiverForMaskedLM, PerceiverForMultimodalAutoencoding, PerceiverForOpticalFlow,
        PerceiverForSequenceClassification, PerceiverModel,
    },
};

/// A model of any architecture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Model {
    /// `PerceiverModel`, latents and encoder without a head.
    Bare(PerceiverModel),
    /// `PerceiverForMaskedLM`.
    MaskedLM(PerceiverForMaskedLM),
    /// `PerceiverForSequenceClassification`.
    SequenceClassification(PerceiverForSequenceClassification),
    /// `PerceiverForImageClassificationLearned`, `…Fourier` and `…ConvProcessing`.
    ImageClassification(PerceiverForImageClassification),
    /// `PerceiverForOpticalFlow`.
    OpticalFlow(PerceiverForOpticalFlow),
    /// `PerceiverForMultimodalAutoencoding`.
    MultimodalAutoencoding(PerceiverForMultimodalAutoencoding),
}

type Build = fn(&Checkpoint, &Device, Precision) -> Result<Model>;

/// How each architecture is built.
const ARCHITECTURES: [(&str, Build); 8] = [
    ("PerceiverModel", |checkpoint, device, precision| checkpoint.build(device, precision, PerceiverModel::new).map(Model::Bare)),
    ("PerceiverForMaskedLM", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForMaskedLM::new).map(Model::MaskedLM)
    }),
    ("PerceiverForSequenceClassification", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForSequenceClassification::new).map(Model::SequenceClassification)
    }),
    ("PerceiverForImageClassificationLearned", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForImageClassification::learned).map(Model::ImageClassification)
    }),
    ("PerceiverForImageClassificationFourier", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForImageClassification::fourier).map(Model::ImageClassification)
    }),
    ("PerceiverForImageClassificationConvProcessing", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForImageClassification::conv_processing).map(Model::ImageClassification)
    }),
    ("PerceiverForOpticalFlow", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForOpticalFlow::new).map(Model::OpticalFlow)
    }),
    ("PerceiverForMultimodalAutoencoding", |checkpoint, device, precision| {
        checkpoint.build(device, precision, PerceiverForMultimodalAutoencoding::new).map(Model::MultimodalAutoencoding)
    }),
];

impl Model {
    /// Opens `source`, a folder or `builtin:NAME`, as the architecture it names.
    ///
    /// # Errors
    /// When the model cannot be found or read, its architecture is none of the family's, or the device is not there.
    pub fn open(source: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        Self::build(&Checkpoint::open(source)?, &device, precision)
    }

    /// Builds the model of a checkpoint as the architecture it names, the first of `architectures` in its configuration.
    ///
    /// # Errors
    /// When that is none of the family's, or the tensors are not those it needs.
    pub fn build(checkpoint: &Checkpoint, device: &Device, precision: Precision) -> Result<Self> {
        let given = checkpoint.config().architectures.first().map_or("nothing", String::as_str);
        match ARCHITECTURES.iter().find(|(name, _)| *name == given) {
            Some((_, build)) => build(checkpoint, device, precision),
            None => {
                let names: Vec<&str> = ARCHITECTURES.iter().map(|(name, _)| *name).collect();
                Err(Error::config("architectures", given, names.join(", ")))
            }
        }
    }
    /// What a task says of a checkpoint whose model is none of the `accepted` architectures.
    pub(super) fn refused(checkpoint: &Checkpoint, accepted: &str) -> Error {
        let given = checkpoint.config().architectures.first().map_or("nothing", String::as_str);
        Error::format(checkpoint.name(), format!("its architecture is {given}: accepted is {accepted}"))
    }
}
