//! Whatever a checkpoint is made for.

use super::{Autoencode, ClassifyImage, ClassifyText, FillMask, Model, OpticalFlow};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::Result,
};

/// A model with its way from media to tensors and back, of the kind that its checkpoint names. [`Model`] is the same without that way.
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one for each model that is open, and none is moved about")]
pub enum Task {
    /// Pictures to the motion between them.
    OpticalFlow(OpticalFlow),
    /// Video and sound to latents, and back to pixels, samples and classes.
    Autoencode(Autoencode),
    /// Pictures to classes.
    ClassifyImage(ClassifyImage),
    /// Texts to classes.
    ClassifyText(ClassifyText),
    /// Texts with gaps to texts without.
    FillMask(FillMask),
}

impl Task {
    /// Opens `source`, a folder, a Hub id in the local cache, or `builtin:NAME`, for the job it was made for. Who knows the job opens it by its
    /// own type, as [`OpticalFlow::open`].
    ///
    /// # Errors
    /// When the model cannot be found or read, it has no head (`PerceiverModel`), or the device is not there.
    pub fn open(source: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let checkpoint = Checkpoint::open(source)?;
        let (config, hash) = (checkpoint.config(), checkpoint.hash().to_owned());
        Ok(match Model::build(&checkpoint, &device, precision)? {
            Model::OpticalFlow(model) => Self::OpticalFlow(OpticalFlow::new(model, config.clone(), device, hash)),
            Model::MultimodalAutoencoding(model) => Self::Autoencode(Autoencode::new(model, config.clone(), device, hash)),
            Model::ImageClassification(model) => {
                Self::ClassifyImage(ClassifyImage::new(model, checkpoint.image_processor()?, config, device, hash))
            }
            Model::SequenceClassification(model) => {
                Self::ClassifyText(ClassifyText::new(model, checkpoint.tokenizer()?, config, device, hash))
            }
            Model::MaskedLM(model) => Self::FillMask(FillMask::new(model, checkpoint.tokenizer()?, config, device, hash)),
            Model::Bare(_) => return Err(Model::refused(&checkpoint, "an architecture with a head")),
        })
    }
}
