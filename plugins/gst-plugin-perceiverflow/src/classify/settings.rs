//! The properties of `perceiverclassify` that are its own: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::media::{ClipOptions, ClipShape};

use crate::{
    label_settings::LabelSettings,
    settings::{CHECKED, OwnSettings, ResultPolicy},
    window_settings::WindowSettings,
};

/// How a stream is cut into windows and results are handed out, read when the element starts; which labels a result has.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) windows: WindowSettings,
    pub(super) policy: ResultPolicy,
    pub(super) labels: LabelSettings,
    inference_interval: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            windows: WindowSettings::default(),
            policy: ResultPolicy::default(),
            labels: LabelSettings::default(),
            inference_interval: 1,
        }
    }
}

impl Settings {
    /// How windows are cut for a model of this shape.
    pub(super) fn options(&self, shape: &ClipShape) -> ClipOptions {
        let options = self.windows.options(shape);
        ClipOptions { stride_frames: options.stride_frames * self.inference_interval as usize, ..options }
    }
}

impl OwnSettings for Settings {
    const MODEL: &'static str = "builtin:av";
    const NAMES: &'static str = "Multimodal model or image classifier: a folder with config.json and weights, a Hub id in the local cache, or builtin:NAME";
    const DROPS: &'static str = "Which windows are dropped when the model cannot keep up; buffers never are";

    fn properties() -> Vec<glib::ParamSpec> {
        let Self { windows, policy, labels, inference_interval } = Self::default();
        let mut properties = windows.properties();
        properties.extend([
            glib::ParamSpecUInt::builder("inference-interval")
                .nick("Inference interval")
                .blurb("Ask the model about every N-th window")
                .minimum(1)
                .maximum(10_000)
                .default_value(inference_interval)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("result-policy", policy)
                .nick("Result policy")
                .blurb("Which buffers a result goes on, and so how long the stream is delayed")
                .mutable_ready()
                .build(),
        ]);
        properties.extend(labels.properties());
        properties
    }

    fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "inference-interval" => self.inference_interval = value.get().expect(CHECKED),
            "result-policy" => self.policy = value.get().expect(CHECKED),
            name => return self.windows.set(name, value) || self.labels.set(name, value),
        }
        true
    }

    fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "inference-interval" => Some(self.inference_interval.to_value()),
            "result-policy" => Some(self.policy.to_value()),
            name => self.windows.get(name).or_else(|| self.labels.get(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_as_many_strides() {
        let shape = ClipShape { frames: 4, samples_per_frame: 2, sample_rate: 50 };
        let mut settings = Settings::default();
        assert_eq!(settings.options(&shape).stride_frames, 4);
        settings.set("inference-interval", &3u32.to_value());
        assert_eq!(settings.options(&shape).stride_frames, 12);
        settings.set("stride-frames", &2u32.to_value());
        assert_eq!(settings.options(&shape).stride_frames, 6);
    }
}
