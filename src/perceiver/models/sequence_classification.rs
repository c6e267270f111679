//! `PerceiverForSequenceClassification` (Perceiver IO, section 4.1).

use candle_core::Tensor;

use super::{ForwardOptions, ModelOutput, PerceiverModel, class_query};
use crate::{
    error::Result,
    perceiver::{Block, Inputs, PerceiverConfig, Stage, Weights, decode::ClassificationDecoder, preprocess::TextPreprocessor},
};

/// Bytes in, class scores out.
#[derive(Clone, Debug)]
pub struct PerceiverForSequenceClassification {
    preprocessor: TextPreprocessor,
    perceiver: PerceiverModel,
    decoder: ClassificationDecoder,
}

impl PerceiverForSequenceClassification {
    /// Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        let weights = weights.pp("perceiver");
        Ok(Self {
            preprocessor: TextPreprocessor::new(config, &weights.pp("input_preprocessor"))?,
            perceiver: PerceiverModel::new(config, &weights)?,
            decoder: ClassificationDecoder::new(config, class_query(config), &weights.pp("decoder"))?,
        })
    }

    /// The decoder.
    pub fn decoder(&self) -> &ClassificationDecoder {
        &self.decoder
    }

    /// Byte ids, B × M with M up to `max_position_embeddings`, to tokens.
    ///
    /// # Errors
    /// For more ids, or ids outside the vocabulary.
    pub fn preprocess(&self, ids: &Tensor) -> Result<Block> {
        self.preprocessor.forward(ids)
    }

    /// Class scores of byte ids (B × M): `logits` B × classes.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forward<'a>(&self, ids: &Tensor, options: impl Into<ForwardOptions<'a>>) -> Result<ModelOutput> {
        let options = options.into();
        let tokens = Inputs::single(self.preprocess(ids)?);
        options.watch.ended(Stage::Preprocess);
        let encoded = self.perceiver.encode(&tokens, options)?;
        let z = &encoded.last_hidden_state;
        let decoded = self.decoder.forward(&self.decoder.query(z)?, z, options.keep.attentions)?;
        options.watch.ended(Stage::Decoder);
        Ok(ModelOutput::new(decoded, encoded))
    }
}
