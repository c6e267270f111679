//! What the element says of itself: latency, messages, warnings, statistics.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};

use super::{Classify, lock};
use crate::{
    bus,
    classify::{CAT, stream::Stream},
    meta::LabelsMeta,
    pace::Pace,
    queue::Leaky,
    report::{Loss, Untold},
};

impl Classify {
    /// How long buffers and labels stay in the element, while it runs.
    pub(super) fn delays(&self) -> Option<[Duration; 2]> {
        let inference = lock(&self.settings).inference.clone();
        let expected = lock(&self.model).as_ref().map(|loaded| loaded.expected)?;
        let processing = inference.live.processing_latency.map_or(expected, Duration::from);
        let processing = processing + Duration::from(inference.model.batch_timeout);
        let waits = inference.live.leaky == Leaky::No;
        let timing = self.with_stream(|stream| stream.timing(processing, waits)).ok()?;
        Some([timing.stream(), timing.labels()])
    }

    /// Tells the pipeline when the delays are others than it was told.
    pub(super) fn announce_latency(&self) {
        let Some(delays) = self.delays() else { return };
        let before = lock(&self.announced).replace(delays);
        if before != Some(delays) {
            gst::debug!(CAT, imp = self, "buffers stay {:?}, labels {:?}", delays[0], delays[1]);
            self.post(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    fn post(&self, message: gst::Message) {
        // Without a bus nobody listens.
        let _ = self.obj().post_message(message);
    }

    pub(super) fn post_result(&self, meta: &LabelsMeta) {
        let mut structure = gst::Structure::new_empty("perceiver-result");
        meta.write(&mut structure);
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
                ["{pace}; leaky=downstream or inference-interval help"]
            );
        }
    }

    fn pace(&self) -> Pace {
        let stats = lock(&self.model).as_ref().map(|loaded| loaded.model.stats()).unwrap_or_default();
        Pace::new(&stats, self.with_stream(|stream| Stream::stride(stream)).unwrap_or_default())
    }

    pub(super) fn stats(&self) -> gst::Structure {
        let worker = lock(&self.model).as_ref().map(|loaded| loaded.model.stats()).unwrap_or_default();
        let (pace, clips) = (self.pace(), self.clip_stats());
        let mut stats = bus::stats(&lock(&self.report), &worker, &pace);
        for (name, count) in [
            ("windows-left-out", clips.dropped + clips.empty),
            ("missing-pictures", clips.missing_pictures),
            ("missing-samples", clips.missing_samples),
            ("late-frames", clips.late_frames),
            ("late-samples", clips.late_samples),
        ] {
            stats.set(name, count);
        }
        stats
    }
}
