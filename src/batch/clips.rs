//! Windows of a multimodal model or an image classifier: how they are cut, and how they go through it.

use std::{sync::Arc, time::Duration};

use super::windows::Window;
use crate::{
    error::Result,
    media::{ClipOptions, ClipShape, MissingAudio, PartialWindow},
    tasks::{Autoencode, ClassifyWindows, ClipInputs, ClipPreprocessor, Framing, Head, Latents, WindowPreprocessor},
};

/// A model and the windows that go through it: a multimodal one, or `M`.
#[derive(Clone, Debug)]
pub struct Clips<M = Arc<Autoencode>> {
    /// The model.
    pub model: M,
    /// How windows are cut.
    pub cutting: Cutting,
    /// Windows in a model call, of any files, 1 or more. A call with fewer is filled up: matrix products of another size round otherwise,
    /// and what a window becomes would hang on who its neighbours are.
    pub batch_size: usize,
}

/// How windows are cut from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cutting {
    /// Frames from the start of a window to the start of the next; none: those of a window.
    pub stride_frames: Option<usize>,
    /// How pictures meet a multimodal model's square.
    pub framing: Framing,
    /// What becomes of windows without sound.
    pub missing_audio: MissingAudio,
    /// What becomes of a last window that is not full.
    pub partial: PartialWindow,
}

impl Cutting {
    /// The options of windows of a file with or without video and sound.
    pub fn options(&self, shape: &ClipShape, video: bool, audio: bool) -> ClipOptions {
        let usual = ClipOptions::new(shape, video, audio);
        ClipOptions {
            stride_frames: self.stride_frames.unwrap_or(usual.stride_frames),
            missing_audio: self.missing_audio,
            partial: self.partial,
            ..usual
        }
    }
}

impl<M> Clips<M> {
    /// Media from the start of the first window, of this shape, to the start of another.
    pub(super) fn start_of(&self, window: u64, shape: ClipShape) -> Duration {
        shape.time_of(window * (self.cutting.stride_frames.unwrap_or(shape.frames) * shape.samples_per_frame) as u64)
    }

    /// What results hang on, in words.
    pub(super) fn options(&self) -> String {
        format!("{:?}, calls of {}", self.cutting, self.batch_size)
    }

    /// Calls the model with a whole batch, the last of the inputs repeated; the answers to the inputs alone.
    fn filled_up<T, R>(&self, mut inputs: Vec<&T>, call: impl Fn(&[&T]) -> Result<Vec<R>>) -> Result<Vec<R>> {
        let count = inputs.len();
        if let Some(&last) = inputs.last() {
            inputs.resize(count.max(self.batch_size), last);
        }
        let mut answers = call(&inputs)?;
        answers.truncate(count);
        Ok(answers)
    }
}

impl Clips {
    /// Makes the model's inputs.
    pub(super) fn preprocessor(&self) -> ClipPreprocessor {
        self.model.preprocessor(self.cutting.framing)
    }

    /// The latents of several windows.
    pub(super) fn encode(&self, windows: &[Window]) -> Result<Vec<Latents>> {
        self.filled_up(inputs(windows), |windows| self.model.encode(windows))
    }

    /// What a head says of them.
    pub(super) fn decode<'a>(&self, latents: impl Iterator<Item = &'a Latents>, head: Head) -> Result<Vec<Vec<f32>>> {
        self.filled_up(latents.collect(), |latents| self.model.decode(latents, head))
    }
}

impl Clips<ClassifyWindows> {
    /// Makes the model's inputs.
    pub(super) fn preprocessor(&self) -> WindowPreprocessor {
        self.model.preprocessor(self.cutting.framing)
    }

    /// A score for each class, of several windows.
    pub(super) fn scores(&self, windows: &[Window]) -> Result<Vec<Vec<f32>>> {
        self.filled_up(inputs(windows), |windows| self.model.scores(windows))
    }
}

fn inputs(windows: &[Window]) -> Vec<&ClipInputs> {
    windows.iter().filter_map(Window::clip).collect()
}
