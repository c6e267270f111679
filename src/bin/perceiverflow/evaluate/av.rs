//! `perceiverflow evaluate av`.

#[cfg(feature = "video-file")]
use std::path::PathBuf;
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use clap::Args;
use perceiverflow::{
    Result,
    scene::faults::{Fault, FaultyWindows},
    tasks::{Autoencode, Framing},
    train::{AvScores, LabelScore},
};
use serde_json::{Value, json};

#[cfg(feature = "video-file")]
use super::clean::{self, CleanFile};
use super::ffmpeg::{DETECTORS, Detector, Findings};
#[cfg(feature = "video-file")]
use crate::clips::ClipArguments;
use crate::{
    model::ModelArguments,
    output,
    train::{Materials, Part},
};

/// Measure a multimodal model on generated windows whose labels are known.
///
/// For each label: precision, recall and F1 at the model's own threshold, and average precision; their means are of the labels that are put
/// on, which `speech` and `other-sound` are not. Over all windows: of the reconstructed
/// video the peak signal-to-noise ratio (PSNR) and the structural similarity (SSIM), of the sound the signal-to-noise ratio (SNR), which is
/// 0 dB for silence, and the log-spectral distance, beside that of silence and of the mean spectrum. Beside black, freeze and silence stands
/// what blackdetect, freezedetect and silencedetect of the program ffmpeg say of the same windows, where it is installed.
///
/// With files, these are taken for clean, and what the model finds wrong with them is counted, apart from true silences and a last window that is
/// not whole; with PSNR and SNR of what it reconstructs of them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow evaluate av --model my-av
  perceiverflow evaluate av --model my-av --textures other-pictures/ --sounds music/ --speech speech/ --windows 2000 --json
  perceiverflow evaluate av --model my-av clean.mp4 speech.wav")]
pub(crate) struct AvArguments {
    /// Video or sound files with nothing wrong, to count false labels on instead
    #[cfg(feature = "video-file")]
    #[arg(value_name = "FILE", conflicts_with_all = ["windows", "seed", "textures", "share", "sounds", "speech", "sound_share", "clips", "clip_share"])]
    files: Vec<PathBuf>,

    #[cfg(feature = "video-file")]
    #[command(flatten)]
    clips: ClipArguments,

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
    materials: Materials,

    #[command(flatten)]
    model: ModelArguments,
}

impl AvArguments {
    pub(super) fn run(&self) -> Result<()> {
        let model = Autoencode::of(&self.model.checkpoint()?, self.model.computing.device, self.model.computing.precision)?;
        #[cfg(feature = "video-file")]
        if !self.files.is_empty() {
            let of = |path: &PathBuf| CleanFile::of(path, &model, &self.clips, &self.model);
            let files = self.files.iter().map(of).collect::<Result<Vec<_>>>()?;
            let report = if self.json { clean::json(self.model.name(), model.hash(), &files) } else { clean::table(&files) };
            return output::report(&report);
        }
        let preprocessor = model.preprocessor(Framing::default());
        let material = self.materials.open(preprocessor.shape(), preprocessor.side(), Part::Whole)?;
        let windows = FaultyWindows::new(material, preprocessor.shape(), preprocessor.side(), self.seed);
        let scores = AvScores::measure(&model, &windows, 0..self.windows, self.model.batch_size as usize)?;
        let peers = Findings::of(&windows, preprocessor.shape(), preprocessor.side(), 0..self.windows)?;
        let report = Report {
            peers: peers.map(|findings| Peer::all(&findings, &scores, model.thresholds())),
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
    /// None where there is no program `ffmpeg`.
    peers: Option<Vec<Peer>>,
}

/// A detector of FFmpeg's and the model on the windows that the detector is judged by.
struct Peer {
    detector: &'static str,
    label: &'static str,
    ffmpeg: LabelScore,
    model: LabelScore,
}

impl Peer {
    /// For each detector whose label the model has.
    fn all(findings: &Findings, scores: &AvScores, thresholds: &BTreeMap<String, f32>) -> Vec<Self> {
        let peer = |(number, detector): (usize, &Detector)| {
            let label = detector.fault.name();
            let judged = scores.labels.iter().find(|judged| &*judged.name == label)?;
            let threshold = thresholds.get(label).copied().unwrap_or(0.5);
            let said: Vec<bool> = judged.windows.iter().map(|(confidence, _)| *confidence >= threshold).collect();
            let (ffmpeg, model) = findings.scores(number, &said);
            Some(Self { detector: detector.name, label, ffmpeg, model })
        };
        DETECTORS.iter().enumerate().filter_map(peer).collect()
    }

    fn json(&self) -> Value {
        let measures = |score: &LabelScore| json!({ "precision": score.precision, "recall": score.recall, "f1": score.f1 });
        json!({ "detector": self.detector, "ffmpeg": measures(&self.ffmpeg), "model": measures(&self.model) })
    }
}

impl Report<'_> {
    /// The mean of a measure over the labels that are put on and that some window has.
    fn mean(&self, of: fn(&LabelScore) -> f64) -> f64 {
        let is_put_on = |name: &str| Fault::named(name).is_none_or(|fault| !fault.is_of_material());
        let judged = self.labels.iter().filter(|(name, score)| score.positives > 0 && is_put_on(name));
        let measures: Vec<f64> = judged.map(|(_, score)| of(score)).collect();
        measures.iter().sum::<f64>() / measures.len().max(1) as f64
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
            "video_ssim": self.scores.video_ssim,
            "audio_snr_db": self.scores.audio_snr(),
            "audio_log_spectral_distance_db": self.scores.spectral_distance,
            "ffmpeg": self.peers.as_ref().map(|peers| {
                peers.iter().map(|peer| (peer.label.to_owned(), peer.json())).collect::<serde_json::Map<_, _>>()
            }),
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
        match &self.peers {
            None => text.push_str("ffmpeg: no such program on the PATH\n"),
            Some(peers) => peers.iter().for_each(|Peer { detector, label, ffmpeg, model }| {
                for (who, score) in [(*detector, ffmpeg), ("the model", model)] {
                    let [precision, recall, f1] = [score.precision, score.recall, score.f1].map(three);
                    let positives = score.positives;
                    let _ = writeln!(text, "{label:12} {positives:>10} {who:>13}: P {precision}, R {recall}, F1 {f1}");
                }
            }),
        }
        let scores = &self.scores;
        let [psnr, snr] = [scores.video_psnr(), scores.audio_snr()];
        let _ = writeln!(text, "video PSNR {psnr:.2} dB, SSIM {:.3}; audio SNR {snr:.2} dB", scores.video_ssim);
        let _ = writeln!(text, "audio {}", scores.spectral_distance);
        text
    }
}

#[cfg(test)]
mod tests {
    use perceiverflow::train::{JudgedLabel, SpectralDistance};

    use super::*;

    fn report() -> Report<'static> {
        let judged = |name: &str, windows: [(f32, bool); 2]| JudgedLabel { name: name.into(), windows: windows.into() };
        let labels = vec![
            judged("black", [(0.9, true), (0.2, false)]),
            judged("hum", [(0.9, false), (0.2, true)]),
            judged("pan", [(0.1, false), (0.2, false)]),
            judged("speech", [(0.9, true), (0.2, false)]),
        ];
        let scores = AvScores {
            labels,
            video_mse: 0.01,
            audio_mse: 0.05,
            audio_power: 0.1,
            video_ssim: 0.9,
            spectral_distance: SpectralDistance { model: 7.5, silence: 40.0, mean_spectrum: 15.0 },
        };
        let of = |windows| LabelScore::at(0.5, windows);
        let (ffmpeg, ours) = (of(&[(1.0, true), (1.0, false)]), of(&[(1.0, true), (0.0, false)]));
        let peers = Some(vec![Peer { detector: "blackdetect", label: "black", ffmpeg, model: ours }]);
        Report { model: "my-av", hash: "abc", windows: 2, labels: scores.scores(&Default::default()), scores, peers }
    }

    #[test]
    fn the_mean_is_over_labels_that_come_up_and_are_put_on() {
        let value: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((&value["labels"]["black"]["f1"], &value["labels"]["hum"]["f1"]), (&json!(1.0), &json!(0.0)));
        assert_eq!(value["mean"]["f1"], 0.5);
        assert_eq!(value["video_psnr_db"], 20.0);
        assert_eq!((&value["ffmpeg"]["black"]["ffmpeg"]["precision"], &value["video_ssim"]), (&json!(0.5), &json!(0.9)));
        assert!((value["audio_snr_db"].as_f64().unwrap() - 3.01).abs() < 0.01);
    }

    #[test]
    fn the_table_has_a_line_for_each_label() {
        let table = report().table();
        assert_eq!(table.lines().count(), 10, "{table}");
        assert!(table.contains("blackdetect: P 0.500") && table.contains("silence 40.00 dB"), "{table}");
        let without = Report { peers: None, ..report() };
        assert!(without.table().contains("no such program"));
        assert!(table.contains("video PSNR 20.00 dB"), "{table}");
    }
}
