//! Queries, and events from downstream.

use gst::prelude::*;

use super::{Classify, Seek, lock};
use crate::{caps, element, passing::PassThrough, settings::ResultPolicy};

impl Classify {
    pub(super) fn answer_upstream(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Allocation(_) => self.base.srcpad.peer_query(query),
            gst::QueryViewMut::Caps(caps) => {
                let result = self.passing_caps(&self.base.srcpad, caps.filter_owned());
                caps.set_result(&result);
                true
            }
            gst::QueryViewMut::AcceptCaps(accept) => {
                let accepted = accept.caps().is_subset(&caps::video_or_audio(self.model_rate()));
                accept.set_result(accepted);
                true
            }
            _ => element::sink_query(self, pad, query),
        }
    }

    pub(super) fn answer_downstream(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(caps) if *pad == self.base.srcpad => {
                let result = self.passing_caps(&self.base.sinkpad, caps.filter_owned());
                caps.set_result(&result);
                true
            }
            gst::QueryViewMut::Position(_) | gst::QueryViewMut::Duration(_) | gst::QueryViewMut::Seeking(_) => {
                self.base.sinkpad.peer_query(query)
            }
            _ => element::source_query(self, pad, query),
        }
    }

    /// What passes through and the neighbour behind `other` takes.
    fn passing_caps(&self, other: &gst::Pad, filter: Option<gst::Caps>) -> gst::Caps {
        let own = caps::video_or_audio(self.model_rate());
        let own = filter.map_or(own.clone(), |filter| filter.intersect_with_mode(&own, gst::CapsIntersectMode::First));
        other.peer_query_caps(Some(&own))
    }

    /// Labels wait for both streams; what only passes does not.
    pub(super) fn latency_before(&self, pad: &gst::Pad) -> Option<(bool, gst::ClockTime, Option<gst::ClockTime>)> {
        let mut upstream = gst::query::Latency::new();
        if !self.base.sinkpad.peer_query(&mut upstream) {
            return None;
        }
        let (mut live, mut min, mut max) = upstream.result();
        let aligned = self.with_stream(|stream| stream.policy() == ResultPolicy::Aligned).unwrap_or_default();
        let sound = lock(&self.audio_pad).clone();
        if let Some(sound) = sound.filter(|_| aligned || *pad != self.base.srcpad) {
            let mut beside = gst::query::Latency::new();
            if sound.peer_query(&mut beside) {
                let (also_live, least, most) = beside.result();
                live |= also_live;
                min = min.max(least);
                max = [max, most].into_iter().flatten().min();
            }
        }
        Some((live, min, max))
    }

    pub(super) fn seek(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        lock(&self.state).seek = Some(Seek::default());
        let sought = element::source_event(self, pad, event);
        lock(&self.state).seek = None;
        self.changed.notify_all();
        sought
    }

    /// Lets whoever takes the labels begin without them.
    pub(super) fn announce_text(&self) -> Result<(), gst::FlowError> {
        let Some(pad) = self.base.results() else { return Ok(()) };
        let begin = self.with_passing(|passing| passing.segment.start())?.unwrap_or_default();
        match pad.announce(&self.source_of_text()?, &caps::labels(), begin) {
            // The next result says what is wrong.
            Ok(()) | Err(gst::FlowError::NotNegotiated) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
