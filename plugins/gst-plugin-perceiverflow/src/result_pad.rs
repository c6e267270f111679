//! A requested pad on which results go out beside the stream that they are of.

use std::sync::{Mutex, MutexGuard};

use gst::prelude::*;

use crate::lock::lock;

/// The pad and what has gone out on it. Only the streaming thread pushes here.
#[derive(Debug)]
pub(crate) struct ResultPad {
    pad: gst::Pad,
    sent: Mutex<Sent>,
}

#[derive(Clone, Debug, Default)]
struct Sent {
    stream: bool,
    segment: bool,
    /// The caps last offered downstream, and what it chose of them.
    negotiated: Option<(gst::Caps, gst::Caps)>,
    /// Where the last window ended.
    end: Option<gst::ClockTime>,
}

/// The stream that results come from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its timeline.
    pub(crate) segment: gst::FormattedSegment<gst::ClockTime>,
    /// The name of the results' stream, made from its name.
    pub(crate) stream_id: String,
    /// The group it belongs to.
    pub(crate) group: Option<gst::GroupId>,
}

/// When a result is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The window's number.
    pub(crate) window: u64,
    /// Its timestamp.
    pub(crate) start: gst::ClockTime,
    pub(crate) duration: gst::ClockTime,
}

impl ResultPad {
    /// Less than this between two windows is how their times were rounded.
    const LEAST_GAP: gst::ClockTime = gst::ClockTime::MSECOND;

    pub(crate) fn new(pad: gst::Pad) -> Self {
        Self { pad, sent: Mutex::default() }
    }

    pub(crate) fn pad(&self) -> &gst::Pad {
        &self.pad
    }

    /// Says what will come, and that nothing is there yet, so that a sink does not wait for the first result to be ready.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn announce(&self, source: &Source, offered: &gst::Caps, at: gst::ClockTime) -> Result<(), gst::FlowError> {
        if !self.pad.is_linked() || self.sent().segment {
            return Ok(());
        }
        self.prepare(source, offered)?;
        self.pad.push_event(gst::event::Gap::builder(at).duration(gst::ClockTime::ZERO).build());
        Ok(())
    }

    /// Pushes a result in the caps that downstream chooses of the `offered` ones, after whatever downstream must know before it: the
    /// stream, the caps if they are new, the segment, and a GAP in the place of windows that had no result. `bytes` writes the result
    /// in these caps; none of them makes its place a GAP.
    ///
    /// # Errors
    /// What downstream says; not-negotiated when it takes none of the caps.
    pub(crate) fn push(
        &self,
        source: &Source,
        offered: &gst::Caps,
        place: Place,
        bytes: impl FnOnce(&gst::CapsRef) -> Result<Option<Vec<u8>>, gst::FlowError>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if !self.pad.is_linked() {
            return Err(gst::FlowError::NotLinked);
        }
        let caps = self.prepare(source, offered)?;
        let Place { window, start, duration } = place;
        let last = self.sent().end.replace(start + duration);
        if let Some(end) = last.filter(|end| *end + Self::LEAST_GAP <= start) {
            self.pad.push_event(gst::event::Gap::builder(end).duration(start - end).build());
        }
        let Some(bytes) = bytes(&caps)? else {
            self.pad.push_event(gst::event::Gap::builder(start).duration(duration).build());
            return Ok(gst::FlowSuccess::Ok);
        };
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
    pub(crate) fn restart(&self) {
        *self.sent() = Sent::default();
    }

    /// A new timeline begins.
    pub(crate) fn resegment(&self) {
        let mut sent = self.sent();
        sent.segment = false;
        sent.end = None;
    }

    /// The stream ends.
    pub(crate) fn end(&self, source: &Source, eos: gst::Event) {
        self.begin(source);
        self.pad.push_event(eos);
    }

    /// Stream, caps and segment, as far as downstream does not know them.
    fn prepare(&self, source: &Source, offered: &gst::Caps) -> Result<gst::Caps, gst::FlowError> {
        self.begin(source);
        let caps = self.negotiate(offered)?;
        if !std::mem::replace(&mut self.sent().segment, true) {
            self.pad.push_event(gst::event::Segment::new(&source.segment));
        }
        Ok(caps)
    }

    fn begin(&self, source: &Source) {
        if !std::mem::replace(&mut self.sent().stream, true) {
            let event = gst::event::StreamStart::builder(&source.stream_id).group_id_if_some(source.group);
            self.pad.push_event(event.build());
        }
    }

    /// Agrees with downstream on one of the offered caps, if they are new or downstream wants others.
    fn negotiate(&self, offered: &gst::Caps) -> Result<gst::Caps, gst::FlowError> {
        let known = self.sent().negotiated.clone();
        let asked_again = self.pad.check_reconfigure();
        if let Some((_, chosen)) = known.filter(|(caps, _)| caps == offered && !asked_again) {
            return Ok(chosen);
        }
        let mut chosen = self.pad.peer_query_caps(Some(offered));
        if chosen.is_empty() {
            return Err(gst::FlowError::NotNegotiated);
        }
        chosen.fixate();
        if !self.pad.push_event(gst::event::Caps::new(&chosen)) {
            return Err(gst::FlowError::NotNegotiated);
        }
        self.sent().negotiated = Some((offered.clone(), chosen.clone()));
        Ok(chosen)
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        lock(&self.sent)
    }
}
