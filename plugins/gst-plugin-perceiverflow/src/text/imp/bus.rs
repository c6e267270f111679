//! What the element says of itself: latency, messages, warnings, statistics.

use std::time::Duration;

use gst::{prelude::*, subclass::prelude::*};

use super::{Text, lock};
use crate::{
    bus,
    pace::Pace,
    report::Untold,
    text::{CAT, model::Answer},
};

impl Text {
    /// How long a text stays in the element at most, while it runs.
    pub(super) fn delay(&self) -> Option<Duration> {
        let inference = lock(&self.settings).inference.clone();
        let measured = lock(&self.model).as_ref()?.expected();
        let processing = inference.live.processing_latency.map_or(measured, Duration::from);
        Some(processing + Duration::from(inference.model.batch_timeout))
    }

    /// Tells the pipeline when the delay is another than it was told.
    pub(super) fn announce_latency(&self) {
        let Some(delay) = self.delay() else { return };
        let before = lock(&self.announced).replace(delay);
        if before != Some(delay) {
            gst::debug!(CAT, imp = self, "texts stay {delay:?}");
            self.post(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    /// Posts `perceiver-result` with the text that leaves and what the model said of it.
    pub(super) fn post_result(&self, text: &str, answer: &Answer, top_k: usize, write: impl FnOnce(&mut gst::StructureRef)) {
        if !lock(&self.settings).inference.live.post_messages {
            return;
        }
        let mut structure = gst::Structure::builder("perceiver-result").field("text", text).build();
        write(&mut structure);
        if let Answer::Filled(filled) = answer {
            let gaps = filled.gaps();
            let guesses =
                gaps.iter().map(|gap| gst::Array::new(gap.guesses.iter().take(top_k).map(|guess| u32::from(guess.byte))));
            let shares =
                gaps.iter().map(|gap| gst::Array::new(gap.guesses.iter().take(top_k).map(|guess| f64::from(guess.probability))));
            structure.set("gaps", gst::Array::new(gaps.iter().map(|gap| gap.at as u32)));
            structure.set("guesses", gst::Array::new(guesses));
            structure.set("probabilities", gst::Array::new(shares));
        }
        self.post(gst::message::Element::builder(structure).src(&*self.obj()).build());
    }

    fn post(&self, message: gst::Message) {
        // Without a bus nobody listens.
        let _ = self.obj().post_message(message);
    }

    pub(super) fn warn_of(&self, untold: Option<Untold>) {
        if let Some(untold) = untold {
            bus::warn_of(&*self.obj(), &untold, &self.pace());
        }
    }

    pub(super) fn pace(&self) -> Pace {
        let stats = lock(&self.model).as_ref().map(|model| model.stats()).unwrap_or_default();
        Pace::new(&stats, lock(&self.stream).shown)
    }

    pub(super) fn stats(&self) -> gst::Structure {
        let worker = lock(&self.model).as_ref().map(|model| model.stats()).unwrap_or_default();
        let pace = self.pace();
        bus::stats(&lock(&self.report), &worker, &pace)
    }
}
