//! What an element says of itself: latency, messages, warnings, statistics, refusals.

use std::time::{Duration, Instant};

use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::Error;

use super::{ModelElement, lock};
use crate::{
    models::AskedModel,
    pace::Pace,
    queue::Leaky,
    report::{Loss, Untold},
};

/// How long the stream and the results beside it stay in the element, while it runs.
pub(super) fn delays<I: ModelElement>(imp: &I) -> Option<[Duration; 2]> {
    let base = imp.base();
    let inference = lock(&base.settings).inference.clone();
    let model = base.model().ok()?;
    let processing = inference.live.processing_latency.map_or_else(|| imp.expected(&model), Duration::from);
    let processing = processing + Duration::from(inference.model.batch_timeout);
    imp.delays(processing, inference.live.leaky == Leaky::No)
}

/// Tells the pipeline when the delays are others than it was told.
pub(crate) fn announce_latency<I: ModelElement>(imp: &I) {
    let Some(delays) = delays(imp) else { return };
    let before = lock(&imp.base().announced).replace(delays);
    if before != Some(delays) {
        gst::debug!(I::category(), imp = imp, "the stream stays {:?}, results {:?}", delays[0], delays[1]);
        post(imp, gst::message::Latency::builder().src(&*imp.obj()).build());
    }
}

/// Posts `perceiver-result` with what `write` adds to it, if anybody wants it.
pub(crate) fn post_result<I: ModelElement>(imp: &I, write: impl FnOnce(&mut gst::StructureRef)) {
    if !imp.base().live_settings().post_messages {
        return;
    }
    let mut structure = gst::Structure::new_empty("perceiver-result");
    write(&mut structure);
    post(imp, gst::message::Element::builder(structure).src(&*imp.obj()).build());
}

fn post<I: ModelElement>(imp: &I, message: gst::Message) {
    // Without a bus nobody listens.
    let _ = imp.obj().upcast_ref::<gst::Element>().post_message(message);
}

/// Counts the loss of a window.
pub(crate) fn lose<I: ModelElement>(imp: &I, loss: Loss, window: u64) {
    gst::debug!(I::category(), imp = imp, "window {window} dropped: {loss:?}");
    lock(&imp.base().report).lose(loss);
}

/// Counts the loss of a window that the model could not answer, and has nobody wait for it.
pub(crate) fn lose_broken<I: ModelElement>(imp: &I, error: &Error, window: u64) {
    imp.lost(window);
    lose(imp, Loss::Broken(error.to_string()), window);
}

/// Counts a window that has its result; warns of a model that makes a live stream wait.
pub(crate) fn count_out<I: ModelElement>(imp: &I) {
    let base = imp.base();
    lock(&base.report).windows_out += 1;
    if !base.is_live() || base.live_settings().leaky != Leaky::No {
        return;
    }
    let pace = pace(imp);
    let is_slow = pace.factor().is_some_and(|factor| factor > 0.0 && factor < 1.0);
    if is_slow && lock(&base.report).may_warn(Instant::now()) {
        gst::element_imp_warning!(
            imp,
            gst::CoreError::Clock,
            ("the model cannot keep up with a live stream, which waits for it"),
            ["{pace}; {}", I::REMEDY]
        );
    }
}

/// Warns of lost windows, if there are any and the last warning is long enough ago.
pub(crate) fn warn_if_due<I: ModelElement>(imp: &I) {
    let due = lock(&imp.base().report).due(Instant::now());
    warn_of(imp, due);
}

/// One warning for any number of lost windows.
pub(super) fn warn_of<I: ModelElement>(imp: &I, untold: Option<Untold>) {
    let Some(Untold { leaked, late, cut, broken, fault }) = untold else { return };
    let pace = pace(imp);
    let [inference, window] = pace.milliseconds();
    let details = gst::Structure::builder("perceiver-windows-dropped")
        .field("leaked", leaked)
        .field("late", late)
        .field("cut", cut)
        .field("broken", broken)
        .field("inference-ms", inference)
        .field("window-ms", window)
        .build();
    let text = format!(
        "windows dropped: {leaked} because the model cannot keep up, {late} too late for downstream, {cut} at the end of a \
         timeline, {broken} broken"
    );
    let why = fault.unwrap_or_else(|| pace.to_string());
    let element = imp.obj();
    let element = element.upcast_ref::<gst::Element>();
    if broken > 0 {
        gst::element_warning!(element, gst::StreamError::Failed, ("{text}"), ["{why}"], details: details);
    } else {
        gst::element_warning!(element, gst::CoreError::Clock, ("{text}"), ["{why}"], details: details);
    }
}

fn pace<I: ModelElement>(imp: &I) -> Pace {
    let stats = imp.base().model().map(|model| model.stats()).unwrap_or_default();
    Pace::new(&stats, imp.period())
}

/// The value of the property `stats`.
pub(super) fn stats<I: ModelElement>(imp: &I) -> gst::Structure {
    let base = imp.base();
    let worker = base.model().map(|model| model.stats()).unwrap_or_default();
    let pace = pace(imp);
    let mut stats = {
        let report = lock(&base.report);
        gst::Structure::builder("perceiver-stats")
            .field("windows-in", report.windows_in)
            .field("windows-out", report.windows_out)
            .field("windows-dropped", report.windows_dropped)
            .field("inference-ms-p50", worker.p50.as_secs_f64() * 1e3)
            .field("inference-ms-p99", worker.p99.as_secs_f64() * 1e3)
            .field("mean-batch", worker.mean_batch)
            .field("real-time-factor", pace.factor().unwrap_or_default())
            .build()
    };
    imp.add_stats(&mut stats);
    stats
}

/// Ends the stream with an error: it is none that the element can go on with.
pub(crate) fn broken<I: ModelElement>(imp: &I, error: &Error) -> gst::FlowError {
    gst::element_imp_error!(imp, gst::StreamError::Failed, ["{error}"]);
    gst::FlowError::Error
}

/// Posts the element error of a model or setting that cannot be used.
pub(super) fn refuse(element: &impl IsA<gst::Element>, error: &Error) -> gst::StateChangeError {
    element.post_error_message(refusal(error));
    gst::StateChangeError
}

/// The element error of a model or setting that cannot be used.
pub(crate) fn refusal(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::Option { name, .. } if name == "model" => gst::error_msg!(gst::ResourceError::NotFound, ["{error}"]),
        Error::Io { .. } | Error::Format { .. } | Error::Config { .. } | Error::Checkpoint { .. } | Error::Tensor { .. } => {
            gst::error_msg!(gst::ResourceError::Read, ["{error}"])
        }
        Error::Option { .. } | Error::Device { .. } => gst::error_msg!(gst::LibraryError::Settings, ["{error}"]),
        _ => gst::error_msg!(gst::LibraryError::Init, ["{error}"]),
    }
}
