//! `PerceiverTokenizer`: bytes behind six special tokens (Perceiver IO, section 4.1). There is no vocabulary to learn.

use std::{ops::Range, path::Path};

use serde_json::Value;

use crate::error::{Error, Result};

/// Ids of the special tokens. Byte b has the id b + 6.
pub mod special {
    /// Padding.
    pub const PAD: u32 = 0;
    /// Begin of sequence; never added.
    pub const BOS: u32 = 1;
    /// End of sequence; never added.
    pub const EOS: u32 = 2;
    /// Stands where a byte is to be guessed.
    pub const MASK: u32 = 3;
    /// Leads every sequence.
    pub const CLS: u32 = 4;
    /// Ends every sequence.
    pub const SEP: u32 = 5;
}

use special::{CLS, PAD, SEP};

/// Fields of `tokenizer_config.json` with the text of the special tokens, in the order of their ids, and that text by default.
const SPECIAL: [(&str, &str); 6] = [
    ("pad_token", "[PAD]"),
    ("bos_token", "[BOS]"),
    ("eos_token", "[EOS]"),
    ("mask_token", "[MASK]"),
    ("cls_token", "[CLS]"),
    ("sep_token", "[SEP]"),
];

/// Id of byte 0.
const OFFSET: u32 = SPECIAL.len() as u32;

/// How long a sequence is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// As long as it is.
    #[default]
    None,
    /// As long as the longest of the batch.
    Longest,
    /// As long as `max_length`.
    MaxLength,
}

/// What is taken from a sequence longer than `max_length`. Tokens go from the right, so that a character may be cut in half. Where the part
/// to be cut is not longer than what would have to go, it stays whole and the sequence too long, as in the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncation {
    /// Nothing.
    #[default]
    None,
    /// From the longer part of a pair, token by token, and from the second when they are equal; from a text alone as `OnlyFirst`. A pair
    /// is cut however little remains of it.
    LongestFirst,
    /// From the first part.
    OnlyFirst,
    /// From the second part of a pair.
    OnlySecond,
}

/// How texts are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Whether `[CLS]` leads and `[SEP]` ends each part.
    pub add_special_tokens: bool,
    /// How long sequences are made.
    pub padding: Padding,
    /// What is taken from sequences that are too long.
    pub truncation: Truncation,
    /// Tokens that padding fills up to and truncation cuts to; by default `model_max_length`.
    pub max_length: Option<usize>,
    /// Sequences that are padded are made a multiple of this long.
    pub pad_to_multiple_of: Option<usize>,
    /// Kept bytes that `overflowing_tokens` repeats.
    pub stride: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            add_special_tokens: true,
            padding: Padding::None,
            truncation: Truncation::None,
            max_length: None,
            pad_to_multiple_of: None,
            stride: 0,
        }
    }
}

/// One encoded text, or pair of texts. The first four are equally long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The tokens.
    pub input_ids: Vec<u32>,
    /// 1 for tokens, 0 for padding.
    pub attention_mask: Vec<u32>,
    /// 0 for the first part and its `[SEP]`, 1 for the second; 0 for padding.
    pub token_type_ids: Vec<u32>,
    /// 1 for tokens that were added, not read from the text.
    pub special_tokens_mask: Vec<u32>,
    /// What truncation took, led by `stride` bytes that it left. Empty for pairs cut by [`Truncation::LongestFirst`].
    pub overflowing_tokens: Vec<u32>,
}

/// UTF-8 bytes as tokens. The text of a special token inside a text becomes that token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerceiverTokenizer {
    special: [String; SPECIAL.len()],
    model_max_length: usize,
}

impl Default for PerceiverTokenizer {
    fn default() -> Self {
        Self { special: SPECIAL.map(|(_, text)| text.to_owned()), model_max_length: 2048 }
    }
}

impl PerceiverTokenizer {
    /// Entries of the vocabulary: 6 special tokens and 256 bytes. (The published property `vocab_size` counts the bytes alone.)
    pub const LEN: usize = SPECIAL.len() + 256;

    /// Reads `tokenizer_config.json`: the text of the special tokens and `model_max_length`.
    ///
    /// # Errors
    /// When the file cannot be read, is no JSON, or belongs to another tokenizer.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let config: Value = serde_json::from_slice(&text).map_err(|e| Error::format(path, format!("no JSON ({e})")))?;
        let class = config["tokenizer_class"].as_str().unwrap_or("PerceiverTokenizer");
        if class != "PerceiverTokenizer" {
            return Err(Error::format(path, format!("tokenizer_class = {class}: accepted is PerceiverTokenizer")));
        }
        let mut tokenizer = Self::default();
        for ((field, _), text) in SPECIAL.iter().zip(&mut tokenizer.special) {
            // A token is written as its text, or as an object with its text in `content`.
            let written = config[field].as_str().or_else(|| config[field]["content"].as_str());
            match written {
                Some("") => return Err(Error::format(path, format!("{field} is empty: accepted is some text"))),
                Some(written) => written.clone_into(text),
                None => {}
            }
        }
        // Padding makes sequences this long, so the number has to be one a machine can hold.
        const LONGEST: u64 = 1 << 24;
        if !config["model_max_length"].is_null() {
            let length = config["model_max_length"].as_u64().filter(|length| (1..=LONGEST).contains(length));
            let refused = || format!("model_max_length = {}: accepted is 1 to {LONGEST}", config["model_max_length"]);
            tokenizer.model_max_length = length.ok_or_else(|| Error::format(path, refused()))? as usize;
        }
        Ok(tokenizer)
    }

    /// The longest sequence the model takes, in tokens.
    pub fn model_max_length(&self) -> usize {
        self.model_max_length
    }

    /// Encodes one text.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn encode(&self, text: &str, options: &EncodeOptions) -> Result<Encoding> {
        Ok(self.encode_batch(&[(text, None)], options)?.remove(0))
    }

    /// Encodes two texts as one sequence.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn encode_pair(&self, first: &str, second: &str, options: &EncodeOptions) -> Result<Encoding> {
        Ok(self.encode_batch(&[(first, Some(second))], options)?.remove(0))
    }

    /// Encodes texts, or pairs of texts.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn encode_batch(&self, texts: &[(&str, Option<&str>)], options: &EncodeOptions) -> Result<Vec<Encoding>> {
        let max_length = options.max_length.unwrap_or(self.model_max_length);
        if let Some(multiple) = options.pad_to_multiple_of {
            let both = options.padding != Padding::None && options.truncation != Truncation::None;
            if multiple == 0 || (both && !max_length.is_multiple_of(multiple)) {
                let accepted = format!("1 or more, and with truncation a divisor of max_length = {max_length}");
                return Err(Error::option("pad_to_multiple_of", multiple, accepted));
            }
        }
        let one = |&(first, second): &(&str, Option<&str>)| {
            self.sequence(self.bytes(first), second.map(|second| self.bytes(second)), max_length, options)
        };
        let mut encodings: Vec<Encoding> = texts.iter().map(one).collect();
        let length = match options.padding {
            Padding::None => return Ok(encodings),
            Padding::Longest => encodings.iter().map(|encoding| encoding.input_ids.len()).max().unwrap_or_default(),
            Padding::MaxLength => max_length,
        };
        let length = length.next_multiple_of(options.pad_to_multiple_of.unwrap_or(1));
        encodings.iter_mut().for_each(|encoding| encoding.pad(length));
        Ok(encodings)
    }

    /// The text of `ids`. Special tokens become their text, or nothing with `skip_special_tokens`; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// For an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let mut bytes = Vec::with_capacity(ids.len());
        for &id in ids {
            match (self.special.get(id as usize), id.checked_sub(OFFSET).map(u8::try_from)) {
                (Some(text), _) if !skip_special_tokens => bytes.extend_from_slice(text.as_bytes()),
                (Some(_), _) => {}
                (None, Some(Ok(byte))) => bytes.push(byte),
                (None, _) => return Err(Error::option("id", id, format!("0 to {}", Self::LEN - 1))),
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ids of a text alone.
    fn bytes(&self, text: &str) -> Vec<u32> {
        let text = text.as_bytes();
        let mut ids = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let starting = (0u32..).zip(&self.special).filter(|(_, special)| text[at..].starts_with(special.as_bytes()));
            match starting.max_by_key(|(_, special)| special.len()) {
                Some((id, special)) => {
                    ids.push(id);
                    at += special.len();
                }
                None => {
                    ids.push(u32::from(byte) + OFFSET);
                    at += 1;
                }
            }
        }
        ids
    }

    /// Truncates a text or a pair and puts the special tokens around it.
    fn sequence(&self, mut first: Vec<u32>, second: Option<Vec<u32>>, max_length: usize, options: &EncodeOptions) -> Encoding {
        let pair = second.is_some();
        let mut second = second.unwrap_or_default();
        let around = if options.add_special_tokens { 2 + usize::from(pair) } else { 0 };
        let surplus = (first.len() + second.len() + around).saturating_sub(max_length);
        let overflowing_tokens = match (options.truncation, pair) {
            (Truncation::None, _) | (Truncation::OnlySecond, false) => Vec::new(),
            (Truncation::OnlyFirst, _) | (Truncation::LongestFirst, false) => cut(&mut first, surplus, options.stride),
            (Truncation::OnlySecond, true) => cut(&mut second, surplus, options.stride),
            (Truncation::LongestFirst, true) => {
                let (from_first, from_second) = shares(first.len(), second.len(), surplus);
                first.truncate(first.len().saturating_sub(from_first));
                second.truncate(second.len().saturating_sub(from_second));
                Vec::new()
            }
        };
        let mut encoding = Encoding { overflowing_tokens, ..Encoding::default() };
        let around = |id: u32| options.add_special_tokens.then_some(id);
        encoding.extend(around(CLS), 0, 1);
        encoding.extend(first, 0, 0);
        encoding.extend(around(SEP), 0, 1);
        if pair {
            // Without special tokens nothing separates the parts, and the reference counts both as the first.
            let part = u32::from(options.add_special_tokens);
            encoding.extend(second, part, 0);
            encoding.extend(around(SEP), part, 1);
        }
        encoding
    }
}

impl Encoding {
    fn extend(&mut self, ids: impl IntoIterator<Item = u32>, part: u32, added: u32) {
        self.input_ids.extend(ids);
        let length = self.input_ids.len();
        self.attention_mask.resize(length, 1);
        self.token_type_ids.resize(length, part);
        self.special_tokens_mask.resize(length, added);
    }

    fn pad(&mut self, length: usize) {
        let length = length.max(self.input_ids.len());
        self.input_ids.resize(length, PAD);
        self.attention_mask.resize(length, 0);
        self.token_type_ids.resize(length, 0);
        self.special_tokens_mask.resize(length, 1);
    }
}

/// Takes `surplus` ids from the end, if there are more than that, and gives what it took with `stride` ids before it.
fn cut(ids: &mut Vec<u32>, surplus: usize, stride: usize) -> Vec<u32> {
    if surplus == 0 || ids.len() <= surplus {
        return Vec::new();
    }
    let kept = ids.len() - surplus;
    let window: Range<usize> = kept.saturating_sub(stride)..ids.len();
    let overflowing = ids[window].to_vec();
    ids.truncate(kept);
    overflowing
}

/// How many of `surplus` ids go from each part of a pair: from the longer one until both are equal, then from both in turn, beginning with
/// the second.
fn shares(first: usize, second: usize, surplus: usize) -> (usize, usize) {
    let levelling = first.abs_diff(second).min(surplus);
    let (less, more) = ((surplus - levelling) / 2, (surplus - levelling).div_ceil(2));
    if first > second { (levelling + less, more) } else { (less, levelling + more) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_are_found_in_the_text_whatever_surrounds_them() {
        let ids = PerceiverTokenizer::default().bytes("é[MASK]] [mask]");
        assert_eq!(ids[..4], [0xC3 + 6, 0xA9 + 6, special::MASK, u32::from(b']') + 6]);
        assert_eq!(ids.len(), 3 + "] [mask]".len());
    }

    #[test]
    fn a_pair_is_cut_from_the_longer_part_first() {
        for (first, second, surplus) in [(16, 10, 15), (3, 9, 4), (5, 5, 3), (2, 1, 1), (0, 4, 2), (6, 5, 4)] {
            let (mut a, mut b) = (first, second);
            for _ in 0..surplus {
                if a > b { a -= 1 } else { b -= 1 }
            }
            assert_eq!(shares(first, second, surplus), (first - a, second - b), "{first} {second} {surplus}");
        }
    }

    #[test]
    fn what_cannot_be_cut_stays_whole() {
        let options = EncodeOptions { truncation: Truncation::LongestFirst, max_length: Some(2), ..Default::default() };
        assert_eq!(PerceiverTokenizer::default().encode("abc", &options).unwrap().input_ids.len(), 5);
    }

    #[test]
    fn padding_that_contradicts_truncation_is_refused() {
        let options = EncodeOptions {
            padding: Padding::MaxLength,
            truncation: Truncation::LongestFirst,
            max_length: Some(12),
            pad_to_multiple_of: Some(8),
            ..Default::default()
        };
        let message = PerceiverTokenizer::default().encode("abc", &options).unwrap_err().to_string();
        assert!(message.contains("divisor of max_length = 12"), "{message}");
    }
}
