//! The stages of a model call, for whoever wants to know how long each takes.

use std::fmt;

/// A part of a call, in the order of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From pictures, sound or bytes to tokens.
    Preprocess,
    /// Latents over tokens.
    EncoderCross,
    /// All self-attention layers of all blocks.
    SelfAttention,
    /// All queries over the latents. What a folded decoder computes in one pass with its answers belongs to it: the last projection, and of the
    /// multimodal model the postprocessors.
    Decoder,
    /// What makes results of the decoder's answers, where that is a pass of its own.
    Postprocess,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [Self::Preprocess, Self::EncoderCross, Self::SelfAttention, Self::Decoder, Self::Postprocess];

    /// The name for programs: `preprocess`, `encoder_cross`, `self_attention`, `decoder` or `postprocess`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::EncoderCross => "encoder_cross",
            Self::SelfAttention => "self_attention",
            Self::Decoder => "decoder",
            Self::Postprocess => "postprocess",
        }
    }
}

/// Who is told at the end of each stage; nobody by default.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a>(Option<&'a dyn Fn(Stage)>);

impl<'a> Watch<'a> {
    /// Calls `tell` at the end of each stage, on the thread of the call.
    pub fn new(tell: &'a dyn Fn(Stage)) -> Self {
        Self(Some(tell))
    }

    pub(super) fn ended(self, stage: Stage) {
        if let Some(tell) = self.0 {
            tell(stage);
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}
