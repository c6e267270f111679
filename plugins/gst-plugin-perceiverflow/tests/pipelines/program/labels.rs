//! Labels of windows, by the program and by a script.

use std::{collections::BTreeMap, path::Path};

use perceiverflow::checkpoint::Checkpoint;

use super::{APART, said};
use crate::launch::run_labels;

/// How far two confidences of one label may be apart.
const APART_AT_MOST: f64 = 0.01;

/// How far those of a model with thresholds may be apart on average.
const APART_ON_AVERAGE: f64 = 0.01;

/// How far a confidence has to be from its threshold to be sure. What a trained model hears near the highest tones hangs on the filter of
/// the resampler.
const SURE: f64 = 0.05;

/// A window's begin and end in seconds, and the confidence of each class.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) times: [f64; 2],
    confidences: BTreeMap<String, f64>,
}

impl Window {
    /// Reads a line of JSON as program and elements write it.
    fn of(line: &str) -> Self {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let label = |label: &serde_json::Value| (label["label"].as_str().unwrap().to_owned(), label["score"].as_f64().unwrap());
        Self {
            times: ["start", "end"].map(|name| line[name].as_f64().unwrap()),
            confidences: line["labels"].as_array().unwrap().iter().map(label).collect(),
        }
    }
}

/// All labels by the program and by the script with this model. Both are asserted to be the same: as many windows at the same times,
/// confidences near each other and, where the model has thresholds, the same labels that hold, but for those that one of both is not sure of.
pub(super) fn assert_same_labels(model: &str, input: &Path, script: &str) -> Vec<Window> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (input.to_str().unwrap(), folder.path().join("labels.jsonl"));
    let windows = |lines: &str| lines.lines().map(Window::of).collect::<Vec<_>>();
    let of_program = windows(&said(model, &["classify", "--json", "--top-k", "100", "--threshold", "0", input]));
    let options = ("OPTIONS", "device=cpu top-k=100 threshold=0");
    run_labels(script, &[("MODEL", model), ("INPUT", input), ("OUTPUT", output.to_str().unwrap()), options]);
    let of_pipeline = windows(&std::fs::read_to_string(output).unwrap());
    assert_eq!(of_program.len(), of_pipeline.len(), "{input}");
    let thresholds = Checkpoint::open(model).unwrap().config().multimodal.thresholds.clone();
    let mut apart = Vec::new();
    for (one, other) in of_program.iter().zip(&of_pipeline) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= APART;
        assert!(one.times.iter().zip(&other.times).all(near), "{input}: {one:?} and {other:?}");
        assert!(one.confidences.keys().eq(other.confidences.keys()), "{input}: {one:?} and {other:?}");
        for ((class, a), b) in one.confidences.iter().zip(other.confidences.values()) {
            apart.push((a - b).abs());
            let Some(threshold) = thresholds.get(class).copied().map(f64::from) else {
                assert!((a - b).abs() <= APART_AT_MOST, "{input}: {class} of {one:?} and {other:?}");
                continue;
            };
            let is_sure = (a - threshold).abs().min((b - threshold).abs()) > SURE;
            assert!(!is_sure || (*a >= threshold) == (*b >= threshold), "{input}: {class} of {one:?} and {other:?}");
        }
    }
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    assert!(mean <= APART_ON_AVERAGE, "{input}: confidences {mean} apart on average");
    of_program
}
