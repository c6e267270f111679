//! What a stage says of itself: latency, messages, statistics.

use std::time::Duration;

use gst::{prelude::*, subclass::prelude::*};

use super::{WindowStage, lock};
use crate::{pace::Pace, queue::Leaky};

/// How long a window stays in the element, while it runs.
pub(super) fn delay<I: WindowStage>(imp: &I) -> Option<Duration> {
    let stage = imp.stage();
    let settings = lock(&stage.settings).clone();
    let model = lock(&stage.model).clone()?;
    let period = *lock(&stage.period);
    let processing = settings.live.processing_latency.map_or_else(|| imp.processing(&model), Duration::from);
    let processing = processing + Duration::from(settings.model.batch_timeout);
    let waits = settings.live.leaky == Leaky::No;
    // One that never waits has windows before this one, and its answer leaves with the next.
    let own = if waits { processing } else { processing * (settings.max_size_buffers + 1) + period };
    Some(own + imp.kept(period))
}

/// Tells the pipeline when the delay is another than it was told.
pub(crate) fn announce_latency<I: WindowStage>(imp: &I) {
    let Some(delay) = delay(imp) else { return };
    let before = lock(&imp.stage().announced).replace(delay);
    if before != Some(delay) {
        gst::debug!(I::category(), imp = imp, "windows stay {delay:?}");
        post(imp, gst::message::Latency::builder().src(&*imp.obj()).build());
    }
}

/// Posts `perceiver-result` with what `write` adds to it.
pub(crate) fn post_result<I: WindowStage>(imp: &I, write: impl FnOnce(&mut gst::StructureRef)) {
    if !lock(&imp.stage().settings).live.post_messages {
        return;
    }
    let mut structure = gst::Structure::new_empty("perceiver-result");
    write(&mut structure);
    post(imp, gst::message::Element::builder(structure).src(&*imp.obj()).build());
}

fn post<I: WindowStage>(imp: &I, message: gst::Message) {
    // Without a bus nobody listens.
    let _ = imp.obj().upcast_ref::<gst::Element>().post_message(message);
}

pub(super) fn pace<I: WindowStage>(imp: &I) -> Pace {
    let stage = imp.stage();
    let model = lock(&stage.model).clone();
    let stats = model.map(|model| model.stats()).unwrap_or_default();
    Pace::new(&stats, *lock(&stage.period))
}

/// The property `stats`.
pub(crate) fn stats<I: WindowStage>(imp: &I) -> gst::Structure {
    let stage = imp.stage();
    let model = lock(&stage.model).clone();
    let worker = model.map(|model| model.stats()).unwrap_or_default();
    let pace = pace(imp);
    crate::bus::stats(&lock(&stage.report), &worker, &pace)
}
