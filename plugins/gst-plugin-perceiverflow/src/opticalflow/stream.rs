//! One stream between two starts of the element: which frames make windows, which results go on which frames.
//!
//! Nothing here waits, pushes or posts; `imp` does, with what this hands it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use perceiverflow::{
    Result,
    media::{FlowField, Frame, PairWindow, Picture},
};

use super::{
    delay::{DelayLine, Front},
    model::{FlowTicket, FlowWindow, Tag},
    settings::StreamSettings,
};
use crate::{
    meta::{FlowMeta, ResultWindow},
    queue::{Claim, Leaky, Offer, SharedQueue},
    settings::ResultPolicy,
};

/// A result that is on its way to frames.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Which stretch of frames it belongs to.
    pub(super) stretch: u64,
    /// When its window's first frame is shown, as a timestamp.
    pub(super) pts: gst::ClockTime,
    pub(super) meta: FlowMeta,
}

/// What waits for its turn.
#[derive(Debug)]
enum Held {
    Frame { buffer: gst::Buffer, stretch: u64 },
    Event(gst::Event),
}

/// What is to be done next at the source pad.
#[derive(Debug)]
pub(super) enum Step {
    Push(gst::Buffer),
    Forward(gst::Event),
    /// A frame has stayed as long as it may, and its result is not there.
    Overdue,
    Nothing,
}

/// What is to be done with a window.
#[derive(Debug)]
pub(super) enum Admission {
    /// It waits for the model, which is to be told.
    Tell(Claim<FlowWindow>),
    /// One waits in the place of another; the model knows already.
    Known {
        /// The window that had to go.
        lost: u64,
    },
    /// It had to go itself.
    Refused {
        /// The window.
        lost: u64,
    },
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    settings: StreamSettings,
    /// Windows that may wait for the model.
    waiting: usize,
    pairing: PairWindow,
    queue: SharedQueue<FlowWindow>,
    /// The windows with the model, oldest first.
    pub(super) tickets: VecDeque<FlowTicket>,
    line: DelayLine<Held, Outcome>,
    info: Option<gst_video::VideoInfo>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    carried: Option<Outcome>,
    stretch: u64,
    next_window: u64,
    last: Option<gst::ClockTime>,
    end: gst::ClockTime,
    widest: Duration,
}

impl Stream {
    /// A stream before its first frame.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub(super) fn new(settings: StreamSettings, waiting: usize) -> Result<Self> {
        Ok(Self {
            pairing: settings.pairing()?,
            line: DelayLine::new(settings.frame_distance as usize, waiting),
            settings,
            waiting,
            queue: SharedQueue::default(),
            tickets: VecDeque::new(),
            info: None,
            segment: gst::FormattedSegment::new(),
            carried: None,
            stretch: 0,
            next_window: 0,
            last: None,
            end: gst::ClockTime::ZERO,
            widest: Duration::ZERO,
        })
    }

    pub(super) fn settings(&self) -> &StreamSettings {
        &self.settings
    }

    pub(super) fn info(&self) -> Option<&gst_video::VideoInfo> {
        self.info.as_ref()
    }

    /// Takes the caps of the frames to come.
    pub(super) fn set_info(&mut self, info: gst_video::VideoInfo) {
        self.info = Some(info);
        self.widest = Duration::ZERO;
    }

    pub(super) fn segment(&self) -> &gst::FormattedSegment<gst::ClockTime> {
        &self.segment
    }

    /// Takes the timeline of the frames to come.
    pub(super) fn set_segment(&mut self, segment: gst::FormattedSegment<gst::ClockTime>) {
        self.end = segment.start().unwrap_or_default();
        self.segment = segment;
    }

    /// From one frame to the next: by the caps, or the widest gap so far where those leave it open.
    pub(super) fn frame_time(&self) -> Duration {
        match self.info.as_ref().map(gst_video::VideoInfo::fps) {
            Some(fps) if fps.numer() > 0 => Duration::from_secs(1).mul_f64(f64::from(fps.denom()) / f64::from(fps.numer())),
            _ => self.widest,
        }
    }

    /// Takes the next frame; returns the window that it completes, if it completes one.
    pub(super) fn frame(&mut self, buffer: gst::Buffer, picture: Picture) -> Option<FlowWindow> {
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
            let tag = Tag {
                id: self.next_window,
                stretch: self.stretch,
                pts,
                stream_time: self.segment.to_stream_time(pts),
                running_time: self.segment.to_running_time(pts),
                duration: clock_time(pair.duration),
            };
            self.next_window += 1;
            FlowWindow { tag, pair, tiling: self.settings.tiling() }
        });
        let held = Held::Frame { buffer, stretch: self.stretch };
        match self.settings.policy {
            ResultPolicy::Persist => self.line.follow(held),
            ResultPolicy::Aligned => self.line.wait(held, window.as_ref().map(|window| window.tag.id)),
        }
        window
    }

    /// Takes an event that keeps its place among the frames.
    pub(super) fn event(&mut self, event: gst::Event) {
        self.line.follow(Held::Event(event));
    }

    /// Lets a window wait for the model, or says which one must go.
    pub(super) fn admit(&mut self, window: FlowWindow, leaky: Leaky) -> Admission {
        let offer = self.queue.lock().offer(window, leaky, self.waiting);
        match offer {
            Offer::Waits => Admission::Tell(self.queue.claim()),
            Offer::Replaced(old) => {
                self.line.settle(old.tag.id, None);
                Admission::Known { lost: old.tag.id }
            }
            Offer::Refused(new) => {
                self.line.settle(new.tag.id, None);
                Admission::Refused { lost: new.tag.id }
            }
        }
    }

    /// A window without a result.
    pub(super) fn lost(&mut self, window: u64) {
        self.line.settle(window, None);
    }

    /// A window with one; gives back what is to be told of it.
    pub(super) fn found(&mut self, tag: &Tag, field: Arc<FlowField>, model_hash: Arc<str>) -> Outcome {
        let Tag { id, stretch, pts, stream_time, running_time, duration } = *tag;
        let window = ResultWindow { id, stream_time, running_time, duration, model_hash };
        let meta = FlowMeta { field, window };
        let outcome = Outcome { stretch, pts, meta };
        // Nobody waits for it: the frames to come carry it.
        if let Some(late) = self.line.settle(id, Some(outcome.clone())) {
            self.carried = Some(late);
        }
        outcome
    }

    /// No window spans what comes next and what came before.
    pub(super) fn cut(&mut self) {
        self.line.cut();
        self.pairing.reset();
        self.stretch += 1;
        self.last = None;
    }

    /// Gives up the windows with the model; says how many there were.
    pub(super) fn withdraw(&mut self) -> u64 {
        self.line.abandon();
        // The worker may hold claims to the old queue; they find it empty.
        self.queue.lock().clear();
        self.queue = SharedQueue::default();
        let lost = self.tickets.len() as u64;
        self.tickets.clear();
        lost
    }

    /// Forgets every frame, window and result, for a flush. Caps and the numbering of windows stay; the segment is a new one.
    pub(super) fn reset(&mut self) {
        self.cut();
        self.withdraw();
        self.line.clear();
        self.carried = None;
        self.set_segment(gst::FormattedSegment::new());
    }

    /// What is to be done next at the source pad.
    pub(super) fn step(&mut self) -> Step {
        match self.line.leave() {
            Front::Leaves(held, own) => self.leaving(held, own),
            Front::Overdue => Step::Overdue,
            Front::Waits => Step::Nothing,
        }
    }

    /// Lets the frame that is overdue leave without its result.
    pub(super) fn excuse(&mut self) {
        self.line.excuse();
    }

    fn leaving(&mut self, held: Held, own: Option<Outcome>) -> Step {
        match held {
            Held::Event(event) => Step::Forward(event),
            Held::Frame { mut buffer, stretch } => {
                if own.is_some() {
                    self.carried = own;
                }
                if let Some(carried) = self.carried.as_ref().filter(|carried| carried.stretch == stretch) {
                    carried.meta.attach(buffer.make_mut());
                }
                Step::Push(buffer)
            }
        }
    }
}

/// A time within five hundred years, as all timestamps are.
fn clock_time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::try_from(time).unwrap_or(gst::ClockTime::MAX)
}
