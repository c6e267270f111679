//! What is done with every file of a run, and with which model.

use std::{sync::Arc, time::Duration};

use super::{
    Clips, FileOptions,
    journal::Header,
    reading::Opened,
    row::SCHEMA,
    windows::{Window, WindowAnswer},
};
use crate::{
    error::Result,
    media::Labels,
    tasks::{ClassifyWindows, Head, OpticalFlow, Tiling, VideoQueries},
    video_file::SkipTo,
};

/// A task with its loaded model and its options.
#[derive(Clone, Debug)]
pub enum Job {
    /// Optical flow between frames.
    Flow {
        /// The model.
        model: Arc<OpticalFlow>,
        /// How frames meet its tile.
        tiling: Tiling,
        /// Frames from the first to the second of a window, 1 or more.
        frame_distance: usize,
        /// Frames from one window to the next, 1 or more.
        inference_interval: u64,
        /// Whether every field is kept as a file, besides its statistics.
        fields: bool,
    },
    /// What is seen and heard.
    Classify {
        /// The model, multimodal or an image classifier, and its windows.
        clips: Clips<ClassifyWindows>,
        /// At most so many labels of a window, 1 or more.
        top_k: usize,
        /// From which confidence on a label counts; without one by the model's own thresholds.
        threshold: Option<f32>,
        /// Whether every file gets WebVTT cues, besides its rows.
        cues: bool,
    },
    /// The latents of every window.
    Encode {
        /// The model and its windows.
        clips: Clips,
    },
    /// The file as the model remembers it.
    Reconstruct {
        /// The model and its windows.
        clips: Clips,
        /// Which pixels are asked for.
        queries: VideoQueries,
    },
}

impl Job {
    /// What it is called in the results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Flow { .. } => "flow",
            Self::Classify { .. } => "classify",
            Self::Encode { .. } => "encode",
            Self::Reconstruct { .. } => "reconstruct",
        }
    }

    /// SHA-256 of the model, in hexadecimal.
    pub fn model_hash(&self) -> &str {
        match self {
            Self::Flow { model, .. } => model.hash(),
            Self::Classify { clips, .. } => clips.model.hash(),
            Self::Encode { clips } | Self::Reconstruct { clips, .. } => clips.model.hash(),
        }
    }

    /// The same job with what is different for one file.
    pub(super) fn with(&self, options: &FileOptions) -> Self {
        let mut job = self.clone();
        match &mut job {
            Self::Flow { frame_distance, inference_interval, .. } => {
                *frame_distance = options.frame_distance.unwrap_or(*frame_distance);
                *inference_interval = options.inference_interval.unwrap_or(*inference_interval);
            }
            Self::Classify { clips: Clips { cutting, .. }, .. }
            | Self::Encode { clips: Clips { cutting, .. } }
            | Self::Reconstruct { clips: Clips { cutting, .. }, .. } => {
                cutting.stride_frames = options.stride_frames.or(cutting.stride_frames);
            }
        }
        job
    }

    /// Everything besides content and model that results depend on, in words.
    pub(super) fn options(&self) -> String {
        match self {
            Self::Flow { tiling, frame_distance, inference_interval, fields, .. } => {
                format!("{tiling:?}, distance {frame_distance}, interval {inference_interval}, fields {fields}")
            }
            Self::Classify { clips, top_k, threshold, cues } => {
                format!("{}, top {top_k}, threshold {threshold:?}, cues {cues}", clips.options())
            }
            Self::Encode { clips } => clips.options(),
            Self::Reconstruct { clips, queries } => format!("{}, {queries:?}", clips.options()),
        }
    }

    /// The rate of the sound that its windows have; none where they have none.
    pub(super) fn sample_rate(&self) -> Option<u32> {
        match self {
            Self::Flow { .. } => None,
            Self::Classify { clips, .. } => {
                let preprocessor = clips.preprocessor();
                preprocessor.hears().then(|| preprocessor.shape().sample_rate)
            }
            Self::Encode { clips } | Self::Reconstruct { clips, .. } => Some(clips.preprocessor().shape().sample_rate),
        }
    }

    /// Media from the start of a window to the start of the next, in the mean.
    pub(super) fn stride(&self, opened: &Opened) -> Duration {
        match self {
            Self::Flow { inference_interval, .. } => {
                let rate = opened.video.map_or(1.0, |video| video.frame_rate.value());
                Duration::from_secs_f64(*inference_interval as f64 / rate)
            }
            Self::Classify { clips, .. } => clips.start_of(1, clips.preprocessor().shape()),
            Self::Encode { clips } | Self::Reconstruct { clips, .. } => clips.start_of(1, clips.preprocessor().shape()),
        }
    }

    /// From where on the pictures of a file are wanted when its windows are, from this one on.
    pub(super) fn wanted(&self, window: u64) -> SkipTo {
        match self {
            Self::Flow { inference_interval, .. } => SkipTo::Frame(window.saturating_mul(*inference_interval)),
            // No file begins before its zero.
            Self::Classify { clips, .. } => SkipTo::Time(clips.start_of(window, clips.preprocessor().shape())),
            Self::Encode { clips } | Self::Reconstruct { clips, .. } => {
                SkipTo::Time(clips.start_of(window, clips.preprocessor().shape()))
            }
        }
    }

    /// Windows that go into one model call at most.
    pub(super) fn batch_size(&self) -> usize {
        match self {
            // The pairs of a call are computed one after the other.
            Self::Flow { .. } => 1,
            Self::Classify { clips, .. } => clips.batch_size,
            Self::Encode { clips } | Self::Reconstruct { clips, .. } => clips.batch_size,
        }
    }

    /// How much of its file a window stands for: what nothing was asked about is not counted.
    pub(super) fn stands_for(&self, duration: Duration, stride: Duration) -> Duration {
        match self {
            Self::Flow { .. } => stride,
            Self::Classify { .. } | Self::Encode { .. } | Self::Reconstruct { .. } => stride.min(duration),
        }
    }

    /// Whether a file becomes something that is made of all its windows at its end: then one run has to have them all.
    pub fn collects(&self) -> bool {
        match self {
            Self::Flow { .. } => false,
            Self::Classify { cues, .. } => *cues,
            Self::Encode { .. } | Self::Reconstruct { .. } => true,
        }
    }

    /// What the journal of a run begins with.
    pub(super) fn header(&self) -> Header {
        Header { schema: SCHEMA, task: self.name().into(), model: self.model_hash().into(), options: self.options() }
    }

    /// What the model says of several windows, of any files.
    pub(super) fn answer(&self, windows: &[Window]) -> Result<Vec<WindowAnswer>> {
        match self {
            Self::Flow { model, tiling, .. } => {
                let pairs: Vec<_> = windows.iter().filter_map(Window::pair).collect();
                Ok(model.estimate(&pairs, *tiling)?.into_iter().map(WindowAnswer::Flow).collect())
            }
            Self::Classify { clips, .. } => Ok(clips.scores(windows)?.into_iter().map(WindowAnswer::Scores).collect()),
            Self::Encode { clips } => {
                clips.encode(windows)?.iter().map(|latents| Ok(WindowAnswer::Latents(latents.to_vec()?))).collect()
            }
            Self::Reconstruct { clips, queries } => {
                let latents = clips.encode(windows)?;
                let asked = |of: fn(&Window) -> bool| windows.iter().zip(&latents).filter(move |(w, _)| of(w)).map(|(_, l)| l);
                let mut video = clips.decode(asked(Window::has_video), Head::Video(*queries))?.into_iter();
                let mut sound = clips.decode(asked(Window::has_sound), Head::Audio)?.into_iter();
                let answer = |window: &Window| WindowAnswer::Reconstruction {
                    video: window.has_video().then(|| video.next()).flatten(),
                    sound: window.has_sound().then(|| sound.next()).flatten(),
                };
                Ok(windows.iter().map(answer).collect())
            }
        }
    }

    /// The labels that are asked for, of a window's scores.
    pub(super) fn labels(&self, scores: &[f32]) -> Labels {
        let Self::Classify { clips, top_k, threshold, .. } = self else { return Labels::default() };
        let labels = clips.model.labels(scores);
        let labels = if threshold.is_some() { labels } else { clips.model.holding(&labels) };
        labels.top(*top_k, threshold.unwrap_or(f32::NEG_INFINITY))
    }
}
