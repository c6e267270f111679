//! The properties of `perceiveropticalflow`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{Result, media::PairWindow, tasks::Tiling};

use crate::settings::{CHECKED, OwnSettings, ResultPolicy};

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
pub(crate) struct Settings {
    pub(super) frame_distance: u32,
    pub(super) inference_interval: u32,
    pub(super) policy: ResultPolicy,
    scale: Scale,
    tile_overlap: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frame_distance: 1,
            inference_interval: 1,
            policy: ResultPolicy::default(),
            scale: Scale::default(),
            tile_overlap: 20,
        }
    }
}

impl Settings {
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

impl OwnSettings for Settings {
    const MODEL: &'static str = "builtin:flow";
    const NAMES: &'static str = "Flow model: a folder with config.json and weights, or builtin:NAME";
    const DROPS: &'static str = "Which windows are dropped when the model cannot keep up; frames never are";

    fn properties() -> Vec<glib::ParamSpec> {
        let Self { frame_distance, inference_interval, policy, scale, tile_overlap } = Self::default();
        vec![
            glib::ParamSpecUInt::builder("frame-distance")
                .nick("Frame distance")
                .blurb("Frames from the first frame of a window to the second")
                .minimum(1)
                .maximum(64)
                .default_value(frame_distance)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("inference-interval")
                .nick("Inference interval")
                .blurb("Begin a window at every N-th frame")
                .minimum(1)
                .maximum(10_000)
                .default_value(inference_interval)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("scale", scale)
                .nick("Scale")
                .blurb("How frames of any size meet the model's tile")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("tile-overlap")
                .nick("Tile overlap")
                .blurb("Pixels that neighbouring tiles share at least (scale=native); less than the tile's sides")
                .maximum(4096)
                .default_value(tile_overlap)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("result-policy", policy)
                .nick("Result policy")
                .blurb("Which frame a result goes on, and so how long the video is delayed")
                .mutable_ready()
                .build(),
        ]
    }

    fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "frame-distance" => self.frame_distance = value.get().expect(CHECKED),
            "inference-interval" => self.inference_interval = value.get().expect(CHECKED),
            "scale" => self.scale = value.get().expect(CHECKED),
            "tile-overlap" => self.tile_overlap = value.get().expect(CHECKED),
            "result-policy" => self.policy = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "frame-distance" => self.frame_distance.to_value(),
            "inference-interval" => self.inference_interval.to_value(),
            "scale" => self.scale.to_value(),
            "tile-overlap" => self.tile_overlap.to_value(),
            "result-policy" => self.policy.to_value(),
            _ => return None,
        })
    }
}
