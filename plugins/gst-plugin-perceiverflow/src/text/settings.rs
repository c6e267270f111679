//! The properties of `perceivertext` that are its own: defaults, ranges, when they may change.

use gst::{glib, prelude::*};

use super::Output;
use crate::{
    label_settings,
    settings::{CHECKED, OwnSettings},
};

/// What leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Read when the element starts.
    pub(super) output: Output,
    pub(super) top_k: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { output: Output::default(), top_k: 5 }
    }
}

impl OwnSettings for Settings {
    const NAMES: &'static str =
        "Masked language model or text classifier: a folder with config.json and weights, or a Hub id in the local cache";
    /// A text waits for the model, so that no queue fills.
    const UNUSED: &'static [&'static str] = &["leaky", "max-size-buffers"];

    fn properties() -> Vec<glib::ParamSpec> {
        let Self { output, top_k } = Self::default();
        vec![
            glib::ParamSpecEnum::builder_with_default("output", output)
                .nick("Output")
                .blurb("What leaves: the text, or a classifier's labels as lines of text")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("top-k")
                .nick("Top k")
                .blurb("Labels of a text at most, or guesses for each masked byte in its message; the surest first")
                .minimum(1)
                .maximum(label_settings::MOST)
                .default_value(top_k)
                .mutable_playing()
                .build(),
        ]
    }

    fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "output" => self.output = value.get().expect(CHECKED),
            "top-k" => self.top_k = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "output" => self.output.to_value(),
            "top-k" => self.top_k.to_value(),
            _ => return None,
        })
    }
}
