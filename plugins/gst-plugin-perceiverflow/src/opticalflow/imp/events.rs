//! Events and queries.

use std::{sync::atomic::Ordering, time::Instant};

use gst::{prelude::*, subclass::prelude::*};
use gst_video::VideoInfo;

use super::{OpticalFlow, lock};
use crate::{
    lateness::Lateness,
    opticalflow::{CAT, settings::Settings, stream::Stream},
    settings::ResultPolicy,
};

impl OpticalFlow {
    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let field_pad = self.field_pad();
        match event.view() {
            EventView::FlushStart(_) => {
                self.flush.wake();
                if let Some(field_pad) = field_pad {
                    field_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::FlushStop(_) => {
                // Before the element starts and after it stops there is nothing to forget.
                let _ = self.with_stream(Stream::reset);
                *lock(&self.lateness) = Lateness::default();
                lock(&self.flows).reset();
                self.flush.resume();
                if let Some(field_pad) = field_pad {
                    field_pad.resegment();
                    field_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::StreamStart(_) => {
                // What is left of the stream before goes out under its name.
                let closed = self.close().is_ok();
                if let Some(field_pad) = field_pad {
                    field_pad.restart();
                }
                lock(&self.flows).reset();
                closed && self.srcpad.push_event(event)
            }
            EventView::Caps(caps) => self.close().is_ok() && self.set_caps(caps.caps()) && self.srcpad.push_event(event),
            EventView::Segment(segment) => {
                self.close().is_ok() && self.set_segment(segment.segment()) && self.srcpad.push_event(event)
            }
            EventView::Gap(_) => {
                let placed = self.with_stream(|stream| {
                    stream.cut();
                    stream.event(event);
                });
                placed.and_then(|()| self.release(false)).is_ok()
            }
            EventView::Eos(_) => {
                let drained = self.with_stream(Stream::cut).and_then(|()| self.collect(true)).and_then(|()| self.release(false));
                let rest = lock(&self.report).rest(Instant::now());
                if let Some(untold) = rest {
                    self.warn_of(&untold);
                }
                if let (Some(field_pad), Ok(source)) = (field_pad, self.source_of_fields()) {
                    field_pad.end(&source, event.clone());
                }
                self.srcpad.push_event(event) && drained.is_ok()
            }
            _ if event.is_serialized() => {
                let placed = self.with_stream(|stream| stream.event(event));
                placed.and_then(|()| self.release(false)).is_ok()
            }
            _ => self.srcpad.push_event(event),
        }
    }

    fn set_caps(&self, caps: &gst::CapsRef) -> bool {
        match VideoInfo::from_caps(caps) {
            Ok(info) => {
                let set = self.with_stream(|stream| stream.set_info(info)).is_ok();
                self.announce_latency();
                set
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ["{caps:?}: {error}"]);
                false
            }
        }
    }

    fn set_segment(&self, segment: &gst::Segment) -> bool {
        let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
            gst::element_imp_error!(self, gst::StreamError::Format, ["segment in {:?}: accepted is time", segment.format()]);
            return false;
        };
        *lock(&self.lateness) = Lateness::default();
        if let Some(field_pad) = self.field_pad() {
            field_pad.resegment();
        }
        self.with_stream(|stream| stream.set_segment(segment.clone())).is_ok()
    }

    pub(super) fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            let (_, _, jitter, timestamp) = qos.get();
            lock(&self.lateness).report(timestamp, jitter);
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Allocation(allocation) => {
                if !self.srcpad.peer_query(allocation.query_mut()) {
                    return false;
                }
                self.keep_for_the_line(allocation);
                true
            }
            gst::QueryViewMut::Drain(_) => self.close().is_ok() && self.srcpad.peer_query(query),
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// Asks for as many buffers more as the element holds back itself, so that a bounded pool does not run dry.
    fn keep_for_the_line(&self, query: &mut gst::query::Allocation) {
        let Settings { inference, stream } = lock(&self.settings).clone();
        if stream.policy == ResultPolicy::Persist {
            return;
        }
        let held = stream.frame_distance + inference.max_size_buffers + 1;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (at, (pool, size, min, max)) in pools.into_iter().enumerate() {
            let max = if max == 0 { 0 } else { max.saturating_add(held) };
            query.set_nth_allocation_pool(at as u32, pool.as_ref(), size, min.saturating_add(held), max);
        }
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
        let [video, field] = self.delays().unwrap_or_default().map(|delay| gst::ClockTime::try_from(delay).unwrap_or_default());
        let own = if *pad == self.srcpad { video } else { field };
        latency.set(live, min + own, max.map(|max| max + own));
        gst::debug!(CAT, obj = pad, "latency {own} on {min} of upstream");
        true
    }
}
