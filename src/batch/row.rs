//! What is known of a window: a line of `results.jsonl`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::{FlowField, Labels};

/// The version of the rows.
pub const SCHEMA: u32 = 1;

/// One window of one file.
///
#[doc = include_str!("../../examples/archive/rows.md")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The id of the file.
    pub file: String,
    /// Hash of the file's content, the model and the options.
    pub key: String,
    /// The number of the window in its file, from 0.
    pub window: u64,
    /// When it begins, in seconds from the start of the file.
    pub start: f64,
    /// How long it lasts, in seconds.
    pub duration: f64,
    /// What was done.
    pub task: String,
    /// SHA-256 of the model.
    pub model: String,
    /// The classes of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<RowLabel>>,
    /// What its flow is like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowStatistics>,
    /// Its flow field, below the output folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_file: Option<String>,
    /// The file with its latents, below the output folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents_file: Option<String>,
    /// Where they begin in it, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents_offset: Option<u64>,
    /// The media file it is in, below the output folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_file: Option<String>,
}

/// A class of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowLabel {
    /// Its number in the model's `id2label`.
    pub index: usize,
    /// Its name.
    pub label: String,
    /// How sure the model is of it, 0 to 1; none where that is no number.
    pub score: Option<f32>,
}

/// What a flow field is like, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowStatistics {
    /// Mean length of the known vectors.
    pub mean: f32,
    /// The largest length.
    pub max: f32,
    /// Mean to the right.
    pub u: f32,
    /// Mean down.
    pub v: f32,
}

impl Row {
    /// The line, its end included.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("text and numbers are always JSON") + "\n"
    }

    /// When it begins, to the nanosecond: what a file of up to a hundred days keeps of a time in seconds.
    pub(super) fn time(&self) -> Duration {
        nanoseconds(self.start)
    }

    /// How long it lasts, to the nanosecond.
    pub(super) fn lasts(&self) -> Duration {
        nanoseconds(self.duration)
    }
}

fn nanoseconds(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

impl RowLabel {
    /// The labels of a window.
    pub(super) fn all(labels: &Labels) -> Vec<Self> {
        let score = |confidence: f32| confidence.is_finite().then_some(confidence);
        let labels = labels.as_slice().iter();
        labels.map(|label| Self { index: label.index, label: label.name.to_string(), score: score(label.confidence) }).collect()
    }
}

impl FlowStatistics {
    /// Those of a field; 0 where no vector is known.
    pub fn of(field: &FlowField) -> Self {
        let (sum, count) = field
            .known()
            .fold(([0.0; 2], 0u32), |([u, v], count), vector| ([u + f64::from(vector[0]), v + f64::from(vector[1])], count + 1));
        let [u, v] = sum.map(|sum| (sum / f64::from(count.max(1))) as f32);
        Self { mean: field.mean_magnitude(), max: field.max_magnitude(), u, v }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_its_line_to_the_nanosecond() {
        for nanoseconds in [0, 1, 640_000_000, 33_366_667, 359_999_999_999_999] {
            let time = Duration::from_nanos(nanoseconds);
            let row = Row {
                schema: SCHEMA,
                file: "a \"b\"\n.mp4".into(),
                key: "k".into(),
                window: 3,
                start: time.as_secs_f64(),
                duration: 0.04,
                task: "flow".into(),
                model: "8d31".into(),
                labels: None,
                flow: Some(FlowStatistics { mean: 0.1, max: 2.5, u: -0.3, v: 1e-7 }),
                flow_file: None,
                latents_file: None,
                latents_offset: None,
                media_file: None,
            };
            let line = row.line();
            assert!(line.ends_with('\n') && line.lines().count() == 1 && !line.contains("labels"), "{line}");
            let read: Row = serde_json::from_str(&line).unwrap();
            assert_eq!((read.time(), read.lasts()), (time, Duration::from_millis(40)));
            assert_eq!(read, row);
        }
    }

    #[test]
    fn every_field_is_described() {
        let described = include_str!("../../examples/archive/rows.md");
        assert!(described.starts_with(&format!("Version {SCHEMA}.")));
        let fields =
            include_str!("row.rs").lines().skip_while(|line| *line != "pub struct Row {").take_while(|line| *line != "}");
        let names: Vec<_> = fields.filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')).collect();
        assert_eq!(names.len(), 14);
        for (name, _) in names {
            assert!(described.contains(&format!("\n| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn statistics_leave_unknown_vectors_out() {
        let field = FlowField::new(3, 1, vec![[3.0, 4.0], [1e10, 0.0], [-1.0, 0.0]]).unwrap();
        assert_eq!(FlowStatistics::of(&field), FlowStatistics { mean: 3.0, max: 5.0, u: 1.0, v: 2.0 });
        let unknown = FlowField::new(1, 1, vec![[f32::NAN; 2]]).unwrap();
        assert_eq!(FlowStatistics::of(&unknown), FlowStatistics { mean: 0.0, max: 0.0, u: 0.0, v: 0.0 });
    }
}
