//! `PerceiverForMaskedLM` (Perceiver IO, section 4.1).

use candle_core::Tensor;

use super::{ForwardOptions, ModelOutput, PerceiverModel};
use crate::{
    error::Result,
    perceiver::{
        Block, Inputs, PerceiverConfig, PositionArguments, Stage, Weights,
        decode::{BasicDecoder, BasicDecoderOptions, Decoded, EmbeddingDecoder},
        preprocess::TextPreprocessor,
    },
};

/// Heads of the decoder, and channels of each head's queries: fixed in the published code.
const HEADS: usize = 8;
const QUERY_CHANNELS: usize = 32;

/// Bytes in, scores of every byte at every place out.
#[derive(Clone, Debug)]
pub struct PerceiverForMaskedLM {
    preprocessor: TextPreprocessor,
    perceiver: PerceiverModel,
    decoder: BasicDecoder,
    embedding_decoder: EmbeddingDecoder,
}

impl PerceiverForMaskedLM {
    /// Reads `perceiver.…` and `embedding_decoder.bias`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let options = BasicDecoderOptions {
            output_index_dims: vec![config.max_position_embeddings],
            num_channels: config.d_model,
            qk_channels: Some(HEADS * QUERY_CHANNELS),
            v_channels: Some(config.d_model),
            num_heads: HEADS,
            final_project: false,
            positions: PositionArguments::trainable(config.d_model, config.max_position_embeddings),
            ..Default::default()
        };
        let perceiver = weights.pp("perceiver");
        Ok(Self {
            preprocessor: TextPreprocessor::new(config, &perceiver.pp("input_preprocessor"))?,
            perceiver: PerceiverModel::new(config, &perceiver)?,
            decoder: BasicDecoder::new(config, options, &perceiver.pp("decoder"))?,
            embedding_decoder: EmbeddingDecoder::new(config.vocab_size, &weights.pp("embedding_decoder"))?,
        })
    }

    /// The decoder between latents and embeddings.
    pub fn decoder(&self) -> &BasicDecoder {
        &self.decoder
    }

    /// Byte ids, B × M with M up to `max_position_embeddings`, to tokens.
    ///
    /// # Errors
    /// For more ids, or ids outside the vocabulary.
    pub fn preprocess(&self, ids: &Tensor) -> Result<Block> {
        self.preprocessor.forward(ids)
    }

    /// Scores of the bytes at every place: `logits` B × `max_position_embeddings` × `vocab_size`, however few ids (B × M) there are.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward<'a>(&self, ids: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<ModelOutput> {
        let options = options.into();
        let tokens = Inputs::single(self.preprocess(ids)?);
        options.watch.ended(Stage::Preprocess);
        let encoded = self.perceiver.encode(&tokens, options)?;
        let z = &encoded.last_hidden_state;
        let Decoded { logits: hidden, cross_attentions } =
            self.decoder.forward(&self.decoder.query(z, None, None)?, z, options.keep.attentions)?;
        options.watch.ended(Stage::Decoder);
        let logits = self.embedding_decoder.forward(&hidden, self.preprocessor.embeddings())?;
        options.watch.ended(Stage::Postprocess);
        Ok(ModelOutput::new(Decoded { logits, cross_attentions }, encoded))
    }
}
