//! Events and queries.

use std::{sync::atomic::Ordering, time::Instant};

use gst::{prelude::*, subclass::prelude::*};

use super::{ModelElement, announce_latency, bus, lock};
use crate::lateness::Lateness;

pub(super) fn sink_event<I: ModelElement>(imp: &I, pad: &gst::Pad, event: gst::Event) -> bool {
    use gst::EventView;
    gst::log!(I::category(), obj = pad, "{event:?}");
    let base = imp.base();
    let results = base.results();
    match event.view() {
        EventView::FlushStart(_) => {
            imp.wake(false);
            if let Some(results) = results {
                results.pad().push_event(event.clone());
            }
            base.srcpad.push_event(event)
        }
        EventView::FlushStop(_) => {
            lock(&base.asked).withdraw();
            imp.reset();
            *lock(&base.lateness) = Lateness::default();
            lock(&base.flows).reset();
            imp.resume();
            if let Some(results) = results {
                results.resegment();
                results.pad().push_event(event.clone());
            }
            base.srcpad.push_event(event)
        }
        EventView::StreamStart(_) => {
            let begun = imp.begin_stream().is_ok();
            if let Some(results) = results {
                results.restart();
            }
            lock(&base.flows).reset();
            begun && base.srcpad.push_event(event)
        }
        EventView::Caps(caps) => imp.close().is_ok() && set_caps(imp, caps.caps(), &event),
        EventView::Segment(segment) => {
            learn_liveness(imp, pad);
            imp.close().is_ok()
                && set_segment(imp, segment.segment())
                && base.srcpad.push_event(event)
                && imp.announce_results().is_ok()
        }
        EventView::Gap(_) => imp.take_gap(event).is_ok(),
        EventView::Eos(_) => {
            let drained = imp.drain();
            let rest = lock(&base.report).rest(Instant::now());
            bus::warn_of(imp, rest);
            if let (Some(results), Ok(source)) = (results, imp.source_of_results()) {
                results.end(&source, event.clone());
            }
            base.srcpad.push_event(event) && drained.is_ok()
        }
        _ if event.is_serialized() => imp.take_event(event).is_ok(),
        _ => base.srcpad.push_event(event),
    }
}

fn set_caps<I: ModelElement>(imp: &I, caps: &gst::CapsRef, event: &gst::Event) -> bool {
    match imp.take_caps(caps) {
        Ok(out) => {
            announce_latency(imp);
            let event = if *out == *caps { event.clone() } else { gst::event::Caps::new(&out) };
            imp.base().srcpad.push_event(event)
        }
        Err(error) => {
            imp.post_error_message(error);
            false
        }
    }
}

fn set_segment<I: ModelElement>(imp: &I, segment: &gst::Segment) -> bool {
    let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
        gst::element_imp_error!(imp, gst::StreamError::Format, ["segment in {:?}: accepted is time", segment.format()]);
        return false;
    };
    let base = imp.base();
    *lock(&base.lateness) = Lateness::default();
    if let Some(results) = base.results() {
        results.resegment();
    }
    imp.take_segment(segment);
    true
}

/// Asks whether a stream comes at its own pace, before its first buffer.
pub(crate) fn learn_liveness<I: ModelElement>(imp: &I, pad: &gst::Pad) {
    let mut query = gst::query::Latency::new();
    if pad.peer_query(&mut query) && query.result().0 {
        imp.base().live.store(true, Ordering::Relaxed);
    }
}

/// Takes an event from downstream as all elements do.
pub(crate) fn source_event<I: ModelElement>(imp: &I, pad: &gst::Pad, event: gst::Event) -> bool {
    if let gst::EventView::Qos(qos) = event.view() {
        let (_, _, jitter, timestamp) = qos.get();
        lock(&imp.base().lateness).report(timestamp, jitter);
        // Only what passes through can be late; what joins it has no part in that.
        return imp.base().sinkpad.push_event(event);
    }
    gst::Pad::event_default(pad, Some(&*imp.obj()), event)
}

/// Answers a query from upstream as all elements do.
pub(crate) fn sink_query<I: ModelElement>(imp: &I, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        gst::QueryViewMut::Drain(_) => imp.close().is_ok() && imp.base().srcpad.peer_query(query),
        _ => gst::Pad::query_default(pad, Some(&*imp.obj()), query),
    }
}

/// Answers a query from downstream as all elements do.
pub(crate) fn source_query<I: ModelElement>(imp: &I, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
        return gst::Pad::query_default(pad, Some(&*imp.obj()), query);
    };
    let Some((live, min, max)) = imp.upstream_latency(pad) else { return false };
    let base = imp.base();
    base.live.fetch_or(live, Ordering::Relaxed);
    let [stream, results] = bus::delays(imp).unwrap_or_default().map(|delay| gst::ClockTime::try_from(delay).unwrap_or_default());
    let own = if *pad == base.srcpad { stream } else { results };
    latency.set(live, min + own, max.map(|max| max + own));
    gst::debug!(I::category(), obj = pad, "latency {own} on {min} of upstream");
    true
}
