//! Text to labels.

use candle_core::{Device, Tensor};

use super::{Model, classes::Classes, text};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::Result,
    media::Labels,
    perceiver::{
        PerceiverConfig, PerceiverTokenizer,
        models::{ForwardOptions, PerceiverForSequenceClassification},
        tokenizer::{EncodeOptions, Padding, Truncation},
    },
};

/// A text classifier with its way from text to labels.
#[derive(Debug)]
pub struct ClassifyText {
    model: PerceiverForSequenceClassification,
    tokenizer: PerceiverTokenizer,
    classes: Classes,
    places: usize,
    device: Device,
    hash: String,
}

impl ClassifyText {
    /// Opens a text classifier from a `source` that [`Checkpoint::open`] takes.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no text classifier, or the device is not there.
    pub fn open(source: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(source)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When it is no text classifier, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let Model::SequenceClassification(model) = Model::build(checkpoint, &device, precision)? else {
            return Err(Model::refused(checkpoint, "PerceiverForSequenceClassification"));
        };
        Ok(Self::new(model, checkpoint.tokenizer()?, checkpoint.config(), device, checkpoint.hash().to_owned()))
    }

    /// A model that is loaded already, on `device`.
    pub fn new(
        model: PerceiverForSequenceClassification,
        tokenizer: PerceiverTokenizer,
        config: &PerceiverConfig,
        device: Device,
        hash: String,
    ) -> Self {
        let classes = Classes::new(config);
        Self { model, tokenizer, classes, places: config.max_position_embeddings, device, hash }
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Bytes of the longest text that the model takes.
    pub fn longest(&self) -> usize {
        self.places.saturating_sub(text::AROUND)
    }

    /// The labels of each text, in one model call. Texts may differ in length. What `truncation` takes from one that is too long goes
    /// from its end.
    ///
    /// # Errors
    /// For a text of more bytes than the model has places, unless it is truncated.
    pub fn classify(&self, texts: &[&str], truncation: Truncation) -> Result<Vec<Labels>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, mask) = self.tokens(texts, truncation)?;
        let options = ForwardOptions { attention_mask: Some(&mask), ..Default::default() };
        self.classes.labels(&self.model.forward(&ids, options)?.logits)
    }

    /// What the model takes for these texts, one at least: byte ids and attention mask, each B × M, padded to the longest.
    ///
    /// # Errors
    /// For a text of more bytes than the model has places, unless it is truncated.
    pub fn tokens(&self, texts: &[&str], truncation: Truncation) -> Result<(Tensor, Tensor)> {
        let max_length = Some(self.places.min(self.tokenizer.model_max_length()));
        let options = EncodeOptions { padding: Padding::Longest, truncation, max_length, ..Default::default() };
        let texts: Vec<_> = texts.iter().map(|&text| (text, None)).collect();
        text::tensors(&self.tokenizer.encode_batch(&texts, &options)?, self.places, &self.device)
    }
}
