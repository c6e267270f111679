//! The options and the output of every command that gives labels.

use std::{fmt::Write as _, ops::Range, time::Duration};

use clap::Args;
use perceiverflow::{
    formats::json_lines::{self, Source},
    media::Labels,
};

#[derive(Args, Debug)]
#[command(next_help_heading = "Labels")]
pub(crate) struct LabelArguments {
    #[command(flatten)]
    choice: LabelChoice,

    /// Print JSON lines: one object for each input, {"input", "model", "labels": [{"index", "label", "score"}]}; of the windows of
    /// a file one for each, with "start" and "end" in seconds
    #[arg(long)]
    json: bool,
}

/// Which labels are asked for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Labels")]
pub(crate) struct LabelChoice {
    /// At most this many labels of each input, 1 or more
    #[arg(long, value_name = "LABELS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top_k: u32,

    /// Only labels with at least this confidence, 0 to 1; of a regression any number [default: of video and sound the model's own
    /// thresholds where it has some, else none]
    #[arg(long, value_name = "CONFIDENCE", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) threshold: Option<f32>,
}

impl LabelArguments {
    /// A window's labels; without a threshold in the arguments those that are `holding` by the model's own.
    pub(crate) fn of_window(&self, labels: Labels, holding: impl FnOnce(&Labels) -> Labels) -> Labels {
        if self.choice.threshold.is_some() { labels } else { holding(&labels) }
    }

    /// The labels that are asked for.
    pub(crate) fn chosen(&self, labels: &Labels) -> Labels {
        labels.top(self.choice.top_k as usize, self.choice.threshold.unwrap_or(f32::NEG_INFINITY))
    }

    /// What is printed of one input, or of a window of it.
    pub(crate) fn line(&self, input: &str, window: Option<Range<Duration>>, model: &str, labels: &Labels) -> String {
        let labels = self.chosen(labels);
        if self.json {
            return json_lines::labels(&Source { input, window, model }, &labels);
        }
        let mut text = input.to_owned();
        if let Some(Range { start, end }) = window {
            let _ = write!(text, "  {:.3} - {:.3} s", start.as_secs_f64(), end.as_secs_f64());
        }
        text.push('\n');
        for label in labels.as_slice() {
            let _ = writeln!(text, "  {:.4}  {}", label.confidence, label.name);
        }
        text
    }
}

fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| "accepted is a number".into())
}
