//! The published models: a preprocessor, the encoder, a decoder and a postprocessor each.

mod image_classification;
mod masked_lm;
mod multimodal_autoencoding;
mod optical_flow;
mod perceiver_model;
mod sequence_classification;

pub use image_classification::PerceiverForImageClassification;
pub use masked_lm::PerceiverForMaskedLM;
pub use multimodal_autoencoding::{AUDIO, IMAGE, LABEL, MultimodalInputs, PerceiverForMultimodalAutoencoding};
pub use optical_flow::{NEIGHBOURHOOD_CHANNELS, PerceiverForOpticalFlow};
pub use perceiver_model::PerceiverModel;
pub use sequence_classification::PerceiverForSequenceClassification;

use candle_core::Tensor;

use super::{
    EncoderOutput, HeadMask, Keep, PerceiverConfig, PositionArguments, Watch,
    decode::{BasicDecoderOptions, Decoded},
};

/// How to run a model, besides its inputs. A [`Keep`] alone stands for the rest by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardOptions<'a> {
    /// 1 for preprocessed tokens that count and 0 for others, B × M or B × N × M.
    pub attention_mask: Option<&'a Tensor>,
    /// Factors on the heads of the self-attention.
    pub head_mask: Option<&'a HeadMask>,
    /// Whether a learned table of image positions is resized to the image's own grid.
    pub interpolate_pos_encoding: bool,
    /// What to keep besides the result.
    pub keep: Keep,
    /// Who is told at the end of each stage.
    pub watch: Watch<'a>,
}

impl From<Keep> for ForwardOptions<'_> {
    fn from(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }
}

/// What a model gives. The published `PerceiverMaskedLMOutput` and `PerceiverClassifierOutput` are this; `PerceiverModelOutput` of the bare
/// model is [`EncoderOutput`]. Losses are in [`loss`](super::loss).
#[derive(Clone, Debug)]
pub struct ModelOutput<L = Tensor> {
    /// The decoder's answer: one tensor, or one for each modality.
    pub logits: L,
    /// The encoder's latents, with what was kept on the way.
    pub encoder: EncoderOutput,
    /// Probabilities of the decoder's cross-attention, when asked for.
    pub decoder_attention: Option<Tensor>,
}

impl<L> ModelOutput<L> {
    fn new(decoded: Decoded<L>, encoder: EncoderOutput) -> Self {
        Self { logits: decoded.logits, encoder, decoder_attention: decoded.cross_attentions }
    }
}

/// The decoder of every published classifier: one learned query as wide as the latents, added to what it reads.
fn class_query(config: &PerceiverConfig) -> BasicDecoderOptions {
    BasicDecoderOptions {
        num_channels: config.d_latents,
        use_query_residual: true,
        positions: PositionArguments::trainable(config.d_latents, 1),
        ..Default::default()
    }
}
