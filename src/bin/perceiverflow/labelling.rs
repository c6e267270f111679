//! The options and the output of every command that gives labels.

use std::fmt::Write as _;

use clap::Args;
use perceiverflow::{
    formats::json_lines::{self, Source},
    media::Labels,
};

#[derive(Args, Debug)]
#[command(next_help_heading = "Labels")]
pub(crate) struct LabelArguments {
    /// At most this many labels of each input, 1 or more
    #[arg(long, value_name = "LABELS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,

    /// Only labels with at least this confidence, 0 to 1; of a regression any number
    #[arg(long, value_name = "CONFIDENCE", value_parser = finite, allow_negative_numbers = true)]
    threshold: Option<f32>,

    /// Print JSON lines: one object for each input, {"input", "model", "labels": [{"index", "label", "score"}]}
    #[arg(long)]
    json: bool,
}

impl LabelArguments {
    /// What is printed of one input.
    pub(crate) fn line(&self, input: &str, model: &str, labels: &Labels) -> String {
        let labels = labels.top(self.top_k as usize, self.threshold.unwrap_or(f32::NEG_INFINITY));
        if self.json {
            return json_lines::labels(&Source { input, window: None, model }, &labels);
        }
        let mut text = format!("{input}\n");
        for label in labels.as_slice() {
            let _ = writeln!(text, "  {:.4}  {}", label.confidence, label.name);
        }
        text
    }
}

fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| "accepted is a number".into())
}
