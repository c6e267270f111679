//! What elements with a model say of themselves: refusals, warnings, statistics.

use gst::{glib, prelude::*};
use perceiverflow::{Error, engine::WorkerStats};

use crate::{
    pace::Pace,
    report::{Report, Untold},
};

/// Posts the element error of a model or setting that cannot be used.
pub(crate) fn refuse(element: &impl IsA<gst::Element>, error: &Error) -> gst::StateChangeError {
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

/// One warning for any number of lost windows.
pub(crate) fn warn_of(element: &impl IsA<gst::Element>, untold: &Untold, pace: &Pace) {
    let Untold { leaked, late, cut, broken, fault } = untold;
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
    let why = fault.clone().unwrap_or_else(|| pace.to_string());
    if *broken > 0 {
        gst::element_warning!(element, gst::StreamError::Failed, ("{text}"), ["{why}"], details: details);
    } else {
        gst::element_warning!(element, gst::CoreError::Clock, ("{text}"), ["{why}"], details: details);
    }
}

/// The property `stats`.
pub(crate) fn stats_property() -> glib::ParamSpec {
    glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
        .nick("Statistics")
        .blurb(
            "windows-in, windows-out, windows-dropped (uint64, of this element since it started); inference-ms-p50, \
             inference-ms-p99, mean-batch (double, of the shared model); real-time-factor (double, at least 1 keeps up)",
        )
        .read_only()
        .build()
}

/// The value of the property `stats`.
pub(crate) fn stats(report: &Report, worker: &WorkerStats, pace: &Pace) -> gst::Structure {
    gst::Structure::builder("perceiver-stats")
        .field("windows-in", report.windows_in)
        .field("windows-out", report.windows_out)
        .field("windows-dropped", report.windows_dropped)
        .field("inference-ms-p50", worker.p50.as_secs_f64() * 1e3)
        .field("inference-ms-p99", worker.p99.as_secs_f64() * 1e3)
        .field("mean-batch", worker.mean_batch)
        .field("real-time-factor", pace.factor().unwrap_or_default())
        .build()
}
