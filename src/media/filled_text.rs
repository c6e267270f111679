//! What a masked language model makes of a text with gaps.

use std::borrow::Cow;

/// A text whose gaps are filled, each by its likeliest byte.
///
/// Bytes are guessed one by one, so that the whole may be no UTF-8.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilledText {
    bytes: Vec<u8>,
    gaps: Vec<Gap>,
}

/// One byte that was guessed.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Its place in the filled text, in bytes from 0.
    pub at: usize,
    /// The likeliest bytes, the likeliest first.
    pub guesses: Vec<ByteGuess>,
}

/// A byte and how likely it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteGuess {
    /// The byte.
    pub byte: u8,
    /// 0 … 1, its share among all entries of the vocabulary, special tokens included.
    pub probability: f32,
}

impl FilledText {
    /// The text as far as it is known, and its gaps in the order of their places. The likeliest guess of each gap is put in its place.
    pub fn new(mut bytes: Vec<u8>, gaps: Vec<Gap>) -> Self {
        for gap in &gaps {
            if let (Some(byte), Some(guess)) = (bytes.get_mut(gap.at), gap.guesses.first()) {
                *byte = guess.byte;
            }
        }
        Self { bytes, gaps }
    }

    /// The bytes of the filled text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The filled text; what is no UTF-8 becomes U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Whether the filled text is UTF-8.
    pub fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.bytes).is_ok()
    }

    /// What was guessed, in the order of the places.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_bytes_fill_the_gaps() {
        let gap =
            |at, bytes: &[u8]| Gap { at, guesses: bytes.iter().map(|&byte| ByteGuess { byte, probability: 0.5 }).collect() };
        let filled = FilledText::new(b"c?t".to_vec(), vec![gap(1, b"au")]);
        assert_eq!((filled.text().as_ref(), filled.is_utf8()), ("cat", true));
        let filled = FilledText::new(b"c?t".to_vec(), vec![gap(1, b"\xC3")]);
        assert_eq!((filled.text().as_ref(), filled.is_utf8(), filled.bytes()), ("c\u{FFFD}t", false, &b"c\xC3t"[..]));
    }
}
