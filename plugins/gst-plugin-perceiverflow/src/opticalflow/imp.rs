//! The shell: properties, pads, states. What a pad does when data, an event or a query comes is in the modules below.

mod bus;
mod events;
mod streaming;

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gst::{glib, prelude::*, subclass::prelude::*};
use perceiverflow::Error;

use super::{CAT, model::FlowModel, settings::Settings, stream::Stream};
use crate::{caps, flush::Flush, lateness::Lateness, report::Report, result_pad::ResultPad};

/// The element's state. Only the streaming thread pushes; queries, properties and events from downstream come from other threads.
///
/// Mutex order: none of these is taken while another is held, but for the windows' queue inside `stream`. None is held while a
/// model is called or waited for, or while anything is pushed, posted or asked of another element.
pub struct OpticalFlow {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    field_pad: Mutex<Option<Arc<ResultPad>>>,
    settings: Mutex<Settings>,
    model: Mutex<Option<Arc<FlowModel>>>,
    stream: Mutex<Option<Stream>>,
    flows: Mutex<gst_base::UniqueFlowCombiner>,
    report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delays of frames and fields that were last announced.
    announced: Mutex<Option<[Duration; 2]>>,
    flush: Flush,
    live: AtomicBool,
}

/// What it guards is whole after a panic elsewhere: every change to it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for OpticalFlow {
    const NAME: &'static str = "GstPerceiverOpticalFlow";
    type Type = super::OpticalFlow;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("the class has it");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_query(pad, query))
            })
            .iterate_internal_links_function(|_, parent| {
                Self::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(vec![]),
                    |imp| gst::Iterator::from_vec(vec![imp.srcpad.clone()]),
                )
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let srcpad = Self::source(&template("src"), gst::PadFlags::PROXY_CAPS);
        let mut flows = gst_base::UniqueFlowCombiner::new();
        flows.add_pad(&srcpad);
        Self {
            sinkpad,
            srcpad,
            field_pad: Mutex::default(),
            settings: Mutex::default(),
            model: Mutex::default(),
            stream: Mutex::default(),
            flows: Mutex::new(flows),
            report: Mutex::default(),
            lateness: Mutex::default(),
            announced: Mutex::default(),
            flush: Flush::default(),
            live: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for OpticalFlow {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(super::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
        self.announce_latency();
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                glib::subclass::Signal::builder("reload-model")
                    .return_type::<bool>()
                    .action()
                    .class_handler(|args| {
                        let element = args[0].get::<super::OpticalFlow>().expect("a signal's first argument is its object");
                        Some(element.imp().reload_model().to_value())
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        for pad in [&self.sinkpad, &self.srcpad] {
            element.add_pad(pad).expect("a new element has no pad of that name");
        }
    }
}

impl GstObjectImpl for OpticalFlow {}

impl ElementImpl for OpticalFlow {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_additional(
                "Perceiver optical flow",
                "Filter/Analyzer/Video",
                "Estimates the motion of every pixel with a Perceiver IO model and attaches it to the frames",
                env!("CARGO_PKG_AUTHORS"),
                &[(
                    "Example",
                    "gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiveropticalflow ! perceiveroverlay ! \
                     videoconvert ! autovideosink",
                )],
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::{PadDirection, PadPresence};
            [
                ("sink", PadDirection::Sink, PadPresence::Always, caps::video()),
                ("src", PadDirection::Src, PadPresence::Always, caps::video()),
                ("flow_src", PadDirection::Src, PadPresence::Request, caps::any_field()),
            ]
            .map(|(name, direction, presence, caps)| {
                gst::PadTemplate::new(name, direction, presence, &caps).expect("the caps are valid")
            })
            .into()
        });
        &TEMPLATES
    }

    fn request_new_pad(&self, template: &gst::PadTemplate, _name: Option<&str>, _caps: Option<&gst::Caps>) -> Option<gst::Pad> {
        if lock(&self.field_pad).is_some() {
            gst::warning!(CAT, imp = self, "flow_src is there already; put a tee behind it");
            return None;
        }
        let pad = Self::source(template, gst::PadFlags::empty());
        pad.set_active(true).ok()?;
        lock(&self.flows).add_pad(&pad);
        *lock(&self.field_pad) = Some(Arc::new(ResultPad::new(pad.clone())));
        self.obj().add_pad(&pad).ok()?;
        Some(pad)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let ours = lock(&self.field_pad).take_if(|ours| ours.pad() == pad);
        if ours.is_some() {
            lock(&self.flows).remove_pad(pad);
            // A pad that does not go inactive is removed all the same.
            let _ = pad.set_active(false);
            let _ = self.obj().remove_pad(pad);
        }
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.check_settings()?,
            gst::StateChange::ReadyToPaused => self.start()?,
            gst::StateChange::PausedToReady => self.flush.wake(),
            _ => {}
        }
        let changed = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady || (transition == gst::StateChange::ReadyToPaused && changed.is_err()) {
            self.stop();
        }
        changed
    }
}

/// Starting and stopping.
impl OpticalFlow {
    fn source(template: &gst::PadTemplate, flags: gst::PadFlags) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_query(pad, query))
            })
            .iterate_internal_links_function(|_, parent| {
                Self::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(vec![]),
                    |imp| gst::Iterator::from_vec(vec![imp.sinkpad.clone()]),
                )
            })
            .flags(flags)
            .build()
    }

    fn check_settings(&self) -> Result<(), gst::StateChangeError> {
        let model = lock(&self.settings).inference.model.clone();
        model.key().map(drop).map_err(|error| self.refuse(&error))
    }

    /// Loads the model, or finds it loaded.
    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = lock(&self.settings).clone();
        let model = FlowModel::shared(&settings.inference.model)
            .and_then(|model| model.check(settings.stream.tiling()).map(|()| model))
            .map_err(|error| self.refuse(&error))?;
        let stream =
            Stream::new(settings.stream, settings.inference.max_size_buffers as usize).map_err(|error| self.refuse(&error))?;
        *lock(&self.model) = Some(model);
        *lock(&self.stream) = Some(stream);
        *lock(&self.report) = Report::default();
        *lock(&self.lateness) = Lateness::default();
        *lock(&self.announced) = None;
        lock(&self.flows).reset();
        self.live.store(false, Ordering::Relaxed);
        self.flush.resume();
        Ok(())
    }

    /// Lets go of model and stream. Whoever held the model last waits here for its thread.
    fn stop(&self) {
        let rest = lock(&self.report).rest(Instant::now());
        if let Some(untold) = rest {
            self.warn_of(&untold);
        }
        let stream = lock(&self.stream).take();
        drop(stream);
        let model = lock(&self.model).take();
        drop(model);
        if let Some(pad) = self.field_pad() {
            pad.restart();
        }
    }

    fn refuse(&self, error: &Error) -> gst::StateChangeError {
        crate::bus::refuse(&*self.obj(), error)
    }

    fn reload_model(&self) -> bool {
        let Some(old) = lock(&self.model).clone() else {
            gst::warning!(CAT, imp = self, "reload-model: no model is loaded before PAUSED");
            return false;
        };
        let settings = lock(&self.settings).inference.model.clone();
        match old.reloaded(&settings) {
            Ok(new) => {
                // The last holder of the old one waits for its windows, after the lock is free.
                let replaced = lock(&self.model).as_mut().map(|model| std::mem::replace(model, new));
                drop(replaced);
                self.announce_latency();
                true
            }
            Err(error) => {
                gst::element_imp_warning!(self, gst::ResourceError::Read, ["the model stays as it is: {error}"]);
                false
            }
        }
    }
}
