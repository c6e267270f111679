//! The properties of `perceiverclassify`: defaults, ranges, when they may change.

use std::path::PathBuf;

use gst::{glib, prelude::*};
use perceiverflow::media::{ClipOptions, ClipShape};

use crate::{
    settings::{CHECKED, InferenceSettings, ResultPolicy},
    window_settings::WindowSettings,
};

/// How a stream is cut into windows and results are handed out. Read when the element starts.
#[derive(Clone, Debug)]
pub(super) struct StreamSettings {
    pub(super) windows: WindowSettings,
    pub(super) policy: ResultPolicy,
    pub(super) labels_file: Option<PathBuf>,
    inference_interval: u32,
}

impl StreamSettings {
    /// How windows are cut for a model of this shape.
    pub(super) fn options(&self, shape: &ClipShape) -> ClipOptions {
        let options = self.windows.options(shape);
        ClipOptions { stride_frames: options.stride_frames * self.inference_interval as usize, ..options }
    }
}

/// Which labels a result has. May change at any time.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelSettings {
    pub(super) top_k: u32,
    pub(super) threshold: f32,
}

/// All properties that can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) inference: InferenceSettings,
    pub(super) stream: StreamSettings,
    pub(super) labels: LabelSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inference: InferenceSettings::new(""),
            stream: StreamSettings {
                windows: WindowSettings::default(),
                policy: ResultPolicy::default(),
                labels_file: None,
                inference_interval: 1,
            },
            labels: LabelSettings { top_k: 5, threshold: 0.0 },
        }
    }
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        let Self { inference, stream, labels } = Self::default();
        let mut properties = inference.properties(
            "Multimodal model: a folder with config.json and weights; there is none unless it is named",
            "Which windows are dropped when the model cannot keep up; buffers never are",
        );
        properties.extend(stream.windows.properties());
        properties.extend([
            glib::ParamSpecUInt::builder("inference-interval")
                .nick("Inference interval")
                .blurb("Ask the model about every N-th window")
                .minimum(1)
                .maximum(10_000)
                .default_value(stream.inference_interval)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("result-policy", stream.policy)
                .nick("Result policy")
                .blurb("Which buffers a result goes on, and so how long the stream is delayed")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("top-k")
                .nick("Top k")
                .blurb("Labels in a result at most, the surest")
                .minimum(1)
                .maximum(100_000)
                .default_value(labels.top_k)
                .mutable_playing()
                .build(),
            glib::ParamSpecFloat::builder("threshold")
                .nick("Threshold")
                .blurb("Labels of less confidence are left out")
                .minimum(0.0)
                .maximum(1.0)
                .default_value(labels.threshold)
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("labels-file")
                .nick("Labels file")
                .blurb("Names of the classes, one in each line, in the place of the model's own")
                .mutable_ready()
                .build(),
        ]);
        properties
    }

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        let Self { inference, stream, labels } = self;
        match name {
            "inference-interval" => stream.inference_interval = value.get().expect(CHECKED),
            "result-policy" => stream.policy = value.get().expect(CHECKED),
            "labels-file" => stream.labels_file = value.get::<Option<String>>().expect(CHECKED).map(Into::into),
            "top-k" => labels.top_k = value.get().expect(CHECKED),
            "threshold" => labels.threshold = value.get().expect(CHECKED),
            name => assert!(inference.set(name, value) || stream.windows.set(name, value), "{name} is no property of this list"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let Self { inference, stream, labels } = self;
        match name {
            "inference-interval" => stream.inference_interval.to_value(),
            "result-policy" => stream.policy.to_value(),
            "labels-file" => stream.labels_file.as_ref().and_then(|path| path.to_str()).to_value(),
            "top-k" => labels.top_k.to_value(),
            "threshold" => labels.threshold.to_value(),
            name => inference
                .get(name)
                .or_else(|| stream.windows.get(name))
                .unwrap_or_else(|| unreachable!("{name} is no property of this list")),
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
            let text = |value: &glib::Value| format!("{value:?}");
            if spec.name() != "labels-file" {
                assert_eq!(text(spec.default_value()), text(&default), "{}", spec.name());
            }
            settings.set(spec.name(), spec.default_value());
            assert_eq!(text(&settings.get(spec.name())), text(&default), "{}", spec.name());
            assert!(spec.nick() != spec.name() && spec.blurb().is_some(), "{}", spec.name());
        }
    }

    #[test]
    fn an_interval_is_as_many_strides() {
        let shape = ClipShape { frames: 4, samples_per_frame: 2, sample_rate: 50 };
        let mut settings = Settings::default();
        assert_eq!(settings.stream.options(&shape).stride_frames, 4);
        settings.set("inference-interval", &3u32.to_value());
        assert_eq!(settings.stream.options(&shape).stride_frames, 12);
        settings.set("stride-frames", &2u32.to_value());
        assert_eq!(settings.stream.options(&shape).stride_frames, 6);
    }
}
