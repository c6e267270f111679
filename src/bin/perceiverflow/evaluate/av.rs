//! `perceiverflow evaluate av`.

use std::{fmt::Write as _, sync::Arc};

use clap::Args;
use perceiverflow::{
    Result,
    scene::faults::FaultyWindows,
    tasks::{Autoencode, Framing},
    train::{AvScores, LabelScore},
};
use serde_json::{Value, json};

use crate::{model::ModelArguments, output, train::Textures};

/// Measure a multimodal model on generated windows whose labels are known.
///
/// For each label: precision, recall and F1 at the model's own threshold, and average precision. Over all windows: the peak signal-to-noise
/// ratio (PSNR) of the reconstructed video and the signal-to-noise ratio (SNR) of the sound, which is 0 dB for silence.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow evaluate av --model my-av
  perceiverflow evaluate av --model my-av --textures other-pictures/ --windows 2000 --json")]
pub(crate) struct AvArguments {
    /// Windows to measure
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,

    /// Seed of the windows; no training uses this one unless it is told to
    #[arg(long, default_value_t = 1_000_003)]
    seed: u64,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    textures: Textures,

    #[command(flatten)]
    model: ModelArguments,
}

impl AvArguments {
    pub(super) fn run(&self) -> Result<()> {
        let model = Autoencode::of(&self.model.checkpoint()?, self.model.device, self.model.precision)?;
        let preprocessor = model.preprocessor(Framing::default());
        let library = self.textures.library_of_windows(preprocessor.side())?;
        let windows = FaultyWindows::new(library, preprocessor.shape(), preprocessor.side(), self.seed);
        let scores = AvScores::measure(&model, &windows, 0..self.windows, self.model.batch_size as usize)?;
        let report = Report {
            model: self.model.name(),
            hash: model.hash(),
            labels: scores.scores(model.thresholds()),
            windows: self.windows,
            scores,
        };
        output::report(&if self.json { report.json() } else { report.table() })
    }
}

struct Report<'a> {
    model: &'a str,
    hash: &'a str,
    windows: u64,
    labels: Vec<(Arc<str>, LabelScore)>,
    scores: AvScores,
}

impl Report<'_> {
    /// The mean of a measure over the labels that some window has.
    fn mean(&self, of: fn(&LabelScore) -> f64) -> f64 {
        let known: Vec<f64> = self.labels.iter().filter(|(_, score)| score.positives > 0).map(|(_, score)| of(score)).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    }

    fn json(&self) -> String {
        let labels: serde_json::Map<String, Value> =
            self.labels.iter().map(|(name, score)| (name.to_string(), json!(score))).collect();
        let mean = json!({
            "precision": self.mean(|score| score.precision),
            "recall": self.mean(|score| score.recall),
            "f1": self.mean(|score| score.f1),
            "average_precision": self.mean(|score| score.average_precision),
        });
        let report = json!({
            "model": self.model,
            "hash": self.hash,
            "windows": self.windows,
            "labels": labels,
            "mean": mean,
            "video_psnr_db": self.scores.video_psnr(),
            "audio_snr_db": self.scores.audio_snr(),
        });
        format!("{report:#}\n")
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, cells: [String; 6]| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{name:12}");
            for cell in cells {
                let _ = write!(text, " {cell:>10}");
            }
            text.push('\n');
        };
        line("label", ["windows", "threshold", "precision", "recall", "F1", "AP"].map(String::from));
        let three = |number: f64| format!("{number:.3}");
        for (name, score) in &self.labels {
            let [precision, recall, f1, ap] = [score.precision, score.recall, score.f1, score.average_precision].map(three);
            line(name, [score.positives.to_string(), three(score.threshold.into()), precision, recall, f1, ap]);
        }
        let means: [fn(&LabelScore) -> f64; 4] =
            [|score| score.precision, |score| score.recall, |score| score.f1, |score| score.average_precision];
        let [precision, recall, f1, ap] = means.map(|of| three(self.mean(of)));
        line("mean", [self.windows.to_string(), String::new(), precision, recall, f1, ap]);
        let _ = writeln!(text, "video PSNR {:.2} dB, audio SNR {:.2} dB", self.scores.video_psnr(), self.scores.audio_snr());
        text
    }
}

#[cfg(test)]
mod tests {
    use perceiverflow::train::JudgedLabel;

    use super::*;

    fn report() -> Report<'static> {
        let judged = |name: &str, windows: [(f32, bool); 2]| JudgedLabel { name: name.into(), windows: windows.into() };
        let labels = vec![
            judged("black", [(0.9, true), (0.2, false)]),
            judged("hum", [(0.9, false), (0.2, true)]),
            judged("pan", [(0.1, false), (0.2, false)]),
        ];
        let scores = AvScores { labels, video_mse: 0.01, audio_mse: 0.05, audio_power: 0.1 };
        Report { model: "my-av", hash: "abc", windows: 2, labels: scores.scores(&Default::default()), scores }
    }

    #[test]
    fn the_mean_is_over_labels_that_come_up() {
        let value: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((&value["labels"]["black"]["f1"], &value["labels"]["hum"]["f1"]), (&json!(1.0), &json!(0.0)));
        assert_eq!(value["mean"]["f1"], 0.5);
        assert_eq!(value["video_psnr_db"], 20.0);
        assert!((value["audio_snr_db"].as_f64().unwrap() - 3.01).abs() < 0.01);
    }

    #[test]
    fn the_table_has_a_line_for_each_label() {
        let table = report().table();
        assert_eq!(table.lines().count(), 6, "{table}");
        assert!(table.contains("video PSNR 20.00 dB"), "{table}");
    }
}
