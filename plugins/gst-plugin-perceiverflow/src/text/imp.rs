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

use super::{
    CAT, Output,
    model::{Kind, TextModel},
    settings::Settings,
};
use crate::{bus::stats_property, caps, flush::Flush, lateness::Lateness, report::Report};

/// The element's state. Only the streaming thread pushes; queries, properties and events from downstream come from other threads.
///
/// Mutex order: none of these is taken while another is held. None is held while a model is called or waited for, or while anything is
/// pushed, posted or asked of another element.
pub struct Text {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    settings: Mutex<Settings>,
    model: Mutex<Option<Arc<TextModel>>>,
    stream: Mutex<Stream>,
    report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delay that was last announced.
    announced: Mutex<Option<Duration>>,
    flush: Flush,
    live: AtomicBool,
}

/// What is known of the texts that come in.
#[derive(Debug)]
struct Stream {
    /// Whether they have markup in them.
    markup: bool,
    segment: gst::FormattedSegment<gst::ClockTime>,
    /// How long the newest is shown; zero while unknown.
    shown: Duration,
}

impl Default for Stream {
    fn default() -> Self {
        Self { markup: false, segment: gst::FormattedSegment::new(), shown: Duration::ZERO }
    }
}

/// What it guards is whole after a panic elsewhere: every change to it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for Text {
    const NAME: &'static str = "GstPerceiverText";
    type Type = super::Text;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("the class has it");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(buffer))
            })
            .event_function(|_, parent, event| Self::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(event)))
            .build();
        let srcpad = gst::Pad::builder_from_template(&template("src"))
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_query(pad, query))
            })
            .flags(gst::PadFlags::FIXED_CAPS)
            .build();
        Self {
            sinkpad,
            srcpad,
            settings: Mutex::default(),
            model: Mutex::default(),
            stream: Mutex::default(),
            report: Mutex::default(),
            lateness: Mutex::default(),
            announced: Mutex::default(),
            flush: Flush::default(),
            live: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for Text {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = Settings::properties();
            properties.push(stats_property());
            properties
        });
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
                        let element = args[0].get::<super::Text>().expect("a signal's first argument is its object");
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

impl GstObjectImpl for Text {}

impl ElementImpl for Text {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_additional(
                "Perceiver text",
                "Filter/Analyzer/Subtitle",
                "Fills masked bytes of text, or says what it is about, with a Perceiver IO language model",
                env!("CARGO_PKG_AUTHORS"),
                &[(
                    "Example",
                    "gst-launch-1.0 filesrc location=gaps.srt ! subparse ! perceivertext model=folder ! webvttenc ! \
                     filesink location=filled.vtt",
                )],
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::PadDirection::{Sink, Src};
            [("sink", Sink, caps::any_text()), ("src", Src, caps::text())]
                .map(|(name, direction, caps)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("the caps are valid")
                })
                .into()
        });
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => {
                let model = lock(&self.settings).inference.model.clone();
                model.key().map_err(|error| self.refuse(&error))?;
            }
            gst::StateChange::ReadyToPaused => self.start().map_err(|error| self.refuse(&error))?,
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
impl Text {
    /// Loads the model, or finds it loaded.
    fn start(&self) -> Result<(), Error> {
        let settings = lock(&self.settings).clone();
        let model = TextModel::shared(&settings.inference.model)?;
        if settings.output == Output::Labels && model.kind() == Kind::Fill {
            return Err(Error::option("output", "labels", "text: a PerceiverForMaskedLM has no labels"));
        }
        *lock(&self.model) = Some(model);
        *lock(&self.stream) = Stream::default();
        *lock(&self.report) = Report::default();
        *lock(&self.lateness) = Lateness::default();
        *lock(&self.announced) = None;
        self.live.store(false, Ordering::Relaxed);
        self.flush.resume();
        Ok(())
    }

    /// Lets go of the model. Whoever held it last waits here for its thread.
    fn stop(&self) {
        let rest = lock(&self.report).rest(Instant::now());
        self.warn_of(rest);
        let model = lock(&self.model).take();
        drop(model);
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
                // The last holder of the old one waits for its thread, after the lock is free.
                let replaced = lock(&self.model).replace(new);
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
