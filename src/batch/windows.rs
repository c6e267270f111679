//! Media of one file to windows, and windows to what the model reads.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{Cutting, Job};
use crate::{
    error::Result,
    media::{Clip, ClipStream, ClipWindow, FlowField, FramePair, PairWindow, Picture},
    tasks::{ClipInputs, WindowPreprocessor},
    video_file::Media,
};

/// A window as the model reads it.
#[derive(Debug)]
pub(super) enum Window {
    Pair { first: Arc<Picture>, second: Arc<Picture> },
    Clip { inputs: ClipInputs, video: bool, sound: bool },
}

impl Window {
    pub(super) fn pair(&self) -> Option<(&Picture, &Picture)> {
        match self {
            Self::Pair { first, second } => Some((first, second)),
            Self::Clip { .. } => None,
        }
    }

    pub(super) fn clip(&self) -> Option<&ClipInputs> {
        match self {
            Self::Clip { inputs, .. } => Some(inputs),
            Self::Pair { .. } => None,
        }
    }

    pub(super) fn has_video(&self) -> bool {
        matches!(self, Self::Clip { video: true, .. } | Self::Pair { .. })
    }

    pub(super) fn has_sound(&self) -> bool {
        matches!(self, Self::Clip { sound: true, .. })
    }
}

/// What a model says of a window.
#[derive(Debug)]
pub(super) enum WindowAnswer {
    Flow(FlowField),
    /// A score for each class.
    Scores(Vec<f32>),
    /// N × D numbers.
    Latents(Vec<f32>),
    /// Levels of pictures and samples, of what the file has.
    Reconstruction {
        video: Option<Vec<f32>>,
        sound: Option<Vec<f32>>,
    },
}

/// A window that is cut, but not made ready: one that is there already needs no more.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) time: Duration,
    pub(super) duration: Duration,
    media: CutMedia,
}

#[derive(Debug)]
enum CutMedia {
    Pair(FramePair),
    Clip(Clip),
}

impl Cut {
    /// Whether one of its pictures is this very one.
    pub(super) fn shows(&self, picture: &Arc<Picture>) -> bool {
        match &self.media {
            CutMedia::Pair(pair) => Arc::ptr_eq(&pair.first, picture) || Arc::ptr_eq(&pair.second, picture),
            CutMedia::Clip(clip) => clip.pictures.iter().flatten().any(|shown| Arc::ptr_eq(shown, picture)),
        }
    }
}

/// Cuts the windows of one file.
#[derive(Debug)]
pub(super) struct Cutter(Rule);

#[derive(Debug)]
enum Rule {
    Pairs { window: PairWindow, complete: VecDeque<FramePair> },
    Clips { window: Box<ClipWindow>, preprocessor: WindowPreprocessor, video: bool, sound: bool },
}

impl Rule {
    fn clips(preprocessor: WindowPreprocessor, cutting: Cutting, video: bool, sound: bool) -> Result<Self> {
        let shape = preprocessor.shape();
        let options = preprocessor.suited(cutting.options(&shape, video, sound));
        Ok(Self::Clips { window: Box::new(ClipWindow::new(shape, options)?), preprocessor, video, sound })
    }
}

impl Cutter {
    /// For a file with or without video and sound.
    ///
    /// # Errors
    /// When the job's options are not accepted.
    pub(super) fn new(job: &Job, video: bool, sound: bool) -> Result<Self> {
        Ok(Self(match job {
            Job::Flow { frame_distance, inference_interval, .. } => {
                Rule::Pairs { window: PairWindow::new(*frame_distance, *inference_interval)?, complete: VecDeque::new() }
            }
            Job::Classify { clips, .. } => Rule::clips(clips.preprocessor(), clips.cutting, video, sound)?,
            Job::Encode { clips } | Job::Reconstruct { clips, .. } => {
                Rule::clips(clips.preprocessor().into(), clips.cutting, video, sound)?
            }
        }))
    }

    /// Takes what the file brings next.
    pub(super) fn push(&mut self, media: Media) -> Result<()> {
        match (&mut self.0, media) {
            (Rule::Pairs { window, complete }, Media::Frame(frame)) => complete.extend(window.push(frame)),
            (Rule::Pairs { .. }, Media::Audio(_)) => {}
            (Rule::Clips { window, .. }, Media::Frame(frame)) => window.push_frame(frame)?,
            (Rule::Clips { window, .. }, Media::Audio(chunk)) => window.push_audio(chunk)?,
        }
        Ok(())
    }

    /// Says that the file has ended.
    pub(super) fn finish(&mut self) {
        if let Rule::Clips { window, .. } = &mut self.0 {
            window.finish(ClipStream::Video);
            window.finish(ClipStream::Audio);
        }
    }

    /// The next complete window.
    ///
    /// # Errors
    /// When a window has no sound and that is to be an error.
    pub(super) fn next(&mut self) -> Result<Option<Cut>> {
        Ok(match &mut self.0 {
            Rule::Pairs { complete, .. } => {
                complete.pop_front().map(|pair| Cut { time: pair.time, duration: pair.duration, media: CutMedia::Pair(pair) })
            }
            Rule::Clips { window, .. } => {
                window.next()?.map(|clip| Cut { time: clip.time, duration: clip.duration, media: CutMedia::Clip(clip) })
            }
        })
    }

    /// Makes a window ready for the model.
    ///
    /// # Errors
    /// When it is not one of this cutter's.
    pub(super) fn prepare(&self, cut: Cut) -> Result<Window> {
        match (cut.media, &self.0) {
            (CutMedia::Pair(FramePair { first, second, .. }), _) => Ok(Window::Pair { first, second }),
            (CutMedia::Clip(clip), Rule::Clips { preprocessor, video, sound, .. }) => {
                Ok(Window::Clip { inputs: preprocessor.preprocess(&clip)?, video: *video, sound: *sound })
            }
            (CutMedia::Clip(_), Rule::Pairs { .. }) => unreachable!("a cutter of pairs cuts no clips"),
        }
    }
}
