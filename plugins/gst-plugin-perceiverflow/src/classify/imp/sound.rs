//! The pad `audio_sink`: its sound is handed to the stream, and ends here.

use std::sync::PoisonError;

use gst::{prelude::*, subclass::prelude::*};

use super::{Classify, Seek, lock};
use crate::{
    caps,
    classify::{CAT, stream::Stream},
    element,
    element::Segment,
    report::Loss,
    sound::SoundFormat,
};

impl Classify {
    pub(super) fn request_audio_pad(&self, template: &gst::PadTemplate) -> Option<gst::Pad> {
        if lock(&self.audio_pad).is_some() {
            gst::warning!(CAT, imp = self, "audio_sink is there already");
            return None;
        }
        let pad = gst::Pad::builder_from_template(template)
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain_sound(pad, &buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sound_event(pad, &event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sound_query(pad, query))
            })
            .iterate_internal_links_function(|_, parent| {
                Self::catch_panic_pad_function(parent, || gst::Iterator::from_vec(vec![]), |_| gst::Iterator::from_vec(vec![]))
            })
            .build();
        let element = self.obj().downgrade();
        pad.connect_linked(move |_, _| {
            if let Some(element) = element.upgrade() {
                element.imp().join_sound();
            }
        });
        let element = self.obj().downgrade();
        pad.connect_unlinked(move |_, _| {
            if let Some(element) = element.upgrade() {
                element.imp().part_sound();
            }
        });
        pad.set_active(true).ok()?;
        *lock(&self.audio_pad) = Some(pad.clone());
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    /// From here on windows wait for sound.
    fn join_sound(&self) {
        let mut state = lock(&self.state);
        state.sound_flushing = false;
        if let Some(stream) = &mut state.stream {
            stream.set_joined(true);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// From here on they do not.
    pub(super) fn part_sound(&self) {
        let mut state = lock(&self.state);
        state.sound_flushing = true;
        if let Some(stream) = &mut state.stream {
            stream.set_joined(false);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn chain_sound(&self, pad: &gst::Pad, buffer: &gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, obj = pad, "{buffer:?}");
        if !self.is_of_this_place()? {
            return Ok(gst::FlowSuccess::Ok);
        }
        let (format, time) = self.with_stream(|stream| (stream.sound.format, stream.place_sound(buffer)))?;
        let format = format.ok_or(gst::FlowError::NotNegotiated)?;
        // What lies outside the segment is not heard.
        let Some(time) = time else { return Ok(gst::FlowSuccess::Ok) };
        let chunk = buffer.map_readable().map_err(|_| gst::FlowError::Error).and_then(|bytes| {
            format.read(&bytes, time).map_err(|error| {
                gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
                gst::FlowError::Error
            })
        })?;
        let live = self.base.is_live();
        let heard = self.with_stream(|stream| stream.hear(chunk, live))?.map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
            gst::FlowError::Error
        })?;
        self.changed.notify_all();
        if !heard {
            gst::warning!(CAT, obj = pad, "sound at {time:?} left out: the video is far behind it");
            lock(&self.base.report).lose(Loss::Late);
        }
        if live { Ok(gst::FlowSuccess::Ok) } else { self.wait_for_pictures() }
    }

    /// Whether sound is of the place in the stream that the pictures are at: in a seek it may be left from before, or has to wait until
    /// they have come after it.
    fn is_of_this_place(&self) -> Result<bool, gst::FlowError> {
        let mut state = lock(&self.state);
        while let Some(Seek { stream_flushed, sound_flushed }) = state.seek {
            if state.sound_flushing {
                return Err(gst::FlowError::Flushing);
            }
            if stream_flushed {
                return Ok(sound_flushed);
            }
            if !sound_flushed {
                return Ok(true);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(true)
    }

    /// Waits until the next window needs sound again, or for a flush.
    fn wait_for_pictures(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut state = lock(&self.state);
        while !state.sound_flushing && state.stream.as_ref().is_some_and(Stream::sound_is_ahead) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.sound_flushing { Err(gst::FlowError::Flushing) } else { Ok(gst::FlowSuccess::Ok) }
    }

    fn sound_event(&self, pad: &gst::Pad, event: &gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        match event.view() {
            EventView::FlushStart(_) => {
                lock(&self.state).sound_flushing = true;
                self.changed.notify_all();
            }
            EventView::FlushStop(_) => {
                let mut state = lock(&self.state);
                state.sound_flushing = false;
                // In a seek what there is now belongs to the new place already, if the other stream was flushed first.
                let keep = state.seek.as_ref().is_some_and(|seek| seek.stream_flushed);
                if let Some(seek) = &mut state.seek {
                    seek.sound_flushed = true;
                }
                drop(state);
                let _ = self.with_stream(|stream| {
                    if !keep {
                        stream.forget_media();
                    }
                    stream.set_sound_segment(Segment::new());
                    stream.set_joined(true);
                });
                self.changed.notify_all();
            }
            EventView::StreamStart(_) => {
                let _ = self.with_stream(|stream| stream.set_joined(true));
            }
            EventView::Caps(caps) => {
                let format = SoundFormat::of(caps.caps());
                let _ = self.with_stream(|stream| stream.sound.format = format);
                return format.is_some();
            }
            EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    gst::element_imp_error!(self, gst::StreamError::Format, ["audio_sink: accepted is a segment in time"]);
                    return false;
                };
                element::learn_liveness(self, pad);
                let _ = self.with_stream(|stream| stream.set_sound_segment(segment.clone()));
            }
            EventView::Gap(gap) => {
                let (from, duration) = gap.get();
                let _ = self.with_stream(|stream| stream.sound_gap(from, duration.unwrap_or_default()));
                self.changed.notify_all();
            }
            EventView::Eos(_) => {
                let _ = self.with_stream(|stream| stream.set_joined(false));
                self.changed.notify_all();
            }
            // The sound ends here, and so does what else is said of it.
            _ => {}
        }
        true
    }

    fn sound_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(query) => {
                let caps = caps::audio(self.model_rate());
                let result = match query.filter_owned() {
                    Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
                    None => caps,
                };
                query.set_result(&result);
                true
            }
            gst::QueryViewMut::AcceptCaps(query) => {
                let accepted = query.caps().is_subset(&caps::audio(self.model_rate()));
                query.set_result(accepted);
                true
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// Samples a second that the model hears, once it is loaded; none where it hears nothing, and any will do.
    pub(super) fn model_rate(&self) -> Option<u32> {
        lock(&self.state).stream.as_ref().filter(|stream| stream.takes_sound()).map(|stream| stream.shape().sample_rate)
    }
}
