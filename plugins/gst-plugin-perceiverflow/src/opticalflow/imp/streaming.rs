//! Frames in, windows to the model, fields and frames out.

use std::{sync::Arc, time::Duration};

use gst::{prelude::*, subclass::prelude::*};
use gst_video::{VideoFrameRef, VideoInfo};
use perceiverflow::{
    Result,
    media::{FlowField, Picture},
};

use super::OpticalFlow;
use crate::{
    caps::{self, FieldMedia},
    colour::video_info,
    convert,
    element::{self, Base, ModelElement, Segment},
    latency::Timing,
    lock::lock,
    meta::FlowMeta,
    opticalflow::{CAT, field_bytes::field_bytes, line::Counted, model::FlowModel, settings::Settings, stream::Stream},
    passing::{self, PassThrough, Passing},
    queue::Leaky,
    report::Loss,
    result_pad::Source,
    settings::{self, ResultPolicy},
};

impl ModelElement for OpticalFlow {
    type Own = Settings;
    type Model = FlowModel;
    const REMEDY: &'static str = "leaky=downstream, inference-interval or scale=fit help";

    fn category() -> gst::DebugCategory {
        *CAT
    }

    fn base(&self) -> &Base<Self> {
        &self.base
    }

    fn start(&self, model: &Arc<FlowModel>, settings: &settings::Settings<Settings>) -> Result<()> {
        model.check(settings.own.tiling())?;
        *lock(&self.stream) = Some(Stream::new(settings.own, settings.inference.max_size_buffers)?);
        Ok(())
    }

    fn stop(&self) {
        let stream = lock(&self.stream).take();
        drop(stream);
    }

    fn expected(&self, model: &FlowModel) -> Duration {
        self.with_stream(|stream| {
            let size = stream.info().map_or((0, 0), |info| (info.width() as usize, info.height() as usize));
            model.expected(size, stream.settings().tiling())
        })
        .unwrap_or_default()
    }

    fn delays(&self, processing: Duration, waits: bool) -> Option<[Duration; 2]> {
        let spare = lock(&self.base.settings).inference.max_size_buffers;
        let (frame, settings) = self.with_stream(|stream| (stream.frame_time(), *stream.settings())).ok()?;
        let timing = Timing {
            buffer: frame,
            window: frame * settings.frame_distance,
            stride: frame,
            spare,
            processing,
            aligned: settings.policy == ResultPolicy::Aligned,
            waits,
        };
        Some([timing.stream(), timing.results()])
    }

    fn period(&self) -> Duration {
        self.with_stream(|stream| stream.frame_time() * stream.settings().inference_interval).unwrap_or_default()
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let waits = self.base.live_settings().leaky == Leaky::No;
        let picture = self.picture(&buffer)?;
        let (window, policy) = self.with_stream(|stream| (stream.frame(buffer, picture), stream.settings().policy))?;
        element::announce_latency(self);
        if let Some((running_time, job)) = window {
            lock(&self.base.report).windows_in += 1;
            if self.base.is_late(running_time) {
                self.lost(job.id);
                element::lose(self, Loss::Late, job.id);
            } else {
                element::ask(self, job)?;
            }
        }
        element::collect(self, waits && policy == ResultPolicy::Persist)?;
        passing::release(self, waits)?;
        element::warn_if_due(self);
        Ok(gst::FlowSuccess::Ok)
    }

    fn answered(&self, window: u64, model_hash: Arc<str>, field: Arc<FlowField>) -> Result<(), gst::FlowError> {
        let meta = |window| FlowMeta { field: field.clone(), window };
        let Some(outcome) = self.with_passing(|passing| passing.found(window, model_hash, meta))? else { return Ok(()) };
        gst::log!(CAT, imp = self, "window {window} at {}", outcome.place.start);
        element::count_out(self);
        element::post_result(self, |structure| {
            structure.set("mean-magnitude", f64::from(field.mean_magnitude()));
            structure.set("max-magnitude", f64::from(field.max_magnitude()));
            outcome.meta.window.write(structure);
        });
        let offered = caps::field(field.width(), field.height(), self.rate_of_fields()?);
        passing::push_result(self, &outcome, &offered, |caps| {
            let media = FieldMedia::of(caps).ok_or(gst::FlowError::NotNegotiated)?;
            let bytes = field_bytes(&field, media).map_err(|error| {
                gst::error!(CAT, imp = self, "window {window}: {error}");
                gst::FlowError::NotNegotiated
            })?;
            Ok(Some(bytes))
        })
    }

    fn lost(&self, window: u64) {
        // After the element has stopped nobody waits for it.
        let _ = self.with_passing(|passing| passing.lost(window));
    }

    fn withdrawn(&self) {
        let _ = self.with_passing(Passing::abandon);
    }

    fn close(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::cut)?;
        element::collect_or_withdraw(self)?;
        passing::release(self, false)
    }

    fn drain(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::cut)?;
        element::collect(self, true)?;
        passing::release(self, false)
    }

    fn reset(&self) {
        // Before the element starts and after it stops there is nothing to forget.
        let _ = self.with_stream(Stream::reset);
    }

    fn take_caps(&self, caps: &gst::CapsRef) -> Result<gst::Caps, gst::ErrorMessage> {
        let info = video_info(caps).map_err(|error| gst::error_msg!(gst::StreamError::Format, ["{caps:?}: {error}"]))?;
        let _ = self.with_stream(|stream| stream.set_info(info));
        Ok(caps.to_owned())
    }

    fn take_segment(&self, segment: &Segment) {
        let _ = self.with_stream(|stream| stream.set_segment(segment.clone()));
    }

    fn take_event(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        passing::take_event(self, event)
    }

    fn take_gap(&self, gap: gst::Event) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::cut)?;
        self.take_event(gap)
    }

    fn source_of_results(&self) -> Result<Source, gst::FlowError> {
        self.base.source_of("flow", self.with_passing(|passing| passing.segment.clone())?)
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Allocation(allocation) = query.view_mut() else {
            return element::sink_query(self, pad, query);
        };
        if !self.base.srcpad.peer_query(allocation.query_mut()) {
            return false;
        }
        self.keep_for_the_line(allocation);
        true
    }
}

impl PassThrough for OpticalFlow {
    type Meta = FlowMeta;
    type Policy = Counted;

    fn with_passing<R>(&self, f: impl FnOnce(&mut Passing<FlowMeta, Counted>) -> R) -> Result<R, gst::FlowError> {
        self.with_stream(|stream| f(&mut stream.passing))
    }
}

impl OpticalFlow {
    fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        lock(&self.stream).as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    fn picture(&self, buffer: &gst::BufferRef) -> Result<Picture, gst::FlowError> {
        let info = self.with_stream(|stream| stream.info().cloned())?.ok_or(gst::FlowError::NotNegotiated)?;
        let read = || -> Result<_, Box<dyn std::error::Error>> {
            Ok(convert::read(&VideoFrameRef::from_buffer_ref_readable(buffer, &info)?)?)
        };
        read().map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["frame cannot be read: {error}"]);
            gst::FlowError::Error
        })
    }

    /// Asks for as many buffers more as the element holds back itself, so that a bounded pool does not run dry.
    fn keep_for_the_line(&self, query: &mut gst::query::Allocation) {
        let (own, spare) = {
            let settings = lock(&self.base.settings);
            (settings.own, settings.inference.max_size_buffers)
        };
        if own.policy == ResultPolicy::Persist {
            return;
        }
        let held = own.frame_distance + spare + 1;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (at, (pool, size, min, max)) in pools.into_iter().enumerate() {
            let max = if max == 0 { 0 } else { max.saturating_add(held) };
            query.set_nth_allocation_pool(at as u32, pool.as_ref(), size, min.saturating_add(held), max);
        }
    }

    /// Fields in a second, 0/1 where that varies.
    fn rate_of_fields(&self) -> Result<gst::Fraction, gst::FlowError> {
        self.with_stream(|stream| {
            let interval = i32::try_from(stream.settings().inference_interval).unwrap_or(i32::MAX);
            stream.info().map_or(gst::Fraction::new(0, 1), VideoInfo::fps) / interval
        })
    }
}
