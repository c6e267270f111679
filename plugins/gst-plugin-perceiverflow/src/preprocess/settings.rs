//! The properties of `perceiverpreprocess`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{
    Error, Result,
    checkpoint::Checkpoint,
    media::{self, ClipOptions},
    tasks::{ClipPreprocessor, Framing},
};

use crate::settings::CHECKED;

/// The architecture whose windows are cut here.
const ARCHITECTURE: &str = "PerceiverForMultimodalAutoencoding";

/// How a picture meets the model's square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverResizeMode")]
#[repr(i32)]
pub enum ResizeMode {
    /// The largest square in the middle.
    #[default]
    #[enum_value(name = "Crop: the largest square in the middle", nick = "crop")]
    Crop,
    /// The whole picture, each side to the square's.
    #[enum_value(name = "Stretch: the whole picture, each side to the square's", nick = "stretch")]
    Stretch,
    /// The whole picture in its shape, black beside it.
    #[enum_value(name = "Letterbox: the whole picture in its shape, black beside it", nick = "letterbox")]
    Letterbox,
}

/// What becomes of a window without sound.
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
    /// It is an error.
    #[enum_value(name = "Error: the stream ends with an error", nick = "error")]
    Error,
}

/// What becomes of a window that the media do not fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverPartialWindow")]
#[repr(i32)]
pub enum PartialWindow {
    /// It is made; the rest is padding.
    #[default]
    #[enum_value(name = "Pad: the window is made, and padded", nick = "pad")]
    Pad,
    /// It is left out.
    #[enum_value(name = "Drop: the window is left out", nick = "drop")]
    Drop,
}

/// All properties that can be set. Read when the element starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    model: String,
    window_frames: u32,
    stride_frames: u32,
    resize_mode: ResizeMode,
    missing_audio: MissingAudio,
    partial_window: PartialWindow,
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        let default = Self::default();
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb("Multimodal model, for its configuration: a folder with config.json and weights, or a Hub id in the local cache")
                .default_value(&*default.model)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("window-frames")
                .nick("Window frames")
                .blurb("Frames of a window, which the model decides: 0 or its number, for pipelines that want to be sure")
                .maximum(65_536)
                .default_value(default.window_frames)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("stride-frames")
                .nick("Stride frames")
                .blurb("Frames of the model from the start of a window to the start of the next (0 = as many as a window has)")
                .maximum(65_536)
                .default_value(default.stride_frames)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("resize-mode", default.resize_mode)
                .nick("Resize mode")
                .blurb("How a picture of any shape meets the model's square")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("missing-audio", default.missing_audio)
                .nick("Missing audio")
                .blurb("What becomes of a window that has sound for less than half of its time")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("partial-window", default.partial_window)
                .nick("Partial window")
                .blurb("What becomes of a window that the media do not fill before they end or break off")
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "model" => self.model = value.get::<Option<String>>().expect(CHECKED).unwrap_or_default(),
            "window-frames" => self.window_frames = value.get().expect(CHECKED),
            "stride-frames" => self.stride_frames = value.get().expect(CHECKED),
            "resize-mode" => self.resize_mode = value.get().expect(CHECKED),
            "missing-audio" => self.missing_audio = value.get().expect(CHECKED),
            "partial-window" => self.partial_window = value.get().expect(CHECKED),
            _ => unreachable!("{name} is no property of this list"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "model" => self.model.to_value(),
            "window-frames" => self.window_frames.to_value(),
            "stride-frames" => self.stride_frames.to_value(),
            "resize-mode" => self.resize_mode.to_value(),
            "missing-audio" => self.missing_audio.to_value(),
            "partial-window" => self.partial_window.to_value(),
            _ => unreachable!("{name} is no property of this list"),
        }
    }

    /// What makes the model's inputs, and the model's hash.
    ///
    /// # Errors
    /// When the model cannot be read, is no multimodal one, or its windows are not of `window-frames`.
    pub(super) fn open(&self) -> Result<(ClipPreprocessor, String)> {
        let checkpoint = Checkpoint::open(&self.model)?;
        let config = checkpoint.config();
        if !config.architectures.iter().any(|name| name == ARCHITECTURE) {
            return Err(Error::config("architectures", config.architectures.join(", "), ARCHITECTURE));
        }
        let framing = match self.resize_mode {
            ResizeMode::Crop => Framing::Crop,
            ResizeMode::Stretch => Framing::Stretch,
            ResizeMode::Letterbox => Framing::Letterbox,
        };
        let preprocessor = ClipPreprocessor::new(config, framing);
        let frames = preprocessor.shape().frames;
        if self.window_frames != 0 && self.window_frames as usize != frames {
            return Err(Error::option("window-frames", self.window_frames, format!("0, or {frames}, the model's")));
        }
        Ok((preprocessor, checkpoint.hash().to_owned()))
    }

    /// How windows are cut from these streams.
    pub(super) fn options(&self, model: &ClipPreprocessor, video: bool, audio: bool) -> ClipOptions {
        let mut options = ClipOptions::new(&model.shape(), video, audio);
        if self.stride_frames > 0 {
            options.stride_frames = self.stride_frames as usize;
        }
        options.missing_audio = match self.missing_audio {
            MissingAudio::Silence => media::MissingAudio::Silence,
            MissingAudio::Drop => media::MissingAudio::Drop,
            MissingAudio::Error => media::MissingAudio::Error,
        };
        options.partial = match self.partial_window {
            PartialWindow::Pad => media::PartialWindow::Pad,
            PartialWindow::Drop => media::PartialWindow::Drop,
        };
        options
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
