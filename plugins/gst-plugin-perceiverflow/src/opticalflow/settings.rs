//! The properties of `perceiveropticalflow`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{Result, media::PairWindow, tasks::Tiling};

use crate::settings::{CHECKED, InferenceSettings, ResultPolicy};

/// How frames meet the model's tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverScale")]
#[repr(i32)]
pub enum Scale {
    /// Tiles at the frame's own scale.
    #[default]
    #[enum_value(name = "Native: overlapping tiles at the frame's own scale", nick = "native")]
    Native,
    /// One tile.
    #[enum_value(name = "Fit: the whole frame resized to one tile", nick = "fit")]
    Fit,
}

/// How a stream is cut into windows and results are handed out. Read when the element starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamSettings {
    pub(super) frame_distance: u32,
    pub(super) inference_interval: u32,
    pub(super) policy: ResultPolicy,
    scale: Scale,
    tile_overlap: u32,
}

impl StreamSettings {
    /// The window policy.
    ///
    /// # Errors
    /// When the distance or the interval is 0, which the properties' ranges exclude.
    pub(super) fn pairing(&self) -> Result<PairWindow> {
        PairWindow::new(self.frame_distance as usize, u64::from(self.inference_interval))
    }

    pub(super) fn tiling(&self) -> Tiling {
        match self.scale {
            Scale::Native => Tiling::Native { overlap: self.tile_overlap as usize },
            Scale::Fit => Tiling::Fit,
        }
    }
}

/// All properties that can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) inference: InferenceSettings,
    pub(super) stream: StreamSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inference: InferenceSettings::new("builtin:flow"),
            stream: StreamSettings {
                frame_distance: 1,
                inference_interval: 1,
                policy: ResultPolicy::default(),
                scale: Scale::default(),
                tile_overlap: 20,
            },
        }
    }
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(crate) fn properties() -> Vec<glib::ParamSpec> {
        let Self { inference, stream } = Self::default();
        let mut properties = inference.properties(
            "Flow model: a folder with config.json and weights, or builtin:NAME",
            "Which windows are dropped when the model cannot keep up; frames never are",
        );
        properties.extend([
            glib::ParamSpecUInt::builder("frame-distance")
                .nick("Frame distance")
                .blurb("Frames from the first frame of a window to the second")
                .minimum(1)
                .maximum(64)
                .default_value(stream.frame_distance)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("inference-interval")
                .nick("Inference interval")
                .blurb("Begin a window at every N-th frame")
                .minimum(1)
                .maximum(10_000)
                .default_value(stream.inference_interval)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("scale", stream.scale)
                .nick("Scale")
                .blurb("How frames of any size meet the model's tile")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("tile-overlap")
                .nick("Tile overlap")
                .blurb("Pixels that neighbouring tiles share at least (scale=native); less than the tile's sides")
                .maximum(4096)
                .default_value(stream.tile_overlap)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("result-policy", stream.policy)
                .nick("Result policy")
                .blurb("Which frame a result goes on, and so how long the video is delayed")
                .mutable_ready()
                .build(),
        ]);
        properties
    }

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        let Self { inference, stream } = self;
        match name {
            "frame-distance" => stream.frame_distance = value.get().expect(CHECKED),
            "inference-interval" => stream.inference_interval = value.get().expect(CHECKED),
            "scale" => stream.scale = value.get().expect(CHECKED),
            "tile-overlap" => stream.tile_overlap = value.get().expect(CHECKED),
            "result-policy" => stream.policy = value.get().expect(CHECKED),
            _ => assert!(inference.set(name, value), "{name} is no property of this list"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let Self { inference, stream } = self;
        match name {
            "frame-distance" => stream.frame_distance.to_value(),
            "inference-interval" => stream.inference_interval.to_value(),
            "scale" => stream.scale.to_value(),
            "tile-overlap" => stream.tile_overlap.to_value(),
            "result-policy" => stream.policy.to_value(),
            _ => inference.get(name).unwrap_or_else(|| unreachable!("{name} is no property of this list")),
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
            assert_eq!(spec.default_value().serialize().unwrap(), default.serialize().unwrap(), "{}", spec.name());
            settings.set(spec.name(), spec.default_value());
            assert_eq!(settings.get(spec.name()).serialize().unwrap(), default.serialize().unwrap(), "{}", spec.name());
            assert!(spec.nick() != spec.name() && spec.blurb().is_some(), "{}", spec.name());
        }
    }
}
