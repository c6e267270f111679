//! The properties of elements that cut video and sound into windows: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{
    media::{self, ClipOptions, ClipShape},
    tasks::Framing,
};

use crate::settings::CHECKED;

/// What becomes of a window that has sound for less than half of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverMissingAudio")]
#[repr(i32)]
pub enum MissingAudio {
    /// It is made, with silence.
    #[default]
    #[enum_value(name = "Silence: the window is made, with silence", nick = "silence")]
    Silence,
    /// It is left out.
    #[enum_value(name = "Drop: the window is left out", nick = "drop")]
    Drop,
    /// It ends the stream.
    #[enum_value(name = "Error: the stream ends with an error", nick = "error")]
    Error,
}

/// What becomes of a window that the media do not fill before they end or break off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverPartialWindow")]
#[repr(i32)]
pub enum PartialWindow {
    /// It is made, padded.
    #[default]
    #[enum_value(name = "Pad: with silence and the last picture", nick = "pad")]
    Pad,
    /// It is left out.
    #[enum_value(name = "Drop: the window is left out", nick = "drop")]
    Drop,
}

/// How a picture of any size and shape meets the model's square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverResizeMode")]
#[repr(i32)]
pub enum ResizeMode {
    /// The largest square in the middle.
    #[default]
    #[enum_value(name = "Crop: the largest square in the middle", nick = "crop")]
    Crop,
    /// Each side to the square's.
    #[enum_value(name = "Stretch: the whole picture, each side to the square's", nick = "stretch")]
    Stretch,
    /// The whole picture in its shape.
    #[enum_value(name = "Letterbox: the whole picture in its shape, black beside it", nick = "letterbox")]
    Letterbox,
}

/// How windows are cut and drawn. Read when the element starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WindowSettings {
    stride_frames: u32,
    missing_audio: MissingAudio,
    partial_window: PartialWindow,
    resize_mode: ResizeMode,
}

impl WindowSettings {
    /// What they ask of the window policy, for a model of this shape, before any stream is there.
    pub(crate) fn options(&self, shape: &ClipShape) -> ClipOptions {
        let default = ClipOptions::new(shape, true, false);
        ClipOptions {
            stride_frames: if self.stride_frames == 0 { default.stride_frames } else { self.stride_frames as usize },
            missing_audio: match self.missing_audio {
                MissingAudio::Silence => media::MissingAudio::Silence,
                MissingAudio::Drop => media::MissingAudio::Drop,
                MissingAudio::Error => media::MissingAudio::Error,
            },
            partial: match self.partial_window {
                PartialWindow::Pad => media::PartialWindow::Pad,
                PartialWindow::Drop => media::PartialWindow::Drop,
            },
            ..default
        }
    }

    pub(crate) fn framing(&self) -> Framing {
        match self.resize_mode {
            ResizeMode::Crop => Framing::Crop,
            ResizeMode::Stretch => Framing::Stretch,
            ResizeMode::Letterbox => Framing::Letterbox,
        }
    }

    /// The properties with these defaults.
    pub(crate) fn properties(&self) -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecUInt::builder("stride-frames")
                .nick("Stride in frames")
                .blurb(
                    "Frames, at the model's rate, from the start of a window to the start of the next; fewer than a window has \
                     overlap (0 = as many as a window has)",
                )
                .maximum(10_000)
                .default_value(self.stride_frames)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("resize-mode", self.resize_mode)
                .nick("Resize mode")
                .blurb("How pictures of any shape meet the model's square")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("missing-audio", self.missing_audio)
                .nick("Missing audio")
                .blurb("What becomes of a window that has sound for less than half of its time")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("partial-window", self.partial_window)
                .nick("Partial window")
                .blurb("What becomes of a window that the stream ends or breaks off in")
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of [`properties`](Self::properties); says whether it is one of them.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "stride-frames" => self.stride_frames = value.get().expect(CHECKED),
            "resize-mode" => self.resize_mode = value.get().expect(CHECKED),
            "missing-audio" => self.missing_audio = value.get().expect(CHECKED),
            "partial-window" => self.partial_window = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    /// Reads one of [`properties`](Self::properties); none if it is another.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "stride-frames" => self.stride_frames.to_value(),
            "resize-mode" => self.resize_mode.to_value(),
            "missing-audio" => self.missing_audio.to_value(),
            "partial-window" => self.partial_window.to_value(),
            _ => return None,
        })
    }
}
