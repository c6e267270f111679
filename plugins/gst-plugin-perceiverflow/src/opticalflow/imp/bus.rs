//! What the element says of itself: latency, messages, warnings, statistics.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};

use super::{OpticalFlow, lock};
use crate::{
    bus,
    meta::FlowMeta,
    opticalflow::{CAT, latency::Timing, settings::Settings, stream::Outcome},
    pace::Pace,
    queue::Leaky,
    report::{Loss, Untold},
    settings::{InferenceSettings, ResultPolicy},
};

impl OpticalFlow {
    /// How long frames and fields stay in the element, while it runs.
    pub(super) fn delays(&self) -> Option<[Duration; 2]> {
        let Settings { inference, stream: settings } = lock(&self.settings).clone();
        let InferenceSettings { model: batches, max_size_buffers, live } = inference;
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
            spare: max_size_buffers,
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
        bus::warn_of(&*self.obj(), untold, &self.pace());
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
        Pace::new(&stats, stream)
    }

    pub(super) fn stats(&self) -> gst::Structure {
        let model = lock(&self.model).clone();
        let worker = model.map(|model| model.stats()).unwrap_or_default();
        let pace = self.pace();
        bus::stats(&lock(&self.report), &worker, &pace)
    }
}
