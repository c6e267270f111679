//! Events and queries.

use std::{sync::atomic::Ordering, time::Instant};

use gst::{prelude::*, subclass::prelude::*};
use gst_video::VideoInfo;

use super::{Classify, Seek, lock};
use crate::{
    caps,
    classify::{
        CAT,
        stream::{Media, Stream},
    },
    lateness::Lateness,
    settings::ResultPolicy,
    sound::SoundFormat,
};

impl Classify {
    pub(super) fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let text_pad = self.text_pad();
        match event.view() {
            EventView::FlushStart(_) => {
                self.wake(false);
                if let Some(text_pad) = text_pad {
                    text_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::FlushStop(_) => {
                // Before the element starts and after it stops there is nothing to forget.
                let _ = self.with_stream(Stream::reset);
                if let Some(seek) = &mut lock(&self.state).seek {
                    seek.stream_flushed = true;
                }
                *lock(&self.lateness) = Lateness::default();
                lock(&self.flows).reset();
                self.resume();
                self.changed.notify_all();
                if let Some(text_pad) = text_pad {
                    text_pad.resegment();
                    text_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::StreamStart(_) => {
                // What is left of the stream before goes out under its name.
                let closed = self.close().and_then(|()| self.with_stream(Stream::reopen)).is_ok();
                if let Some(text_pad) = text_pad {
                    text_pad.restart();
                }
                lock(&self.flows).reset();
                closed && self.srcpad.push_event(event)
            }
            EventView::Caps(caps) => self.close().is_ok() && self.set_caps(caps.caps()) && self.srcpad.push_event(event),
            EventView::Segment(segment) => {
                self.learn_liveness(pad);
                self.close().is_ok()
                    && self.set_segment(segment.segment())
                    && self.srcpad.push_event(event)
                    && self.announce_text().is_ok()
            }
            EventView::Gap(gap) => {
                let (from, duration) = gap.get();
                let placed = self.with_stream(|stream| {
                    stream.gap(from, duration.unwrap_or_default());
                    stream.event(event);
                });
                placed.and_then(|()| self.release(false)).is_ok()
            }
            EventView::Eos(_) => {
                let drained = self.drain();
                let rest = lock(&self.report).rest(Instant::now());
                if let Some(untold) = rest {
                    self.warn_of(&untold);
                }
                if let (Some(text_pad), Ok(source)) = (text_pad, self.source_of_text()) {
                    text_pad.end(&source, event.clone());
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
        let media = match SoundFormat::of(caps) {
            Some(format) => Ok(Media::Sound(format)),
            None => VideoInfo::from_caps(caps).map(Media::Video),
        };
        match media {
            Ok(Media::Sound(_)) if lock(&self.audio_pad).is_some() => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::WrongType,
                    ["sink has sound and audio_sink is there, too: accepted is video on sink beside it"]
                );
                false
            }
            Ok(media) => {
                let set = self.with_stream(|stream| stream.set_media(media)).is_ok();
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
        if let Some(text_pad) = self.text_pad() {
            text_pad.resegment();
        }
        self.with_stream(|stream| stream.set_segment(segment.clone())).is_ok()
    }

    /// Lets whoever takes the labels begin without them.
    fn announce_text(&self) -> Result<(), gst::FlowError> {
        let Some(pad) = self.text_pad() else { return Ok(()) };
        let source = self.source_of_text()?;
        let begin = source.segment.start().unwrap_or_default();
        match pad.announce(&source, &caps::labels(), begin) {
            // The next result says what is wrong.
            Ok(()) | Err(gst::FlowError::NotNegotiated) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks whether a stream comes at its own pace, before its first buffer.
    pub(super) fn learn_liveness(&self, pad: &gst::Pad) {
        let mut query = gst::query::Latency::new();
        if pad.peer_query(&mut query) && query.result().0 {
            self.live.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            let (_, _, jitter, timestamp) = qos.get();
            lock(&self.lateness).report(timestamp, jitter);
            // The sound has no part in how late pictures are.
            return self.sinkpad.push_event(event);
        }
        if event.type_() == gst::EventType::Seek {
            lock(&self.state).seek = Some(Seek::default());
            let sought = gst::Pad::event_default(pad, Some(&*self.obj()), event);
            lock(&self.state).seek = None;
            self.changed.notify_all();
            return sought;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    pub(super) fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Allocation(_) => self.srcpad.peer_query(query),
            gst::QueryViewMut::Drain(_) => self.close().is_ok() && self.srcpad.peer_query(query),
            gst::QueryViewMut::Caps(caps) => {
                let result = self.passing_caps(&self.srcpad, caps.filter_owned());
                caps.set_result(&result);
                true
            }
            gst::QueryViewMut::AcceptCaps(accept) => {
                let accepted = accept.caps().is_subset(&caps::video_or_audio(self.model_rate()));
                accept.set_result(accepted);
                true
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// What passes through and the neighbour behind `other` takes.
    fn passing_caps(&self, other: &gst::Pad, filter: Option<gst::Caps>) -> gst::Caps {
        let own = caps::video_or_audio(self.model_rate());
        let own = filter.map_or(own.clone(), |filter| filter.intersect_with_mode(&own, gst::CapsIntersectMode::First));
        other.peer_query_caps(Some(&own))
    }

    pub(super) fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => self.answer_latency(pad, latency),
            gst::QueryViewMut::Caps(caps) if *pad == self.srcpad => {
                let result = self.passing_caps(&self.sinkpad, caps.filter_owned());
                caps.set_result(&result);
                true
            }
            gst::QueryViewMut::Position(_) | gst::QueryViewMut::Duration(_) | gst::QueryViewMut::Seeking(_) => {
                self.sinkpad.peer_query(query)
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    fn answer_latency(&self, pad: &gst::Pad, latency: &mut gst::query::Latency) -> bool {
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (mut live, mut min, mut max) = upstream.result();
        let aligned = self.with_stream(|stream| stream.policy() == ResultPolicy::Aligned).unwrap_or_default();
        let sound = lock(&self.audio_pad).clone();
        // Labels wait for both streams; what only passes does not.
        if let Some(sound) = sound.filter(|_| aligned || *pad != self.srcpad) {
            let mut beside = gst::query::Latency::new();
            if sound.peer_query(&mut beside) {
                let (also_live, least, most) = beside.result();
                live |= also_live;
                min = min.max(least);
                max = [max, most].into_iter().flatten().min();
            }
        }
        self.live.fetch_or(live, Ordering::Relaxed);
        let [stream, labels] = self.delays().unwrap_or_default().map(|delay| gst::ClockTime::try_from(delay).unwrap_or_default());
        let own = if *pad == self.srcpad { stream } else { labels };
        latency.set(live, min + own, max.map(|max| max + own));
        gst::debug!(CAT, obj = pad, "latency {own} on {min} of upstream");
        true
    }
}
