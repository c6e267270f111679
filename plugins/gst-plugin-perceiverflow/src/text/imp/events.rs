//! Events and queries.

use std::{sync::atomic::Ordering, time::Instant};

use gst::{prelude::*, subclass::prelude::*};

use super::{Text, lock};
use crate::{caps, lateness::Lateness, text::CAT};

impl Text {
    /// No text waits in the element, so every event keeps its place.
    pub(super) fn sink_event(&self, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, imp = self, "{event:?}");
        match event.view() {
            EventView::FlushStart(_) => self.flush.wake(),
            EventView::FlushStop(_) => {
                lock(&self.stream).segment = gst::FormattedSegment::new();
                *lock(&self.lateness) = Lateness::default();
                self.flush.resume();
            }
            EventView::Caps(given) => {
                lock(&self.stream).markup = caps::is_markup(given.caps());
                return self.srcpad.push_event(gst::event::Caps::new(&caps::text()));
            }
            EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    let format = segment.segment().format();
                    gst::element_imp_error!(self, gst::StreamError::Format, ["segment in {format:?}: accepted is time"]);
                    return false;
                };
                lock(&self.stream).segment = segment.clone();
                *lock(&self.lateness) = Lateness::default();
            }
            EventView::Eos(_) => {
                let rest = lock(&self.report).rest(Instant::now());
                self.warn_of(rest);
            }
            _ => {}
        }
        self.srcpad.push_event(event)
    }

    pub(super) fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            let (_, _, jitter, timestamp) = qos.get();
            lock(&self.lateness).report(timestamp, jitter);
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    pub(super) fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        self.live.store(live, Ordering::Relaxed);
        let own = gst::ClockTime::try_from(self.delay().unwrap_or_default()).unwrap_or_default();
        latency.set(live, min + own, max.map(|max| max + own));
        gst::debug!(CAT, imp = self, "latency {own} on {min} of upstream");
        true
    }
}
