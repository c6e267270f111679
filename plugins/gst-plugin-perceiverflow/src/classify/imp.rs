//! The shell: properties, pads, states. What a pad does when data, an event or a query comes is in the modules below.

mod bus;
mod events;
mod sound;
mod streaming;

use std::{
    sync::{
        Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gst::{glib, prelude::*, subclass::prelude::*};
use perceiverflow::{Error, media::ClipStats};

use super::{CAT, settings::Settings, stream::Stream};
use crate::{
    caps, flush::Flush, lateness::Lateness, multimodal::MultimodalModel, names::Names, report::Report, result_pad::ResultPad,
};

/// The element's state. Only the streaming thread of `sink` cuts windows, asks the model and pushes; that of `audio_sink` hands its
/// sound to `state` and goes. Queries, properties and events from downstream come from other threads.
///
/// Mutex order: none of these is taken while another is held, but for the windows' queue inside `state`. None is held while a
/// model is called or waited for, or while anything is pushed, posted or asked of another element.
pub struct Classify {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    audio_pad: Mutex<Option<gst::Pad>>,
    text_pad: Mutex<Option<Arc<ResultPad>>>,
    settings: Mutex<Settings>,
    model: Mutex<Option<Loaded>>,
    state: Mutex<State>,
    /// Something in `state` has changed for which the other streaming thread may wait.
    changed: Condvar,
    flows: Mutex<gst_base::UniqueFlowCombiner>,
    report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delays of buffers and labels that were last announced.
    announced: Mutex<Option<[Duration; 2]>>,
    /// Wakes the streaming thread that waits for the model.
    flush: Flush,
    live: AtomicBool,
}

/// The stream, and which of the two streaming threads must not wait now.
#[derive(Debug, Default)]
struct State {
    stream: Option<Stream>,
    flushing: bool,
    sound_flushing: bool,
    /// A seek is on its way through both streams.
    seek: Option<Seek>,
}

/// How far a seek has come. The sources of the two streams are flushed one after the other, and meanwhile one is ahead of the other.
#[derive(Clone, Copy, Debug, Default)]
struct Seek {
    stream_flushed: bool,
    sound_flushed: bool,
}

/// A model with the names of its classes.
#[derive(Clone, Debug)]
struct Loaded {
    model: Arc<MultimodalModel>,
    names: Option<Arc<Names>>,
    /// What one window takes.
    expected: Duration,
}

/// What it guards is whole after a panic elsewhere: every change to it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for Classify {
    const NAME: &'static str = "GstPerceiverClassify";
    type Type = super::Classify;
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
            .build();
        let srcpad = Self::source(&template("src"));
        let mut flows = gst_base::UniqueFlowCombiner::new();
        flows.add_pad(&srcpad);
        Self {
            sinkpad,
            srcpad,
            audio_pad: Mutex::default(),
            text_pad: Mutex::default(),
            settings: Mutex::default(),
            model: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            flows: Mutex::new(flows),
            report: Mutex::default(),
            lateness: Mutex::default(),
            announced: Mutex::default(),
            flush: Flush::default(),
            live: AtomicBool::new(false),
        }
    }
}

impl ObjectImpl for Classify {
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
                        let element = args[0].get::<super::Classify>().expect("a signal's first argument is its object");
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

impl GstObjectImpl for Classify {}

impl ElementImpl for Classify {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::with_additional(
                "Perceiver classifier",
                "Filter/Analyzer/Video/Audio",
                "Says with a Perceiver IO model what video and sound show, and attaches it to the buffers",
                env!("CARGO_PKG_AUTHORS"),
                &[(
                    "Example",
                    "gst-launch-1.0 filesrc location=clip.mp4 ! decodebin name=clip clip. ! queue ! videoconvert ! \
                     perceiverclassify name=classify model=folder ! perceiveroverlay ! queue ! videoconvert ! autovideosink \
                     clip. ! queue ! audioconvert ! audioresample ! classify.audio_sink",
                )],
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::{PadDirection, PadPresence};
            let both = || caps::video_or_audio(None);
            [
                ("sink", PadDirection::Sink, PadPresence::Always, both()),
                ("src", PadDirection::Src, PadPresence::Always, both()),
                ("audio_sink", PadDirection::Sink, PadPresence::Request, caps::audio(None)),
                ("text_src", PadDirection::Src, PadPresence::Request, caps::labels()),
            ]
            .map(|(name, direction, presence, caps)| {
                gst::PadTemplate::new(name, direction, presence, &caps).expect("the caps are valid")
            })
            .into()
        });
        &TEMPLATES
    }

    fn request_new_pad(&self, template: &gst::PadTemplate, _name: Option<&str>, _caps: Option<&gst::Caps>) -> Option<gst::Pad> {
        let name = template.name_template();
        if self.obj().static_pad(name).is_some() {
            gst::warning!(CAT, imp = self, "{name} is there already; put a tee beside it");
            return None;
        }
        if name == "text_src" {
            let pad = Self::source(template);
            pad.set_active(true).ok()?;
            lock(&self.flows).add_pad(&pad);
            *lock(&self.text_pad) = Some(Arc::new(ResultPad::new(pad.clone())));
            self.obj().add_pad(&pad).ok()?;
            return Some(pad);
        }
        self.request_audio_pad(template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let text = lock(&self.text_pad).take_if(|ours| ours.pad() == pad);
        if text.is_some() {
            lock(&self.flows).remove_pad(pad);
        } else if lock(&self.audio_pad).take_if(|ours| *ours == *pad).is_some() {
            self.part_sound();
        } else {
            return;
        }
        // A pad that does not go inactive is removed all the same.
        let _ = pad.set_active(false);
        let _ = self.obj().remove_pad(pad);
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.check_settings()?,
            gst::StateChange::ReadyToPaused => self.start()?,
            gst::StateChange::PausedToReady => self.wake(true),
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
impl Classify {
    fn source(template: &gst::PadTemplate) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |imp| imp.source_query(pad, query))
            })
            // Seeks go to both streams.
            .iterate_internal_links_function(|_, parent| {
                Self::catch_panic_pad_function(
                    parent,
                    || gst::Iterator::from_vec(vec![]),
                    |imp| {
                        let sound = lock(&imp.audio_pad).clone();
                        gst::Iterator::from_vec([Some(imp.sinkpad.clone()), sound].into_iter().flatten().collect())
                    },
                )
            })
            .build()
    }

    fn check_settings(&self) -> Result<(), gst::StateChangeError> {
        let model = lock(&self.settings).inference.model.clone();
        model.key().map(drop).map_err(|error| self.refuse(&error))
    }

    /// Loads the model, or finds it loaded.
    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = lock(&self.settings).clone();
        let loaded = Loaded::shared(&settings).map_err(|error| self.refuse(&error))?;
        let waiting = settings.inference.max_size_buffers as usize;
        let mut stream = Stream::new(loaded.model.task(), &settings.stream, waiting).map_err(|error| self.refuse(&error))?;
        stream.set_joined(lock(&self.audio_pad).clone().is_some_and(|pad| pad.is_linked()));
        *lock(&self.model) = Some(loaded);
        *lock(&self.state) = State { stream: Some(stream), ..State::default() };
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
        let stream = lock(&self.state).stream.take();
        drop(stream);
        let model = lock(&self.model).take();
        drop(model);
        if let Some(pad) = self.text_pad() {
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
        match old.model.reloaded(&settings) {
            Ok(model) => {
                // The last holder of the old one waits for its windows, after the lock is free.
                let replaced = lock(&self.model).as_mut().map(|loaded| std::mem::replace(&mut loaded.model, model));
                drop(replaced);
                true
            }
            Err(error) => {
                gst::element_imp_warning!(self, gst::ResourceError::Read, ["the model stays as it is: {error}"]);
                false
            }
        }
    }

    /// Wakes the streaming thread of `sink` if it waits, and keeps it from waiting; with `both`, that of `audio_sink`, too.
    fn wake(&self, both: bool) {
        self.flush.wake();
        let mut state = lock(&self.state);
        state.flushing = true;
        state.sound_flushing |= both;
        drop(state);
        self.changed.notify_all();
    }

    /// Lets the streaming thread of `sink` wait again.
    fn resume(&self) {
        self.flush.resume();
        lock(&self.state).flushing = false;
    }

    fn text_pad(&self) -> Option<Arc<ResultPad>> {
        lock(&self.text_pad).clone()
    }

    fn clip_stats(&self) -> ClipStats {
        lock(&self.state).stream.as_ref().map(Stream::clip_stats).unwrap_or_default()
    }
}

impl Loaded {
    fn shared(settings: &Settings) -> perceiverflow::Result<Self> {
        let model = MultimodalModel::shared(&settings.inference.model)?;
        let classes = model.task().label_names().len();
        let names = settings.stream.labels_file.as_deref().map(|path| Names::read(path, classes)).transpose()?.map(Arc::new);
        let expected = model.encoding() + model.decoding(perceiverflow::tasks::Head::Labels)?;
        Ok(Self { model, names, expected })
    }
}
