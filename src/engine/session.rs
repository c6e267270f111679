//! One stream at a time, synchronously: frames in, flow out.

use std::{sync::Arc, time::Duration};

use crate::{
    error::Result,
    media::{FlowField, Frame, PairWindow},
    tasks::{OpticalFlow, Tiling},
};

/// The flow of one window.
#[derive(Clone, Debug)]
pub struct FlowResult {
    /// When the window's first frame is shown.
    pub time: Duration,
    /// How long until its second frame is shown.
    pub duration: Duration,
    /// The first frame's number since the session began or was reset.
    pub index: u64,
    /// Where the first frame's pixels have gone in the second, in pixels of the frame.
    pub field: Arc<FlowField>,
}

/// Optical flow of one stream of frames.
#[derive(Debug)]
pub struct FlowSession {
    task: Arc<OpticalFlow>,
    window: PairWindow,
    tiling: Tiling,
}

impl FlowSession {
    /// Flow by `task` between the frames that `window` pairs.
    pub fn new(task: Arc<OpticalFlow>, window: PairWindow, tiling: Tiling) -> Self {
        Self { task, window, tiling }
    }

    /// Takes the next frame; computes the flow of the window it completes, if it completes one.
    ///
    /// # Errors
    /// What the model says.
    pub fn push(&mut self, frame: Frame) -> Result<Option<FlowResult>> {
        let Some(pair) = self.window.push(frame) else { return Ok(None) };
        let mut fields = self.task.estimate(&[(&pair.first, &pair.second)], self.tiling)?;
        Ok(fields.pop().map(|field| FlowResult {
            time: pair.time,
            duration: pair.duration,
            index: pair.index,
            field: Arc::new(field),
        }))
    }

    /// Forgets every frame, for a seek or a discontinuity.
    pub fn reset(&mut self) {
        self.window.reset();
    }
}
