//! A stream that passes through an element between two of its starts: which results go on which buffers.
//!
//! Nothing here waits, pushes or posts; the streaming thread does, with what this hands it.

use std::{collections::VecDeque, sync::Arc};

use gst::prelude::*;

use crate::{
    element::{self, ModelElement, Segment},
    line::{Front, Line, Policy},
    meta::{FlowMeta, LabelsMeta, ResultWindow},
    result_pad::Place,
};

/// A result as metadata.
pub(crate) trait ResultMeta: Clone {
    /// Puts it on a buffer.
    fn attach(&self, buffer: &mut gst::BufferRef);
}

impl ResultMeta for FlowMeta {
    fn attach(&self, buffer: &mut gst::BufferRef) {
        self.attach(buffer);
    }
}

impl ResultMeta for LabelsMeta {
    fn attach(&self, buffer: &mut gst::BufferRef) {
        self.attach(buffer);
    }
}

/// A window of the stream that is with the model.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// Which stretch without a discontinuity it belongs to.
    pub(crate) stretch: u64,
    /// Its beginning as a timestamp.
    pub(crate) pts: gst::ClockTime,
    pub(crate) running_time: Option<gst::ClockTime>,
    pub(crate) duration: gst::ClockTime,
    /// How long its result is the newest: to the next window, if that begins before its end.
    pub(crate) shown: gst::ClockTime,
}

/// A result that is on its way to buffers.
#[derive(Clone, Debug)]
pub(crate) struct Outcome<M> {
    stretch: u64,
    /// When it is shown beside the stream.
    pub(crate) place: Place,
    pub(crate) meta: M,
}

/// What waits for its turn.
#[derive(Debug)]
pub(crate) enum Held {
    Buffer { buffer: gst::Buffer, stretch: u64 },
    Event(gst::Event),
}

/// What is to be done next at the source pad.
#[derive(Debug)]
pub(crate) enum Step {
    Push(gst::Buffer),
    Forward(gst::Event),
    /// A buffer has stayed as long as it may, and its result is not there.
    Overdue,
    Nothing,
}

/// The state of one stream with results `M`.
#[derive(Debug)]
pub(crate) struct Passing<M, P: Policy> {
    pub(crate) line: Line<Held, Outcome<M>, P>,
    pub(crate) segment: Segment,
    /// The stretch without a discontinuity that buffers belong to now.
    pub(crate) stretch: u64,
    begun: VecDeque<(u64, Option<gst::ClockTime>, Begun)>,
    next_window: u64,
    carried: Option<Outcome<M>>,
}

impl<M: ResultMeta, P: Policy> Passing<M, P> {
    /// A stream before its first buffer.
    pub(crate) fn new(line: Line<Held, Outcome<M>, P>) -> Self {
        let segment = Segment::new();
        Self { line, segment, stretch: 0, begun: VecDeque::new(), next_window: 0, carried: None }
    }

    /// A buffer as it waits in line.
    pub(crate) fn held(&self, buffer: gst::Buffer) -> Held {
        Held::Buffer { buffer, stretch: self.stretch }
    }

    /// Notes a window that the model will be asked about; gives it its number.
    pub(crate) fn begin(&mut self, window: Begun) -> u64 {
        let id = self.next_window;
        self.next_window += 1;
        // Also of a window behind the segment's end, where what joins the stream goes on.
        let stream_time = self.segment.to_stream_time_full(window.pts).and_then(gst::Signed::positive);
        self.begun.push_back((id, stream_time, window));
        id
    }

    /// A window without a result.
    pub(crate) fn lost(&mut self, window: u64) {
        self.begun.retain(|(id, ..)| *id != window);
        self.line.settle(window, None);
    }

    /// A window with one; gives back what is to be told of it. None if the window was forgotten meanwhile.
    pub(crate) fn found(
        &mut self,
        window: u64,
        model_hash: Arc<str>,
        meta: impl FnOnce(ResultWindow) -> M,
    ) -> Option<Outcome<M>> {
        let at = self.begun.iter().position(|(id, ..)| *id == window)?;
        let (id, stream_time, Begun { stretch, pts, running_time, duration, shown }) = self.begun.remove(at)?;
        let meta = meta(ResultWindow { id, stream_time, running_time, duration, model_hash });
        let outcome = Outcome { stretch, place: Place { window: id, start: pts, duration: shown }, meta };
        // Nobody waits for it: the buffers to come carry it.
        if let Some(late) = self.line.settle(id, Some(outcome.clone())) {
            self.carried = Some(late);
        }
        Some(outcome)
    }

    /// No window that is with the model comes back.
    pub(crate) fn abandon(&mut self) {
        self.line.abandon();
        self.begun.clear();
    }

    /// Forgets every buffer, window and result, for a flush. Stretch and numbering of windows stay; the segment is a new one.
    pub(crate) fn reset(&mut self) {
        self.line.clear();
        self.begun.clear();
        self.carried = None;
        self.segment = Segment::new();
    }

    /// What is to be done next at the source pad.
    fn step(&mut self) -> Step {
        let (held, own) = match self.line.leave() {
            Front::Leaves(held, own) => (held, own),
            Front::Overdue => return Step::Overdue,
            Front::Waits => return Step::Nothing,
        };
        match held {
            Held::Event(event) => Step::Forward(event),
            Held::Buffer { mut buffer, stretch } => {
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

/// An element through which a stream passes.
pub(crate) trait PassThrough: ModelElement {
    /// What it makes of windows.
    type Meta: ResultMeta;
    /// Which buffers belong to which windows.
    type Policy: Policy;

    /// Does something with the stream.
    ///
    /// # Errors
    /// Flushing when there is none.
    fn with_passing<R>(&self, f: impl FnOnce(&mut Passing<Self::Meta, Self::Policy>) -> R) -> Result<R, gst::FlowError>;
}

/// Takes an event that keeps its place among the buffers.
///
/// # Errors
/// What downstream says.
pub(crate) fn take_event<I: PassThrough>(imp: &I, event: gst::Event) -> Result<(), gst::FlowError> {
    imp.with_passing(|passing| passing.line.follow(Held::Event(event)))?;
    release(imp, false)
}

/// Pushes the buffers and events whose turn it is. A buffer that has stayed as long as it may is waited for, or goes as it is.
///
/// # Errors
/// What downstream says.
pub(crate) fn release<I: PassThrough>(imp: &I, waits: bool) -> Result<(), gst::FlowError> {
    loop {
        match imp.with_passing(Passing::step)? {
            Step::Push(buffer) => imp.base().push(buffer)?,
            Step::Forward(event) => {
                imp.base().srcpad.push_event(event);
            }
            Step::Overdue => {
                if !(waits && element::await_oldest(imp)?) {
                    imp.with_passing(|passing| passing.line.excuse())?;
                }
            }
            Step::Nothing => return Ok(()),
        }
    }
}

/// Pushes a result on the pad that was requested for results, if one was, in the one of the `offered` caps that downstream wants.
///
/// # Errors
/// What both pads' downstreams say together.
pub(crate) fn push_result<I: PassThrough>(
    imp: &I,
    outcome: &Outcome<I::Meta>,
    offered: &gst::Caps,
    bytes: impl FnOnce(&gst::CapsRef) -> Result<Option<Vec<u8>>, gst::FlowError>,
) -> Result<(), gst::FlowError> {
    let Some(pad) = imp.base().results() else { return Ok(()) };
    let pushed = imp.source_of_results().and_then(|source| pad.push(&source, offered, outcome.place, bytes));
    imp.base().combine(pad.pad(), pushed)
}
