//! The properties of elements that give labels of windows: defaults, ranges, when they may change.

use std::path::Path;

use gst::{glib, prelude::*};
use perceiverflow::{Result, media::Labels};

use crate::{names::Names, settings::CHECKED};

/// The most that `top-k` may be, in every element: the bin sets one value in all of them.
pub(crate) const MOST: u32 = 100_000;

/// The `threshold` that leaves the choice to the model.
const MODELS_OWN: f32 = -1.0;

/// Which labels a window has, and what they are called.
#[derive(Clone, Debug)]
pub(crate) struct LabelSettings {
    top_k: u32,
    threshold: f32,
    labels_file: Option<String>,
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self { top_k: 5, threshold: MODELS_OWN, labels_file: None }
    }
}

impl LabelSettings {
    /// The names of the classes, if they are in a file.
    ///
    /// # Errors
    /// When the file cannot be read or does not have `classes` lines.
    pub(crate) fn names(&self, classes: usize) -> Result<Option<Names>> {
        let path = self.labels_file.as_deref().filter(|path| !path.is_empty());
        path.map(|path| Names::read(Path::new(path), classes)).transpose()
    }

    /// Those of a window's labels that the user wants, under the names that the user gave; `holding` says which hold by the model's own
    /// thresholds.
    pub(crate) fn choose(&self, labels: Labels, holding: impl FnOnce(&Labels) -> Labels, names: Option<&Names>) -> Labels {
        let labels = if self.threshold == MODELS_OWN { holding(&labels) } else { labels };
        let labels = labels.top(self.top_k as usize, self.threshold);
        names.map_or_else(|| labels.clone(), |names| names.rename(&labels))
    }

    /// The properties with these defaults.
    pub(crate) fn properties(&self) -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecUInt::builder("top-k")
                .nick("Top k")
                .blurb("Labels of a window at most, the surest first")
                .minimum(1)
                .maximum(MOST)
                .default_value(self.top_k)
                .mutable_playing()
                .build(),
            glib::ParamSpecFloat::builder("threshold")
                .nick("Threshold")
                .blurb("Labels of less confidence are left out; -1: by the thresholds of the model, and none where it has none")
                .minimum(MODELS_OWN)
                .maximum(1.0)
                .default_value(self.threshold)
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("labels-file")
                .nick("Labels file")
                .blurb("Text file with the name of each class on a line of its own; unset: the model's own names")
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of [`properties`](Self::properties); says whether it is one of them.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "top-k" => self.top_k = value.get().expect(CHECKED),
            "threshold" => self.threshold = value.get().expect(CHECKED),
            "labels-file" => self.labels_file = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    /// Reads one of [`properties`](Self::properties); none if it is another.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "top-k" => self.top_k.to_value(),
            "threshold" => self.threshold.to_value(),
            "labels-file" => self.labels_file.to_value(),
            _ => return None,
        })
    }
}
