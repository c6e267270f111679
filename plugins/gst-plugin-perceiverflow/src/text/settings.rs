//! The properties of `perceivertext`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};

use super::Output;
use crate::settings::{CHECKED, InferenceSettings};

/// All properties that can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) inference: InferenceSettings,
    /// Read when the element starts.
    pub(super) output: Output,
    pub(super) top_k: u32,
}

impl Default for Settings {
    fn default() -> Self {
        // No language model is built in: the user names one.
        Self { inference: InferenceSettings::new(""), output: Output::default(), top_k: 5 }
    }
}

impl Settings {
    /// Of the common properties those that this element has no use for: a text waits for the model, so that no queue fills.
    const UNUSED: [&str; 2] = ["leaky", "max-size-buffers"];

    /// The properties, in the order in which a user meets them.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        let Self { inference, output, top_k } = Self::default();
        let mut properties = inference.properties(
            "Masked language model or text classifier: a folder with config.json and weights, or a Hub id in the local cache",
            "Which texts are dropped when the model cannot keep up",
        );
        properties.retain(|spec| !Self::UNUSED.contains(&spec.name()));
        properties.extend([
            glib::ParamSpecEnum::builder_with_default("output", output)
                .nick("Output")
                .blurb("What leaves: the text, or a classifier's labels as lines of text")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("top-k")
                .nick("Top k")
                .blurb("Labels of a text at most, or guesses for each masked byte in its message; the surest first")
                .minimum(1)
                .maximum(10_000)
                .default_value(top_k)
                .mutable_playing()
                .build(),
        ]);
        properties
    }

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "output" => self.output = value.get().expect(CHECKED),
            "top-k" => self.top_k = value.get().expect(CHECKED),
            name => assert!(self.inference.set(name, value), "{name} is no property of this element"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "output" => self.output.to_value(),
            "top-k" => self.top_k.to_value(),
            name => self.inference.get(name).unwrap_or_else(|| unreachable!("{name} is no property of this element")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_can_be_set_and_read_and_starts_at_its_default() {
        gst::init().unwrap();
        for spec in Settings::properties() {
            let mut settings = Settings::default();
            let default = settings.get(spec.name());
            assert_eq!(spec.value_type(), default.type_(), "{}", spec.name());
            settings.set(spec.name(), spec.default_value());
            assert_eq!(settings.get(spec.name()).serialize().unwrap(), default.serialize().unwrap(), "{}", spec.name());
            assert!(spec.nick() != spec.name() && spec.blurb().is_some(), "{}", spec.name());
        }
    }
}
