//! What `perceiverencode` and `perceiverdecode` have in common: windows come in one by one, are asked of the shared model, and what it
//! answers leaves in their order.

mod bus;
mod events;
mod line;
mod streaming;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::{
    Error,
    engine::{Answer, Question},
};

use self::line::Line;
pub(crate) use self::line::Placed;
use crate::{flush::Flush, lateness::Lateness, multimodal::MultimodalModel, report::Report, settings::InferenceSettings};

/// The state that both elements have. Only the streaming thread pushes; queries, properties and events from downstream come from other
/// threads.
///
/// Mutex order: none of these is taken while another is held, but for the windows' queue inside `line`. None is held while a model is
/// called or waited for, or while anything is pushed, posted or asked of another element.
pub(crate) struct Stage {
    pub(crate) sinkpad: gst::Pad,
    pub(crate) srcpad: gst::Pad,
    pub(crate) settings: Mutex<InferenceSettings>,
    pub(crate) model: Mutex<Option<Arc<MultimodalModel>>>,
    /// A model that takes the other's place before the next window.
    pub(crate) successor: Mutex<Option<Arc<MultimodalModel>>>,
    line: Mutex<Option<Line>>,
    pub(crate) segment: Mutex<gst::FormattedSegment<gst::ClockTime>>,
    /// From one window to the next; zero while unknown.
    period: Mutex<Duration>,
    report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delay that was last announced.
    announced: Mutex<Option<Duration>>,
    flush: Flush,
    live: AtomicBool,
}

/// What it guards is whole after a panic elsewhere: every change to it is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An element made of a [`Stage`]: what it asks of the model, and what it makes of the answers.
pub(crate) trait WindowStage: ElementImpl {
    /// The element's debug category.
    fn category() -> gst::DebugCategory;

    /// The common state.
    fn stage(&self) -> &Stage;

    /// Takes the caps of the windows to come, for this model, and tells downstream what will come of them.
    ///
    /// # Errors
    /// When they are not what the model takes; with the caps that would be accepted.
    fn set_caps(&self, caps: &gst::CapsRef, model: &MultimodalModel) -> Result<(), gst::ErrorMessage>;

    /// What is to be asked of the window that a buffer holds; the place may be completed.
    ///
    /// # Errors
    /// When the buffer does not hold a window of the model.
    fn question(&self, buffer: &gst::BufferRef, placed: &mut Placed, model: &MultimodalModel) -> Result<Question, Error>;

    /// Pushes what the model answered.
    ///
    /// # Errors
    /// What downstream says.
    fn give(&self, placed: Placed, answer: Answer) -> Result<(), gst::FlowError>;

    /// Whether a lost window leaves a hole, so that downstream is to be told.
    fn leaves_hole(&self) -> bool {
        true
    }

    /// Pushes what was kept for windows to come: there are none that follow.
    ///
    /// # Errors
    /// What downstream says.
    fn give_rest(&self) -> Result<(), gst::FlowError> {
        Ok(())
    }

    /// Forgets what was kept for windows to come.
    fn forget(&self) {}

    /// How long one window takes the model, as far as is known.
    fn processing(&self, model: &MultimodalModel) -> Duration;

    /// How long an answer is kept for the windows to come.
    fn kept(&self, _period: Duration) -> Duration {
        Duration::ZERO
    }
}

impl Stage {
    /// The stage of an element, with its pads by the templates of its class.
    pub(crate) fn new<I: WindowStage>(template: impl Fn(&str) -> Option<gst::PadTemplate>) -> Self {
        let template = |name| template(name).expect("the class has it");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                I::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| streaming::chain(imp, &buffer))
            })
            .event_function(|_, parent, event| {
                I::catch_panic_pad_function(parent, || false, |imp| events::sink_event(imp, event))
            })
            .query_function(|pad, parent, query| {
                I::catch_panic_pad_function(parent, || false, |imp| events::sink_query(imp, pad, query))
            })
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .event_function(|pad, parent, event| {
                I::catch_panic_pad_function(parent, || false, |imp| events::source_event(imp, pad, &event))
            })
            .query_function(|pad, parent, query| {
                I::catch_panic_pad_function(parent, || false, |imp| events::source_query(imp, pad, query))
            })
            .flags(gst::PadFlags::FIXED_CAPS)
            .build();
        Self {
            sinkpad,
            srcpad,
            // No multimodal model is built in: the user names one.
            settings: Mutex::new(InferenceSettings::new("")),
            model: Mutex::default(),
            successor: Mutex::default(),
            line: Mutex::default(),
            segment: Mutex::new(gst::FormattedSegment::new()),
            period: Mutex::default(),
            report: Mutex::default(),
            lateness: Mutex::default(),
            announced: Mutex::default(),
            flush: Flush::default(),
            live: AtomicBool::new(false),
        }
    }

    /// Adds the pads to their element.
    pub(crate) fn add_pads(&self, element: &impl IsA<gst::Element>) {
        for pad in [&self.sinkpad, &self.srcpad] {
            element.add_pad(pad).expect("a new element has no pad of that name");
        }
    }
}

/// Does before and after a change of state what the stage has to; `start` once the model is loaded.
pub(crate) fn change_state<I: WindowStage>(
    imp: &I,
    transition: gst::StateChange,
    start: impl FnOnce(&MultimodalModel) -> Result<(), Error>,
) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
    let stage = imp.stage();
    let refuse = |error: Error| crate::bus::refuse(&*imp.obj(), &error);
    match transition {
        gst::StateChange::NullToReady => {
            let model = lock(&stage.settings).model.clone();
            model.key().map_err(refuse)?;
        }
        gst::StateChange::ReadyToPaused => {
            let settings = lock(&stage.settings).clone();
            let model = MultimodalModel::shared(&settings.model).map_err(refuse)?;
            start(&model).map_err(refuse)?;
            *lock(&stage.model) = Some(model);
            *lock(&stage.line) = Some(Line::new(settings.max_size_buffers as usize));
            *lock(&stage.segment) = gst::FormattedSegment::new();
            *lock(&stage.period) = Duration::ZERO;
            *lock(&stage.report) = Report::default();
            *lock(&stage.lateness) = Lateness::default();
            *lock(&stage.announced) = None;
            stage.live.store(false, std::sync::atomic::Ordering::Relaxed);
            stage.flush.resume();
        }
        gst::StateChange::PausedToReady => stage.flush.wake(),
        _ => {}
    }
    let changed = imp.parent_change_state(transition);
    if transition == gst::StateChange::PausedToReady || (transition == gst::StateChange::ReadyToPaused && changed.is_err()) {
        stop(imp);
    }
    changed
}

/// Lets go of model and stream. Whoever held the model last waits here for its thread.
fn stop<I: WindowStage>(imp: &I) {
    let stage = imp.stage();
    let rest = lock(&stage.report).rest(Instant::now());
    if let Some(untold) = rest {
        crate::bus::warn_of(&*imp.obj(), &untold, &bus::pace(imp));
    }
    imp.forget();
    let line = lock(&stage.line).take();
    drop(line);
    let models = [&stage.model, &stage.successor].map(|model| lock(model).take());
    drop(models);
}

pub(crate) use self::{
    bus::{announce_latency, post_result, stats},
    streaming::flow_error,
};
