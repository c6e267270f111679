//! `PerceiverModel`: latents and encoder, alone or behind a preprocessor (Perceiver IO, section 3.1).

use candle_core::{DType, Tensor};

use super::ForwardOptions;
use crate::{
    error::{Error, Result},
    perceiver::{
        Block, EncoderOutput, HeadMask, Inputs, Keep, LayerOutput, PerceiverConfig, PerceiverEncoder, Stage, Watch, Weights,
        fold::{FoldedEncoder, Tokens},
    },
};

/// The latent array and the encoder that fills it.
#[derive(Clone, Debug)]
pub struct PerceiverModel {
    latents: Tensor,
    encoder: PerceiverEncoder,
    folded: Option<FoldedEncoder>,
    channels: usize,
}

impl PerceiverModel {
    /// The bare model, whose inputs have `d_model` channels. Reads `embeddings.latents` and `encoder.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        Self::behind(config, config.d_model, weights)
    }

    /// The model behind a preprocessor whose tokens have `channels` channels. Reads the same tensors.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn behind(config: &PerceiverConfig, channels: usize, weights: &Weights<'_>) -> Result<Self> {
        let latents = weights.pp("embeddings").get((config.num_latents, config.d_latents), "latents")?;
        let encoder = PerceiverEncoder::new(config, channels, &weights.pp("encoder"))?;
        let fold = || FoldedEncoder::new(&encoder.cross_attention, &latents);
        let folded = weights.may_fold().then(fold).transpose()?;
        Ok(Self { latents, encoder, folded, channels })
    }

    /// Encodes `inputs`, B × M × C.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward<'a>(&self, inputs: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<EncoderOutput> {
        self.encode(&Inputs::single(Block::bare(inputs.to_dtype(DType::F32)?)), options)
    }

    /// Encodes `inputs` in their parts, each token C channels wide. In a model that may be folded the cross-attention takes them so where
    /// that is cheaper and nothing asks for scores or masks them.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn encode<'a>(&self, inputs: &Inputs, options: impl Into<ForwardOptions<'a>>) -> Result<EncoderOutput> {
        let ForwardOptions { attention_mask, head_mask, keep, watch, .. } = options.into();
        let (n, d) = self.latents.dims2()?;
        let latents = |b: usize| self.latents.unsqueeze(0)?.broadcast_as((b, n, d));
        if let (Some(folded), None, false) = (&self.folded, attention_mask, keep.attentions) {
            let blocks = inputs.blocks.iter().map(|(_, block)| Tokens::apart(block)).collect::<Result<Vec<_>>>()?;
            if blocks.iter().all(|tokens| tokens.channels() == self.channels) && folded.pays(&blocks) {
                let hidden = folded.forward(&latents(inputs.batch()?)?, &blocks)?;
                return self.refine(LayerOutput { hidden, probabilities: None }, head_mask, keep, watch);
            }
        }
        let inputs = inputs.dense()?;
        let (b, _, channels) = inputs.dims3()?;
        if channels != self.channels {
            return Err(Error::tensor("inputs", inputs.dims(), format!("B, M, {} channels", self.channels)));
        }
        let read = self.encoder.read(&latents(b)?, &inputs, attention_mask, keep)?;
        self.refine(read, head_mask, keep, watch)
    }

    fn refine(&self, read: LayerOutput, head_mask: Option<&HeadMask>, keep: Keep, watch: Watch<'_>) -> Result<EncoderOutput> {
        watch.ended(Stage::EncoderCross);
        let encoded = self.encoder.refine(read, head_mask, keep)?;
        watch.ended(Stage::SelfAttention);
        Ok(encoded)
    }
}
