//! From NULL to PLAYING and back.

use std::{sync::atomic::Ordering, time::Instant};

use gst::subclass::prelude::*;
use perceiverflow::{Error, Result};

use super::{ModelElement, bus, lock};
use crate::{asked::Asked, lateness::Lateness, models::AskedModel, report::Report};

/// Changes the element's state: settings are checked first, the model is loaded before anything flows, and let go of after that.
///
/// # Errors
/// When a setting is none of those accepted, or the model cannot be loaded.
pub(crate) fn change_state<I: ModelElement>(
    imp: &I,
    transition: gst::StateChange,
) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
    let refuse = |error: Error| bus::refuse(&*imp.obj(), &error);
    match transition {
        gst::StateChange::NullToReady => {
            let model = lock(&imp.base().settings).inference.model.clone();
            model.key().map_err(refuse)?;
        }
        gst::StateChange::ReadyToPaused => start(imp).map_err(refuse)?,
        gst::StateChange::PausedToReady => imp.wake(true),
        _ => {}
    }
    let changed = imp.parent_change_state(transition);
    if transition == gst::StateChange::PausedToReady || (transition == gst::StateChange::ReadyToPaused && changed.is_err()) {
        stop(imp);
    }
    changed
}

/// Loads the model, or finds it loaded.
fn start<I: ModelElement>(imp: &I) -> Result<()> {
    let base = imp.base();
    let settings = lock(&base.settings).clone();
    let model = I::Model::shared(&settings.inference.model)?;
    imp.start(&model, &settings)?;
    *lock(&base.model) = Some(model);
    *lock(&base.asked) = Asked::new(settings.inference.max_size_buffers as usize);
    *lock(&base.report) = Report::default();
    *lock(&base.lateness) = Lateness::default();
    *lock(&base.announced) = None;
    lock(&base.flows).reset();
    base.live.store(false, Ordering::Relaxed);
    base.flush.resume();
    Ok(())
}

/// Lets go of model and stream. Whoever held the model last waits here for its thread.
fn stop<I: ModelElement>(imp: &I) {
    let base = imp.base();
    let rest = lock(&base.report).rest(Instant::now());
    bus::warn_of(imp, rest);
    imp.stop();
    let asked = std::mem::replace(&mut *lock(&base.asked), Asked::new(0));
    drop(asked);
    let model = lock(&base.model).take();
    drop(model);
    if let Some(results) = base.results() {
        results.restart();
    }
}
