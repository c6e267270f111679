//! The pad `flow_src`: raw fields, in the form that downstream accepts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use perceiverflow::{Result, formats::flo, media::FlowField};

use super::stream::Outcome;
use crate::caps::{self, FieldMedia};

/// The pad and what has gone out on it. Only the streaming thread pushes here.
#[derive(Debug)]
pub(super) struct FieldPad {
    pad: gst::Pad,
    sent: Mutex<Sent>,
}

#[derive(Clone, Debug, Default)]
struct Sent {
    stream: bool,
    segment: bool,
    /// The caps last offered downstream, and the choice it made.
    negotiated: Option<(gst::Caps, FieldMedia)>,
    /// The last window, and where it ended.
    last: Option<(u64, gst::ClockTime)>,
}

/// What the fields come from.
#[derive(Debug)]
pub(super) struct Source {
    /// The timeline of the video.
    pub(super) segment: gst::FormattedSegment<gst::ClockTime>,
    /// Fields in a second, 0/1 where that varies.
    pub(super) framerate: gst::Fraction,
    /// The stream's name, made from the video's.
    pub(super) stream_id: String,
    /// The group of the video's stream.
    pub(super) group: Option<gst::GroupId>,
}

impl FieldPad {
    pub(super) fn new(pad: gst::Pad) -> Self {
        Self { pad, sent: Mutex::default() }
    }

    pub(super) fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    /// Pushes one field, after whatever downstream must know before it: the stream, the caps if they are new, the segment, and a GAP
    /// in the place of windows that had no result.
    ///
    /// # Errors
    /// What downstream says; not-negotiated when it takes neither form.
    pub(super) fn push(&self, source: &Source, outcome: &Outcome) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.pad.is_linked() {
            return Err(gst::FlowError::NotLinked);
        }
        self.begin(source);
        let field = &*outcome.meta.field;
        let media = self.negotiate(&caps::field(field.width(), field.height(), source.framerate))?;
        if !std::mem::replace(&mut self.sent().segment, true) {
            self.pad.push_event(gst::event::Segment::new(&source.segment));
        }
        let (window, start, duration) = (outcome.meta.window.id, outcome.pts, outcome.meta.window.duration);
        let last = self.sent().last.replace((window, start + duration));
        if let Some((last, end)) = last
            && window > last + 1
            && start > end
        {
            self.pad.push_event(gst::event::Gap::builder(end).duration(start - end).build());
        }
        let bytes = bytes(field, media).map_err(|error| {
            gst::error!(super::CAT, obj = self.pad, "window {window}: {error}");
            gst::FlowError::NotNegotiated
        })?;
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(start);
            buffer.set_duration(duration);
            buffer.set_offset(window);
        }
        self.pad.push(buffer)
    }

    /// A new stream begins: everything is to be announced again.
    pub(super) fn restart(&self) {
        *self.sent() = Sent::default();
    }

    /// A new timeline begins.
    pub(super) fn resegment(&self) {
        let mut sent = self.sent();
        sent.segment = false;
        sent.last = None;
    }

    /// The stream ends.
    pub(super) fn end(&self, source: &Source, eos: gst::Event) {
        self.begin(source);
        self.pad.push_event(eos);
    }

    fn begin(&self, source: &Source) {
        if !std::mem::replace(&mut self.sent().stream, true) {
            let event = gst::event::StreamStart::builder(&source.stream_id).group_id_if_some(source.group);
            self.pad.push_event(event.build());
        }
    }

    /// Agrees with downstream on one of the offered caps, if they are new or downstream wants others.
    fn negotiate(&self, offered: &gst::Caps) -> Result<FieldMedia, gst::FlowError> {
        let known = self.sent().negotiated.clone();
        let asked_again = self.pad.check_reconfigure();
        if let Some((_, media)) = known.filter(|(caps, _)| caps == offered && !asked_again) {
            return Ok(media);
        }
        let mut chosen = self.pad.peer_query_caps(Some(offered));
        if chosen.is_empty() {
            return Err(gst::FlowError::NotNegotiated);
        }
        chosen.fixate();
        let media = FieldMedia::of(&chosen).ok_or(gst::FlowError::NotNegotiated)?;
        if !self.pad.push_event(gst::event::Caps::new(&chosen)) {
            return Err(gst::FlowError::NotNegotiated);
        }
        self.sent().negotiated = Some((offered.clone(), media));
        Ok(media)
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The field as downstream wants it.
fn bytes(field: &FlowField, media: FieldMedia) -> Result<Vec<u8>> {
    match media {
        FieldMedia::Tensors => Ok(field.uv().as_flattened().iter().flat_map(|component| component.to_ne_bytes()).collect()),
        FieldMedia::Flo => flo::encode(field),
    }
}
