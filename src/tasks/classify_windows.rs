//! Windows of a stream to labels, by either kind of model that has some: a multimodal one, whose windows are frames with their sound, or an
//! image classifier, whose window is a single frame.

use std::sync::Arc;

use super::{Autoencode, ClassifyImage, ClipInputs, ClipPreprocessor, Framing, Head, preprocess_picture};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    media::{Clip, ClipOptions, ClipShape, Labels, MissingAudio},
    perceiver::PerceiverImageProcessor,
};

/// The window of an image classifier: one of 25 frames a second, the rate of the published multimodal model.
const PICTURE: ClipShape = ClipShape { frames: 1, samples_per_frame: 1920, sample_rate: 48_000 };

/// A model that says what windows show. Cloning shares it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClassifyWindows {
    /// By what is seen and heard in several frames.
    Clips(Arc<Autoencode>),
    /// By what is seen in one.
    Pictures(Arc<ClassifyImage>),
}

impl ClassifyWindows {
    /// Whether a checkpoint is one of an image classifier.
    pub fn takes_pictures(checkpoint: &Checkpoint) -> bool {
        checkpoint.config().architectures.first().is_some_and(|name| name.starts_with("PerceiverForImageClassification"))
    }

    /// The model of a checkpoint.
    ///
    /// # Errors
    /// When it is neither a multimodal model nor an image classifier, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        if Self::takes_pictures(checkpoint) {
            return ClassifyImage::of(checkpoint, device, precision).map(|model| Self::Pictures(Arc::new(model)));
        }
        Autoencode::of(checkpoint, device, precision).map(|model| Self::Clips(Arc::new(model)))
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        match self {
            Self::Clips(model) => model.hash(),
            Self::Pictures(model) => model.hash(),
        }
    }

    /// The classes' names by their numbers.
    pub fn label_names(&self) -> &[Arc<str>] {
        match self {
            Self::Clips(model) => model.label_names(),
            Self::Pictures(model) => model.label_names(),
        }
    }

    /// Makes this model's inputs. How pictures meet an image classifier's size is its image processor's business, and no `framing`'s.
    pub fn preprocessor(&self, framing: Framing) -> WindowPreprocessor {
        match self {
            Self::Clips(model) => WindowPreprocessor::Clips(model.preprocessor(framing)),
            Self::Pictures(model) => WindowPreprocessor::Pictures(model.processor().clone()),
        }
    }

    /// A score for each class, of several windows in one call.
    ///
    /// # Errors
    /// When the inputs are another model's.
    pub fn scores(&self, windows: &[&ClipInputs]) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Clips(model) => model.decode(&model.encode(windows)?.iter().collect::<Vec<_>>(), Head::Labels),
            Self::Pictures(model) => model.scores(windows),
        }
    }

    /// The labels of a window's scores.
    pub fn labels(&self, scores: &[f32]) -> Labels {
        match self {
            Self::Clips(model) => model.labels(scores),
            Self::Pictures(model) => model.labels(scores),
        }
    }

    /// The labels that hold by the model's own thresholds; all of them where it has none.
    pub fn holding(&self, labels: &Labels) -> Labels {
        match self {
            Self::Clips(model) => model.holding(labels),
            Self::Pictures(_) => labels.clone(),
        }
    }
}

/// Turns windows into the inputs of either kind of model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WindowPreprocessor {
    /// Of a multimodal model.
    Clips(ClipPreprocessor),
    /// Of an image classifier.
    Pictures(PerceiverImageProcessor),
}

impl From<ClipPreprocessor> for WindowPreprocessor {
    fn from(clips: ClipPreprocessor) -> Self {
        Self::Clips(clips)
    }
}

impl WindowPreprocessor {
    /// What a window holds. An image classifier is asked about every 25th of a second's frame; it hears nothing.
    pub fn shape(&self) -> ClipShape {
        match self {
            Self::Clips(clips) => clips.shape(),
            Self::Pictures(_) => PICTURE,
        }
    }

    /// Whether sound makes a difference.
    pub fn hears(&self) -> bool {
        matches!(self, Self::Clips(_))
    }

    /// How windows are cut for the model, where `options` are what is asked for: who hears nothing misses no sound.
    pub fn suited(&self, options: ClipOptions) -> ClipOptions {
        if self.hears() { options } else { ClipOptions { audio: false, missing_audio: MissingAudio::Silence, ..options } }
    }

    /// The numbers of a window.
    ///
    /// # Errors
    /// When the window is not of [`shape`](Self::shape), an image classifier's has no picture, or its processor makes pictures of several
    /// sizes.
    pub fn preprocess(&self, clip: &Clip) -> Result<ClipInputs> {
        let processor = match self {
            Self::Clips(clips) => return clips.preprocess(clip),
            Self::Pictures(processor) => processor,
        };
        let picture = clip.pictures.iter().flatten().next();
        let picture = picture.ok_or_else(|| Error::tensor("window's pictures", "none", "1, for an image classifier"))?;
        ClipInputs::of_picture(&preprocess_picture(picture, processor)?, processor.size)
    }
}
