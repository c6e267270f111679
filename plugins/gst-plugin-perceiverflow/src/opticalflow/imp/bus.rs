//! What the element says of itself: latency, messages, warnings, statistics.

use std::{
    fmt,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};

use super::{OpticalFlow, lock};
use crate::{
    meta::FlowMeta,
    opticalflow::{
        CAT,
        latency::Timing,
        queue::Leaky,
        report::{Loss, Untold},
        settings::{ResultPolicy, Settings},
        stream::Outcome,
    },
};

impl OpticalFlow {
    /// How long frames and fields stay in the element, while it runs.
    pub(super) fn delays(&self) -> Option<[Duration; 2]> {
        let Settings { model: batches, stream: settings, live } = lock(&self.settings).clone();
        let model = lock(&self.model).clone()?;
        let (frame, size, settings) = lock(&self.stream)
            .as_ref()
            .map(|stream| {
                let size = stream.info().map_or((0, 0), |info| (info.width() as usize, info.height() as usize));
                (stream.frame_time(), size, *stream.settings())
            })
            .unwrap_or((Duration::ZERO, (0, 0), settings));
        let processing = live.processing_latency.map_or_else(|| model.expected(size, settings.tiling()), Duration::from);
        let timing = Timing {
            frame,
            distance: settings.frame_distance,
            spare: settings.max_size_buffers,
            processing: processing + batches.batch_timeout.into(),
            aligned: settings.policy == ResultPolicy::Aligned,
            waits: live.leaky == Leaky::No,
        };
        Some([timing.video(), timing.field()])
    }

    /// Tells the pipeline when the delays are others than it was told.
    pub(super) fn announce_latency(&self) {
        let Some(delays) = self.delays() else { return };
        let before = lock(&self.announced).replace(delays);
        if before != Some(delays) {
            gst::debug!(CAT, imp = self, "frames stay {:?}, fields {:?}", delays[0], delays[1]);
            self.post(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    fn post(&self, message: gst::Message) {
        // Without a bus nobody listens.
        let _ = self.obj().post_message(message);
    }

    pub(super) fn post_result(&self, outcome: &Outcome) {
        let FlowMeta { field, window } = &outcome.meta;
        let mut structure = gst::Structure::builder("perceiver-result")
            .field("mean-magnitude", f64::from(field.mean_magnitude()))
            .field("max-magnitude", f64::from(field.max_magnitude()))
            .build();
        window.write(&mut structure);
        self.post(gst::message::Element::builder(structure).src(&*self.obj()).build());
    }

    pub(super) fn lose(&self, loss: Loss, window: u64) {
        gst::debug!(CAT, imp = self, "window {window} dropped: {loss:?}");
        lock(&self.report).lose(loss);
    }

    pub(super) fn warn_if_due(&self) {
        let due = lock(&self.report).due(Instant::now());
        if let Some(untold) = due {
            self.warn_of(&untold);
        }
    }

    /// One warning for any number of lost windows.
    pub(super) fn warn_of(&self, untold: &Untold) {
        let Untold { leaked, late, cut, broken, fault } = untold;
        let pace = self.pace();
        let details = gst::Structure::builder("perceiver-windows-dropped")
            .field("leaked", leaked)
            .field("late", late)
            .field("cut", cut)
            .field("broken", broken)
            .field("inference-ms", pace.model.as_secs_f64() * 1e3)
            .field("window-ms", pace.stream.as_secs_f64() * 1e3)
            .build();
        let text = format!(
            "windows dropped: {leaked} because the model cannot keep up, {late} too late for downstream, {cut} at the end of a \
             timeline, {broken} broken"
        );
        let why = fault.clone().unwrap_or_else(|| pace.to_string());
        if *broken > 0 {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"), ["{why}"], details: details);
        } else {
            gst::element_imp_warning!(self, gst::CoreError::Clock, ("{text}"), ["{why}"], details: details);
        }
    }

    /// Warns of a model that makes a live stream wait.
    pub(super) fn warn_if_slow(&self) {
        if !self.live.load(Ordering::Relaxed) {
            return;
        }
        let pace = self.pace();
        if pace.factor().is_some_and(|factor| factor < 1.0) && lock(&self.report).may_warn(Instant::now()) {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Clock,
                ("the model cannot keep up with a live stream, which waits for it"),
                ["{pace}; leaky=downstream, inference-interval or scale=fit help"]
            );
        }
    }

    fn pace(&self) -> Pace {
        let model = lock(&self.model).clone();
        let stats = model.map(|model| model.stats()).unwrap_or_default();
        let stream = lock(&self.stream)
            .as_ref()
            .map_or(Duration::ZERO, |stream| stream.frame_time() * stream.settings().inference_interval);
        let model = u32::try_from(stats.windows_out).ok().and_then(|windows| stats.busy.checked_div(windows));
        Pace { model: model.unwrap_or_default(), stream }
    }

    pub(super) fn stats(&self) -> gst::Structure {
        let model = lock(&self.model).clone();
        let worker = model.map(|model| model.stats()).unwrap_or_default();
        let factor = self.pace().factor().unwrap_or_default();
        let report = lock(&self.report);
        gst::Structure::builder("perceiver-stats")
            .field("windows-in", report.windows_in)
            .field("windows-out", report.windows_out)
            .field("windows-dropped", report.windows_dropped)
            .field("inference-ms-p50", worker.p50.as_secs_f64() * 1e3)
            .field("inference-ms-p99", worker.p99.as_secs_f64() * 1e3)
            .field("mean-batch", worker.mean_batch)
            .field("real-time-factor", factor)
            .build()
    }
}

/// How fast the model is, and how fast it would have to be.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Mean time of a window in the model.
    model: Duration,
    /// From one window of the stream to the next; zero while unknown.
    stream: Duration,
}

impl Pace {
    /// Seconds of video handled in a second of the model; at least 1 keeps up. None before the first window.
    fn factor(&self) -> Option<f64> {
        (!self.model.is_zero()).then(|| self.stream.as_secs_f64() / self.model.as_secs_f64())
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a window takes the model {:.1?} and comes every {:.1?}", self.model, self.stream)
    }
}
