//! The published models: a preprocessor, the encoder, a decoder and a postprocessor each.

mod optical_flow;

pub use optical_flow::{NEIGHBOURHOOD_CHANNELS, PerceiverForOpticalFlow};

use candle_core::Tensor;

use super::{EncoderOutput, decode::Decoded};

/// What a model gives.
#[derive(Clone, Debug)]
pub struct ModelOutput {
    /// The decoder's answer.
    pub logits: Tensor,
    /// The encoder's latents, with what was kept on the way.
    pub encoder: EncoderOutput,
    /// Probabilities of the decoder's cross-attention, when asked for.
    pub decoder_attention: Option<Tensor>,
}

impl ModelOutput {
    fn new(decoded: Decoded, encoder: EncoderOutput) -> Self {
        Self { logits: decoded.logits, encoder, decoder_attention: decoded.cross_attentions }
    }
}
