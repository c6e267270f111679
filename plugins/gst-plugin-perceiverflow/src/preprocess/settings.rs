//! The properties of `perceiverpreprocess`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{Error, Result, checkpoint::Checkpoint, media::ClipOptions, tasks::ClipPreprocessor};

use crate::{settings::CHECKED, window_settings::WindowSettings};

/// The architecture whose windows are cut here.
const ARCHITECTURE: &str = "PerceiverForMultimodalAutoencoding";

/// All properties that can be set. Read when the element starts.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    model: String,
    window_frames: u32,
    windows: WindowSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: "builtin:av".into(), window_frames: 0, windows: WindowSettings::default() }
    }
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        let default = Self::default();
        let mut properties = vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb(
                    "Multimodal model, for its configuration: a folder with config.json and weights, a Hub id in the local cache, or \
                     builtin:NAME",
                )
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
        ];
        properties.extend(default.windows.properties());
        properties
    }

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "model" => self.model = value.get::<Option<String>>().expect(CHECKED).unwrap_or_default(),
            "window-frames" => self.window_frames = value.get().expect(CHECKED),
            _ => assert!(self.windows.set(name, value), "{name} is no property of this list"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "model" => self.model.to_value(),
            "window-frames" => self.window_frames.to_value(),
            _ => self.windows.get(name).unwrap_or_else(|| unreachable!("{name} is no property of this list")),
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
        let preprocessor = ClipPreprocessor::new(config, self.windows.framing());
        let frames = preprocessor.shape().frames;
        if self.window_frames != 0 && self.window_frames as usize != frames {
            return Err(Error::option("window-frames", self.window_frames, format!("0, or {frames}, the model's")));
        }
        Ok((preprocessor, checkpoint.hash().to_owned()))
    }

    /// How windows are cut from these streams.
    pub(super) fn options(&self, model: &ClipPreprocessor, video: bool, audio: bool) -> ClipOptions {
        ClipOptions { video, audio, ..self.windows.options(&model.shape()) }
    }
}
