//! Pictures to labels.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{ClipInputs, Model, classes::Classes};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::Result,
    media::{Labels, Picture},
    perceiver::{ImageSize, Keep, PerceiverConfig, PerceiverImageProcessor, models::PerceiverForImageClassification},
};

/// An image classifier with its way from pictures to labels.
#[derive(Debug)]
pub struct ClassifyImage {
    model: PerceiverForImageClassification,
    processor: PerceiverImageProcessor,
    classes: Classes,
    device: Device,
    hash: String,
}

impl ClassifyImage {
    /// Opens any of the three published kinds of image classifier from a `source` that [`Checkpoint::open`] takes.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no image classifier, or the device is not there.
    pub fn open(source: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(source)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When it is no image classifier, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let Model::ImageClassification(model) = Model::build(checkpoint, &device, precision)? else {
            let accepted = "PerceiverForImageClassificationLearned, …Fourier or …ConvProcessing";
            return Err(Model::refused(checkpoint, accepted));
        };
        let hash = checkpoint.hash().to_owned();
        Ok(Self::new(model, checkpoint.image_processor()?, checkpoint.config(), device, hash))
    }

    /// A model that is loaded already, on `device`.
    pub fn new(
        model: PerceiverForImageClassification,
        processor: PerceiverImageProcessor,
        config: &PerceiverConfig,
        device: Device,
        hash: String,
    ) -> Self {
        Self { model, processor, classes: Classes::new(config), device, hash }
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The labels of each picture, in one model call. Pictures may differ in size: the model's image processor crops and resizes them.
    ///
    /// # Errors
    /// For a picture of which nothing is left by the crop, or when the processor's size is none the model takes.
    pub fn classify(&self, pictures: &[&Picture]) -> Result<Vec<Labels>> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        self.classes.labels(&self.model.forward(&self.images(pictures)?, Keep::default())?.logits)
    }

    /// A score for each class, of several pictures that are windows of a stream, in one call.
    ///
    /// # Errors
    /// When they are not of the processor's size, or that is none the model takes.
    pub(super) fn scores(&self, windows: &[&ClipInputs]) -> Result<Vec<Vec<f32>>> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let ImageSize { height, width } = self.processor.size;
        let levels: Vec<f32> = windows.iter().flat_map(|window| window.image()).copied().collect();
        let images = Tensor::from_vec(levels, (windows.len(), 3, height, width), &self.device)?;
        Ok(self.model.forward(&images, Keep::default())?.logits.to_dtype(DType::F32)?.to_vec2()?)
    }

    /// The labels of a picture's scores.
    pub(super) fn labels(&self, scores: &[f32]) -> Labels {
        self.classes.labels_of(scores)
    }

    /// The classes' names by their numbers.
    pub(super) fn label_names(&self) -> &[Arc<str>] {
        self.classes.names()
    }

    /// What is done to pictures before the model sees them.
    pub(super) fn processor(&self) -> &PerceiverImageProcessor {
        &self.processor
    }

    /// What the model takes for these pictures, one at least: B × 3 × Y × X, cropped, resized and normalised.
    ///
    /// # Errors
    /// For a picture of which nothing is left by the crop.
    pub fn images(&self, pictures: &[&Picture]) -> Result<Tensor> {
        let images = pictures.iter().map(|picture| preprocess_picture(picture, &self.processor)).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&images, 0)?.to_device(&self.device)?)
    }
}

/// What an image classifier with this `processor` takes for a picture: 3 × Y × X, cropped, resized and normalised.
///
/// # Errors
/// For a picture of which nothing is left by the crop.
pub fn preprocess_picture(picture: &Picture, processor: &PerceiverImageProcessor) -> Result<Tensor> {
    let pixels = Tensor::from_slice(picture.rgb(), (picture.height(), picture.width(), 3), &Device::Cpu)?;
    // The colours go in first: rows first, a picture of one or three rows would be taken for one of as many colours.
    processor.preprocess(&pixels.permute((2, 0, 1))?)
}
