//! Events and queries.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};

use super::{
    WindowStage, bus,
    line::Line,
    lock,
    streaming::{close, drain, release, with_line},
};
use crate::lateness::Lateness;

pub(super) fn sink_event<I: WindowStage>(imp: &I, event: gst::Event) -> bool {
    use gst::EventView;
    let stage = imp.stage();
    gst::log!(I::category(), imp = imp, "{event:?}");
    match event.view() {
        EventView::FlushStart(_) => {
            stage.flush.wake();
            stage.srcpad.push_event(event)
        }
        EventView::FlushStop(_) => {
            // Before the element starts and after it stops there is nothing to forget.
            let _ = with_line(imp, Line::reset);
            imp.forget();
            *lock(&stage.segment) = gst::FormattedSegment::new();
            *lock(&stage.lateness) = Lateness::default();
            stage.flush.resume();
            stage.srcpad.push_event(event)
        }
        // What is left of the stream before goes out under its name.
        EventView::StreamStart(_) => close(imp).is_ok() && stage.srcpad.push_event(event),
        EventView::Caps(caps) => close(imp).is_ok() && set_caps(imp, caps.caps()),
        EventView::Segment(segment) => {
            close(imp).is_ok() && set_segment(imp, segment.segment()) && stage.srcpad.push_event(event)
        }
        EventView::Eos(_) => {
            let drained = drain(imp);
            let rest = lock(&stage.report).rest(Instant::now());
            if let Some(untold) = rest {
                crate::bus::warn_of(&*imp.obj(), &untold, &bus::pace(imp));
            }
            stage.srcpad.push_event(event) && drained.is_ok()
        }
        EventView::Gap(_) => {
            let placed = with_line(imp, |line| {
                line.discontinuity();
                line.event(event);
            });
            placed.and_then(|()| release(imp)).is_ok()
        }
        _ if event.is_serialized() => with_line(imp, |line| line.event(event)).and_then(|()| release(imp)).is_ok(),
        _ => stage.srcpad.push_event(event),
    }
}

fn set_caps<I: WindowStage>(imp: &I, caps: &gst::CapsRef) -> bool {
    let stage = imp.stage();
    let Some(model) = lock(&stage.model).clone() else { return false };
    let rate = caps.structure(0).and_then(|structure| structure.get::<gst::Fraction>("framerate").ok());
    let period = rate
        .filter(|rate| rate.numer() > 0)
        .map(|rate| Duration::from_secs(1).mul_f64(f64::from(rate.denom()) / f64::from(rate.numer())));
    *lock(&stage.period) = period.unwrap_or_default();
    match imp.set_caps(caps, &model) {
        Ok(()) => {
            bus::announce_latency(imp);
            true
        }
        Err(error) => {
            imp.post_error_message(error);
            false
        }
    }
}

fn set_segment<I: WindowStage>(imp: &I, segment: &gst::Segment) -> bool {
    let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
        gst::element_imp_error!(imp, gst::StreamError::Format, ["segment in {:?}: accepted is time", segment.format()]);
        return false;
    };
    let stage = imp.stage();
    *lock(&stage.lateness) = Lateness::default();
    *lock(&stage.segment) = segment.clone();
    with_line(imp, |line| line.end = segment.start().unwrap_or_default()).is_ok()
}

pub(super) fn source_event<I: WindowStage>(imp: &I, pad: &gst::Pad, event: &gst::Event) -> bool {
    if let gst::EventView::Qos(qos) = event.view() {
        let (_, _, jitter, timestamp) = qos.get();
        lock(&imp.stage().lateness).report(timestamp, jitter);
    }
    gst::Pad::event_default(pad, Some(&*imp.obj()), event.clone())
}

pub(super) fn sink_query<I: WindowStage>(imp: &I, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        gst::QueryViewMut::Drain(_) => close(imp).is_ok() && imp.stage().srcpad.peer_query(query),
        _ => gst::Pad::query_default(pad, Some(&*imp.obj()), query),
    }
}

pub(super) fn source_query<I: WindowStage>(imp: &I, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
    let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
        return gst::Pad::query_default(pad, Some(&*imp.obj()), query);
    };
    let stage = imp.stage();
    let mut upstream = gst::query::Latency::new();
    if !stage.sinkpad.peer_query(&mut upstream) {
        return false;
    }
    let (live, min, max) = upstream.result();
    stage.live.store(live, Ordering::Relaxed);
    let own = gst::ClockTime::try_from(bus::delay(imp).unwrap_or_default()).unwrap_or_default();
    latency.set(live, min + own, max.map(|max| max + own));
    gst::debug!(I::category(), imp = imp, "latency {own} on {min} of upstream");
    true
}
