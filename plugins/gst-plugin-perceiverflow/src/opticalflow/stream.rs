//! One stream between two starts of the element: which frames make windows.
//!
//! Nothing here waits, pushes or posts; `imp` does, with what this hands it.

use std::{sync::Arc, time::Duration};

use gst_video::VideoInfo;
use perceiverflow::{
    Result,
    media::{Frame, PairWindow, Picture},
};

use super::{
    line::{Counted, DelayLine},
    model::FlowQuestion,
    settings::Settings,
};
use crate::{
    asked::Job,
    element::Segment,
    meta::FlowMeta,
    passing::{Begun, Passing},
    settings::ResultPolicy,
    times::{clock_time, frame_time},
};

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    settings: Settings,
    pairing: PairWindow,
    pub(super) passing: Passing<FlowMeta, Counted>,
    info: Option<VideoInfo>,
    last: Option<gst::ClockTime>,
    end: gst::ClockTime,
    widest: Duration,
}

impl Stream {
    /// A stream before its first frame; `waiting` windows may wait for the model.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub(super) fn new(settings: Settings, waiting: u32) -> Result<Self> {
        Ok(Self {
            pairing: settings.pairing()?,
            passing: Passing::new(DelayLine::counted(settings.frame_distance as usize, waiting as usize)),
            settings,
            info: None,
            last: None,
            end: gst::ClockTime::ZERO,
            widest: Duration::ZERO,
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn info(&self) -> Option<&VideoInfo> {
        self.info.as_ref()
    }

    /// Takes the caps of the frames to come.
    pub(super) fn set_info(&mut self, info: VideoInfo) {
        self.info = Some(info);
        self.widest = Duration::ZERO;
    }

    /// Takes the timeline of the frames to come.
    pub(super) fn set_segment(&mut self, segment: Segment) {
        self.end = segment.start().unwrap_or_default();
        self.passing.segment = segment;
    }

    /// From one frame to the next: by the caps, or the widest gap so far where those leave it open.
    pub(super) fn frame_time(&self) -> Duration {
        self.info.as_ref().and_then(frame_time).unwrap_or(self.widest)
    }

    /// Takes the next frame; returns the window that it completes, if it completes one, with its running time.
    pub(super) fn frame(&mut self, buffer: gst::Buffer, picture: Picture) -> Option<(Option<gst::ClockTime>, Job<FlowQuestion>)> {
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            self.cut();
        }
        // A frame without a timestamp begins where the one before ended.
        let pts = buffer.pts().unwrap_or(self.end);
        self.end = pts + buffer.duration().unwrap_or_default();
        if let Some(last) = self.last.replace(pts) {
            self.widest = self.widest.max(pts.saturating_sub(last).into());
        }
        let frame = Frame { picture: Arc::new(picture), time: pts.into(), duration: buffer.duration().map(Into::into) };
        let window = self.pairing.push(frame).map(|pair| {
            let pts = clock_time(pair.time);
            let running_time = self.passing.segment.to_running_time(pts);
            let duration = clock_time(pair.duration);
            let stretch = self.passing.stretch;
            let id = self.passing.begin(Begun { stretch, pts, running_time, duration, shown: duration });
            (running_time, Job { id, question: FlowQuestion { pair, tiling: self.settings.tiling() } })
        });
        let held = self.passing.held(buffer);
        match self.settings.policy {
            ResultPolicy::Persist => self.passing.line.follow(held),
            ResultPolicy::Aligned => self.passing.line.frame(held, window.as_ref().map(|(_, job)| job.id)),
        }
        window
    }

    /// No window spans what comes next and what came before.
    pub(super) fn cut(&mut self) {
        self.passing.line.cut();
        self.passing.stretch += 1;
        self.pairing.reset();
        self.last = None;
    }

    /// Forgets every frame, window and result, for a flush. Caps and the numbering of windows stay; the segment is a new one.
    pub(super) fn reset(&mut self) {
        self.cut();
        self.passing.reset();
        self.set_segment(Segment::new());
    }
}
