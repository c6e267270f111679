//! Masked language modelling: a text with gaps in, the likeliest bytes out.

use std::ops::Range;

use candle_core::{DType, Device, IndexOp};

use super::{Model, classes::softmax, text};
use crate::{
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    error::{Error, Result},
    media::{ByteGuess, FilledText, Gap},
    perceiver::{
        PerceiverConfig, PerceiverTokenizer,
        models::{ForwardOptions, PerceiverForMaskedLM},
        tokenizer::{EncodeOptions, Encoding, Padding, special},
    },
};

/// Id of byte 0.
const FIRST_BYTE: u32 = (PerceiverTokenizer::LEN - 256) as u32;

/// A text with bytes to be guessed: each `[MASK]` in it stands for one, and so does each byte of `spans`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskedText {
    /// The text.
    pub text: String,
    /// Bytes of the text to be guessed, counted from 0. A special token written in the text (`[MASK]`, `[SEP]`) counts as one byte.
    pub spans: Vec<Range<usize>>,
}

impl MaskedText {
    /// The same text with the bytes of `span` to be guessed as well.
    #[must_use]
    pub fn with_span(mut self, span: Range<usize>) -> Self {
        self.spans.push(span);
        self
    }
}

impl<T: Into<String>> From<T> for MaskedText {
    fn from(text: T) -> Self {
        Self { text: text.into(), spans: Vec::new() }
    }
}

/// A masked language model with its way from text to text.
#[derive(Debug)]
pub struct FillMask {
    model: PerceiverForMaskedLM,
    tokenizer: PerceiverTokenizer,
    places: usize,
    device: Device,
    hash: String,
}

impl FillMask {
    /// Opens a masked language model from a `source` that [`Checkpoint::open`] takes.
    ///
    /// # Errors
    /// When the model cannot be found or read, is no masked language model, or the device is not there.
    pub fn open(source: &str, device: DeviceChoice, precision: Precision) -> Result<Self> {
        Self::of(&Checkpoint::open(source)?, device, precision)
    }

    /// The same from a checkpoint that is open already.
    ///
    /// # Errors
    /// When it is no masked language model, or the device is not there.
    pub fn of(checkpoint: &Checkpoint, device: DeviceChoice, precision: Precision) -> Result<Self> {
        let device = device.open()?;
        let Model::MaskedLM(model) = Model::build(checkpoint, &device, precision)? else {
            return Err(Model::refused(checkpoint, "PerceiverForMaskedLM"));
        };
        Ok(Self::new(model, checkpoint.tokenizer()?, checkpoint.config(), device, checkpoint.hash().to_owned()))
    }

    /// A model that is loaded already, on `device`.
    pub fn new(
        model: PerceiverForMaskedLM,
        tokenizer: PerceiverTokenizer,
        config: &PerceiverConfig,
        device: Device,
        hash: String,
    ) -> Self {
        Self { model, tokenizer, places: config.max_position_embeddings, device, hash }
    }

    /// SHA-256 over configuration and weights, in hexadecimal: names the model wherever results go.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Bytes of the longest text that the model takes.
    pub fn longest(&self) -> usize {
        self.places.saturating_sub(text::AROUND)
    }

    /// Whether a text has a `[MASK]` in it.
    pub fn has_gap(&self, text: &str) -> bool {
        let encoding = self.tokenizer.encode(text, &EncodeOptions::default());
        encoding.is_ok_and(|encoding| encoding.input_ids.contains(&special::MASK))
    }

    /// Fills each text in one model call, with the `top_k` likeliest bytes of every gap. Texts may differ in length.
    ///
    /// # Errors
    /// For a text without a gap, with a span beyond its end, or of more bytes than the model has places.
    pub fn fill(&self, texts: &[&MaskedText], top_k: usize) -> Result<Vec<FilledText>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let options = EncodeOptions { padding: Padding::Longest, ..Default::default() };
        let plain: Vec<_> = texts.iter().map(|text| (text.text.as_str(), None)).collect();
        let mut encodings = self.tokenizer.encode_batch(&plain, &options)?;
        for (encoding, text) in encodings.iter_mut().zip(texts) {
            mask(encoding, &text.spans)?;
        }
        let (ids, attention_mask) = text::tensors(&encodings, self.places, &self.device)?;
        let options = ForwardOptions { attention_mask: Some(&attention_mask), ..Default::default() };
        let logits = self.model.forward(&ids, options)?.logits.to_dtype(DType::F32)?;
        let filled = |(number, encoding): (usize, &Encoding)| {
            self.filled(encoding, top_k, |place| Ok(logits.i((number, place))?.to_vec1()?))
        };
        encodings.iter().enumerate().map(filled).collect()
    }

    /// Puts a text together from its tokens and the scores at its gaps.
    fn filled(&self, encoding: &Encoding, top_k: usize, scores: impl Fn(usize) -> Result<Vec<f32>>) -> Result<FilledText> {
        let (mut bytes, mut gaps) = (Vec::new(), Vec::new());
        for place in places(encoding) {
            let id = encoding.input_ids[place];
            match id.checked_sub(FIRST_BYTE).map(u8::try_from) {
                Some(Ok(byte)) => bytes.push(byte),
                _ if id == special::MASK => {
                    gaps.push(Gap { at: bytes.len(), guesses: guesses(&scores(place)?, top_k) });
                    bytes.push(0);
                }
                _ => bytes.extend(self.tokenizer.decode(&[id], false)?.into_bytes()),
            }
        }
        Ok(FilledText::new(bytes, gaps))
    }
}

/// Where the text's own tokens are: `[CLS]` leads, `[SEP]` ends, then there is padding.
fn places(encoding: &Encoding) -> Range<usize> {
    1..encoding.attention_mask.iter().sum::<u32>() as usize - 1
}

/// Masks the tokens of `spans`; at least one has to be masked then.
fn mask(encoding: &mut Encoding, spans: &[Range<usize>]) -> Result<()> {
    let places = places(encoding);
    let text = &mut encoding.input_ids[places];
    let bytes = text.len();
    for span in spans {
        let refused = || {
            let given = format!("{}:{}", span.start, span.end);
            Error::option("span", given, format!("START:END with START below END and END up to {bytes}, the bytes of the text"))
        };
        text.get_mut(span.clone()).filter(|span| !span.is_empty()).ok_or_else(refused)?.fill(special::MASK);
    }
    if !text.contains(&special::MASK) {
        return Err(Error::option("text", "without a gap", "one with [MASK] for each byte to be guessed, or a span of bytes"));
    }
    Ok(())
}

/// The likeliest bytes of one place, by the scores of the whole vocabulary.
fn guesses(scores: &[f32], top_k: usize) -> Vec<ByteGuess> {
    let shares = softmax(scores);
    let bytes = shares.iter().skip(FIRST_BYTE as usize).zip(0..=u8::MAX);
    let mut guesses: Vec<ByteGuess> = bytes.map(|(&probability, byte)| ByteGuess { byte, probability }).collect();
    guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    guesses.truncate(top_k);
    guesses
}
