//! Pictures to labels.

use candle_core::{Device, Tensor};

use super::{Model, classes::Classes};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::Result,
    media::{Labels, Picture},
    perceiver::{Keep, PerceiverConfig, PerceiverImageProcessor, models::PerceiverForImageClassification},
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
