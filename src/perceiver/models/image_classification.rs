//! The three published image classifiers (Perceiver IO, section 4.5 and appendix A). They differ in how pixels become tokens.

use candle_core::Tensor;

use super::{ForwardOptions, ModelOutput, PerceiverModel, class_query};
use crate::{
    error::Result,
    perceiver::{
        Block, ImageClassificationConfig, Inputs, PerceiverConfig, PositionArguments, Stage, Weights,
        decode::ClassificationDecoder,
        preprocess::{ImageOptions, ImagePreprocessor, PrepType},
    },
};

/// An image in, class scores out. The constructors are the published classes.
#[doc(alias = "PerceiverForImageClassificationLearned")]
#[doc(alias = "PerceiverForImageClassificationFourier")]
#[doc(alias = "PerceiverForImageClassificationConvProcessing")]
#[derive(Clone, Debug)]
pub struct PerceiverForImageClassification {
    preprocessor: ImagePreprocessor,
    perceiver: PerceiverModel,
    decoder: ClassificationDecoder,
}

impl PerceiverForImageClassification {
    /// `PerceiverForImageClassificationLearned`: a 1×1 convolution, and a learned table of `image_size`² positions. Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn learned(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let channels = config.image_classification.learned_channels;
        let table = PositionArguments::trainable(channels, config.image_size * config.image_size);
        let options = ImageOptions {
            prep_type: PrepType::Conv1x1,
            spatial_downsample: 1,
            out_channels: channels,
            positions: PositionArguments { project_pos_dim: Some(channels), ..table },
            ..Default::default()
        };
        Self::new(config, options, weights)
    }

    /// `PerceiverForImageClassificationFourier`: pixels as they are, and Fourier features. Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn fourier(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let ImageClassificationConfig { num_bands, fourier_resolution, .. } = config.image_classification;
        let options = ImageOptions {
            prep_type: PrepType::Pixels,
            spatial_downsample: 1,
            positions: PositionArguments::fourier(num_bands, fourier_resolution),
            ..Default::default()
        };
        Self::new(config, options, weights)
    }

    /// `PerceiverForImageClassificationConvProcessing`: a convolutional stem, and Fourier features. Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn conv_processing(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let ImageClassificationConfig { num_bands, conv_resolution, conv_channels, .. } = config.image_classification;
        let options = ImageOptions {
            prep_type: PrepType::Conv,
            spatial_downsample: 1,
            out_channels: conv_channels,
            positions: PositionArguments::fourier(num_bands, conv_resolution),
            ..Default::default()
        };
        Self::new(config, options, weights)
    }

    fn new(config: &PerceiverConfig, options: ImageOptions, weights: &Weights<'_>) -> Result<Self> {
        let weights = weights.pp("perceiver");
        let preprocessor = ImagePreprocessor::new(options, &weights.pp("input_preprocessor"))?;
        Ok(Self {
            perceiver: PerceiverModel::behind(config, preprocessor.num_channels(), &weights)?,
            decoder: ClassificationDecoder::new(config, class_query(config), &weights.pp("decoder"))?,
            preprocessor,
        })
    }

    /// The decoder.
    pub fn decoder(&self) -> &ClassificationDecoder {
        &self.decoder
    }

    /// Images, B × 3 × Y × X as [`PerceiverImageProcessor`](crate::perceiver::PerceiverImageProcessor) gives them, to tokens.
    ///
    /// # Errors
    /// For other shapes; with learned positions for another number of pixels than the table has rows, unless
    /// `interpolate_pos_encoding` resizes it.
    pub fn preprocess(&self, images: &Tensor, interpolate_pos_encoding: bool) -> Result<Block> {
        self.preprocessor.forward(images, interpolate_pos_encoding)
    }

    /// Class scores of images (B × 3 × Y × X): `logits` B × classes.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward<'a>(&self, images: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<ModelOutput> {
        let options = options.into();
        let tokens = Inputs::single(self.preprocess(images, options.interpolate_pos_encoding)?);
        options.watch.ended(Stage::Preprocess);
        let encoded = self.perceiver.encode(&tokens, options)?;
        let z = &encoded.last_hidden_state;
        let decoded = self.decoder.forward(&self.decoder.query(z)?, z, options.keep.attentions)?;
        options.watch.ended(Stage::Decoder);
        Ok(ModelOutput::new(decoded, encoded))
    }
}
