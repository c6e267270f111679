//! `PerceiverForOpticalFlow` (Perceiver IO, section 4.3 and appendix H).

use candle_core::Tensor;

use super::{ForwardOptions, ModelOutput, PerceiverModel};
use crate::{
    compute::Search,
    error::{Error, Result},
    perceiver::{
        Block, FlowConfig, Inputs, PerceiverConfig, PositionArguments, Stage, Weights,
        decode::{BasicDecoderOptions, OpticalFlowDecoder, OpticalFlowDecoderOptions},
        preprocess::{ImageOptions, ImagePreprocessor, PrepType},
    },
};

/// Channels of a pixel as the model takes it: its 3×3 neighbourhood in RGB, ordered (row, column, colour).
pub const NEIGHBOURHOOD_CHANNELS: usize = 27;

/// Where the pixel's own colours stand in its neighbourhood.
const CENTRE: usize = 12;

/// Two frames in, one vector for each pixel out.
#[derive(Clone, Debug)]
pub struct PerceiverForOpticalFlow {
    preprocessor: ImagePreprocessor,
    search: Option<Search>,
    perceiver: PerceiverModel,
    decoder: OpticalFlowDecoder,
}

impl PerceiverForOpticalFlow {
    /// Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let FlowConfig { patch, out_channels, num_bands, .. } = config.optical_flow;
        let search = config.optical_flow.search();
        let weights = weights.pp("perceiver");
        let image = ImageOptions {
            prep_type: PrepType::Patches,
            spatial_downsample: patch,
            temporal_downsample: 2,
            out_channels,
            conv_after_patching: true,
            conv_after_patching_in_channels: 2 * NEIGHBOURHOOD_CHANNELS * patch * patch
                + search.map_or(0, |search| search.channels()),
            positions: PositionArguments::fourier(num_bands, config.train_size),
            ..Default::default()
        };
        let preprocessor = ImagePreprocessor::new(image, &weights.pp("input_preprocessor"))?;
        let decoder = OpticalFlowDecoderOptions {
            output_image_shape: config.train_size,
            patch,
            rescale_factor: config.optical_flow.rescale_factor,
            decoder: BasicDecoderOptions {
                output_num_channels: 2 * patch * patch,
                num_channels: preprocessor.num_channels(),
                use_query_residual: config.optical_flow.use_query_residual,
                widening_factor: config.optical_flow.decoder_widening_factor,
                ..Default::default()
            },
        };
        Ok(Self {
            perceiver: PerceiverModel::behind(config, preprocessor.num_channels(), &weights)?,
            decoder: OpticalFlowDecoder::new(config, decoder, &weights.pp("decoder"))?,
            preprocessor,
            search,
        })
    }

    /// Frames, B × 2 × 27 × Y × X in −1 … 1, to tokens.
    ///
    /// # Errors
    /// For other shapes.
    pub fn preprocess(&self, frames: &Tensor) -> Result<Block> {
        match frames.dims() {
            [_, 2, NEIGHBOURHOOD_CHANNELS, _, _] => {
                let pixels = || frames.narrow(2, CENTRE, 3);
                let matches = self.search.map(|search| search.matches(&pixels()?)).transpose()?;
                self.preprocessor.forward_beside(frames, matches.as_ref(), false)
            }
            other => Err(Error::tensor("inputs", other, "B, 2, 27, Y, X: two frames of 3x3 neighbourhoods")),
        }
    }

    /// The flow from the first frame to the second: `logits` B × Y × X × 2, horizontal component first, in units of
    /// 1/`pixels_per_unit` pixel. Frames are B × 2 × 27 × Y × X with Y × X = `train_size`.
    ///
    /// # Errors
    /// For other shapes.
    pub fn forward<'a>(&self, frames: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<ModelOutput> {
        let options = options.into();
        let tokens = Inputs::single(self.preprocess(frames)?);
        options.watch.ended(Stage::Preprocess);
        let encoded = self.perceiver.encode(&tokens, options)?;
        let decoded = self.decoder.answer(&tokens, &encoded.last_hidden_state, options.keep.attentions)?;
        options.watch.ended(Stage::Decoder);
        Ok(ModelOutput::new(decoded, encoded))
    }
}
