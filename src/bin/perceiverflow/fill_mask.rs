//! `perceiverflow fill-mask`: the bytes a text lacks.

use std::{fmt::Write as _, ops::Range, process::ExitCode};

use clap::Args;
use perceiverflow::{
    Result,
    formats::json_lines::{self, Source},
    media::FilledText,
    tasks::{FillMask, MaskedText},
};

use crate::{
    batches::{Batches, Input},
    model::ModelArguments,
    standard_input::texts,
};

/// Guess the bytes a text lacks, with a PerceiverForMaskedLM.
///
/// Each [MASK] stands for one byte of UTF-8, and so does each byte of a span. The filled text is printed, and for every gap its place in bytes
/// and the likeliest bytes with their probabilities; where the result is no UTF-8, its bytes as well. A text that cannot be filled is named
/// on standard error, the rest goes on, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow fill-mask --model my-model 'The sky is [MASK][MASK][MASK][MASK].'
  perceiverflow fill-mask --model my-model --span 51:60 'This is an incomplete sentence where some words are missing.'
  perceiverflow fill-mask --model my-model --json < texts.txt > filled.jsonl

The second is the published tutorial: its tokens 52 to 61 are the bytes 51 to 60, since a token [CLS] leads the text.")]
pub(crate) struct Arguments {
    /// Texts; - is standard input, a text on each line. Without any, standard input is read as well
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,

    /// Bytes of each text to be guessed, from START (counted from 0) to before END; may be given several times. A [MASK] counts as one byte
    #[arg(long = "span", value_name = "START:END", value_parser = span)]
    spans: Vec<Range<usize>>,

    /// The likeliest bytes of each gap, at most 256
    #[arg(long, value_name = "BYTES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=256))]
    top_k: u32,

    /// Print JSON lines: one object for each text, {"input", "model", "text", "gaps": [{"at", "guesses": [{"byte", "text", "score"}]}]}
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (texts, expected) = texts("fill-mask", &self.texts);
        let task = FillMask::of(&self.model.checkpoint()?, self.model.computing.device, self.model.computing.precision)?;
        let masked = |text: String| Input { name: text.clone(), content: MaskedText { text, spans: self.spans.clone() } };
        Batches::new(self.model.batch_size, expected).run(
            texts.map(|text| text.map(masked)),
            |texts: &[&MaskedText]| task.fill(texts, self.top_k as usize),
            |input, filled| match self.json {
                true => json_lines::filled_text(&Source { input, window: None, model: task.hash() }, filled),
                false => as_text(filled),
            },
        )
    }
}

fn span(text: &str) -> Result<Range<usize>, String> {
    let bounds = text.split_once(':').and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    bounds.filter(|span| !span.is_empty()).ok_or_else(|| "accepted is START:END with START below END, as 51:60".into())
}

fn as_text(filled: &FilledText) -> String {
    let mut text = format!("{}\n", filled.text());
    if !filled.is_utf8() {
        let _ = writeln!(text, "  no UTF-8: {}", filled.bytes().escape_ascii());
    }
    for gap in filled.gaps() {
        let _ = write!(text, "  {:4}", gap.at);
        for guess in &gap.guesses {
            let _ = write!(text, "  '{}' {:.4}", guess.byte.escape_ascii(), guess.probability);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_beginning_and_a_later_end() {
        assert_eq!(span("51:60"), Ok(51..60));
        for wrong in ["", "5", "5:", ":5", "5:5", "6:5", "-1:5", "a:b", "1:2:3"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
