//! Labels and filled texts as JSON lines: one object for each input or window, in the order of the inputs, UTF-8, one line each.
//!
//! ```text
//! {"input":"cat.png","model":"8d31…","labels":[{"index":281,"label":"tabby","score":0.87}]}
//! {"input":"a.mp4","start":0.64,"end":1.28,"model":"8d31…","labels":[…]}
//! {"input":"Hel[MASK]o","model":"8d31…","text":"Hello","gaps":[{"at":3,"guesses":[{"byte":108,"text":"l","score":0.93}]}]}
//! ```
//!
//! | field | what it is |
//! |---|---|
//! | `input` | the file or text, as it was given |
//! | `start`, `end` | of a window: seconds from the start of the stream |
//! | `model` | SHA-256 over configuration and weights, in hexadecimal |
//! | `labels` | the classes, the surest first: `index` in the model's `id2label`, `label` (its name), `score` (0 to 1; of a regression the number itself) |
//! | `text` | the filled text; what is no UTF-8 is U+FFFD |
//! | `bytes` | only where the filled text is no UTF-8: all its bytes, in hexadecimal |
//! | `gaps` | each byte that was guessed: `at` (its place in the filled text, in bytes from 0) and `guesses`, the likeliest first: `byte` (0 to 255), `text` (only where the byte is a character of its own), `score` (0 to 1) |
//!
//! A score that is no number is `null`.

use std::{fmt::Write as _, ops::Range, time::Duration};

use serde::Serialize;

use crate::media::{ByteGuess, FilledText, Gap, Labels};

/// What a line is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Source<'a> {
    /// The file or text, as it was given.
    pub input: &'a str,
    /// The window of a stream.
    pub window: Option<Range<Duration>>,
    /// The hash of the model.
    pub model: &'a str,
}

/// The line of one input's or window's labels, its end included.
pub fn labels(source: &Source<'_>, labels: &Labels) -> String {
    let labels = labels.as_slice().iter();
    let labels = labels.map(|label| JsonLabel { index: label.index, label: &label.name, score: label.confidence });
    line(source, Answer::Labels { labels: labels.collect() })
}

/// The line of one filled text, its end included.
pub fn filled_text(source: &Source<'_>, filled: &FilledText) -> String {
    let guess = |&ByteGuess { byte, probability }: &ByteGuess| {
        let text = byte.is_ascii().then(|| char::from(byte));
        JsonGuess { byte, text, score: probability }
    };
    let gap = |Gap { at, guesses }: &Gap| JsonGap { at: *at, guesses: guesses.iter().map(guess).collect() };
    let bytes = (!filled.is_utf8()).then(|| hexadecimal(filled.bytes()));
    line(source, Answer::Filled { text: &filled.text(), bytes, gaps: filled.gaps().iter().map(gap).collect() })
}

fn line(source: &Source<'_>, answer: Answer<'_>) -> String {
    let (start, end) = match &source.window {
        Some(window) => (Some(window.start.as_secs_f64()), Some(window.end.as_secs_f64())),
        None => (None, None),
    };
    let line = Line { input: source.input, start, end, model: source.model, answer };
    serde_json::to_string(&line).expect("text and numbers are always JSON") + "\n"
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[derive(Serialize)]
struct Line<'a> {
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
    model: &'a str,
    #[serde(flatten)]
    answer: Answer<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Labels {
        labels: Vec<JsonLabel<'a>>,
    },
    Filled {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<String>,
        gaps: Vec<JsonGap>,
    },
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    index: usize,
    label: &'a str,
    score: f32,
}

#[derive(Serialize)]
struct JsonGap {
    at: usize,
    guesses: Vec<JsonGuess>,
}

#[derive(Serialize)]
struct JsonGuess {
    byte: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<char>,
    score: f32,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::media::Label;

    fn parsed(line: &str) -> Value {
        assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    fn source(input: &str) -> Source<'_> {
        Source { input, window: None, model: "8d31" }
    }

    #[test]
    fn labels_of_a_file_and_of_a_window() {
        let label = |index, name: &str, confidence| Label { index, name: name.into(), confidence };
        let given = Labels::new(vec![label(0, "a \"b\"\nc", 0.25), label(7, "d", 0.75)]);
        let listed = json!([{"index": 7, "label": "d", "score": 0.75}, {"index": 0, "label": "a \"b\"\nc", "score": 0.25}]);
        assert_eq!(parsed(&labels(&source("x.png"), &given)), json!({"input": "x.png", "model": "8d31", "labels": listed}));
        let window = Some(Duration::from_millis(640)..Duration::from_millis(1280));
        let timed = parsed(&labels(&Source { window, ..source("x.mp4") }, &given));
        assert_eq!(timed, json!({"input": "x.mp4", "start": 0.64, "end": 1.28, "model": "8d31", "labels": listed}));
    }

    #[test]
    fn a_score_that_is_no_number_is_null() {
        let given = Labels::new(vec![Label { index: 0, name: "a".into(), confidence: f32::NAN }]);
        assert_eq!(parsed(&labels(&source("x"), &given))["labels"][0]["score"], Value::Null);
    }

    #[test]
    fn bytes_stand_beside_a_text_that_is_no_utf8() {
        let guess = |byte| ByteGuess { byte, probability: 0.5 };
        let filled = |byte| FilledText::new(b"c?".to_vec(), vec![Gap { at: 1, guesses: vec![guess(byte)] }]);
        let good = parsed(&filled_text(&source("c[MASK]"), &filled(b'a')));
        let gaps = json!([{"at": 1, "guesses": [{"byte": 97, "text": "a", "score": 0.5}]}]);
        assert_eq!(good, json!({"input": "c[MASK]", "model": "8d31", "text": "ca", "gaps": gaps}));
        let bad = parsed(&filled_text(&source("c[MASK]"), &filled(0xFF)));
        assert_eq!((bad["text"].as_str(), bad["bytes"].as_str()), (Some("c\u{FFFD}"), Some("63ff")));
        assert_eq!(bad["gaps"][0]["guesses"], json!([{"byte": 255, "score": 0.5}]));
    }
}
