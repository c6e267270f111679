//! The shell: pads, events, queries, states, messages.

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use gst::{glib, prelude::*, subclass::prelude::*};
use gst_video::{VideoFrameRef, VideoInfo};
use perceiverflow::{Error, media::Picture};

use super::{
    CAT,
    field_pad::{FieldPad, Source},
    latency::Timing,
    lateness::Lateness,
    model::{Answer, FlowModel, FlowTicket, FlowWindow},
    queue::Leaky,
    report::{Loss, Report, Untold},
    settings::{LiveSettings, ResultPolicy, Settings},
    stream::{Admission, Outcome, Step, Stream},
};
use crate::{caps, convert};

/// The element's state. Only the streaming thread pushes; queries, properties and events from downstream come from other threads.
///
/// Mutex order: none of these is taken while another is held, but for the windows' queue inside `stream`. None is held while a
/// model is called or waited for, or while anything is pushed, posted or asked of another element.
pub struct OpticalFlow {
    sinkpad: gst::Pad,
    srcpad: gst::Pad,
    field_pad: Mutex<Option<Arc<FieldPad>>>,
    settings: Mutex<Settings>,
    model: Mutex<Option<Arc<FlowModel>>>,
    stream: Mutex<Option<Stream>>,
    flows: Mutex<gst_base::UniqueFlowCombiner>,
    report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delays of frames and fields that were last announced.
    announced: Mutex<Option<[Duration; 2]>>,
    /// Dropping the sender wakes the streaming thread.
    flush: Mutex<(Option<Sender<()>>, Receiver<()>)>,
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
            flush: Mutex::new(flush_channel()),
            live: AtomicBool::new(false),
        }
    }
}

/// A channel on which nothing is ever sent: it ends with its sender.
fn flush_channel() -> (Option<Sender<()>>, Receiver<()>) {
    let (sender, receiver) = bounded(0);
    (Some(sender), receiver)
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
        *lock(&self.field_pad) = Some(Arc::new(FieldPad::new(pad.clone())));
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
            gst::StateChange::PausedToReady => self.wake(),
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
        let model = lock(&self.settings).model.clone();
        model.key().map(drop).map_err(|error| self.refuse(&error))
    }

    /// Loads the model, or finds it loaded.
    fn start(&self) -> Result<(), gst::StateChangeError> {
        let settings = lock(&self.settings).clone();
        let model = FlowModel::shared(&settings.model)
            .and_then(|model| model.check(settings.stream.tiling()).map(|()| model))
            .map_err(|error| self.refuse(&error))?;
        let stream = Stream::new(settings.stream).map_err(|error| self.refuse(&error))?;
        *lock(&self.model) = Some(model);
        *lock(&self.stream) = Some(stream);
        *lock(&self.report) = Report::default();
        *lock(&self.lateness) = Lateness::default();
        *lock(&self.announced) = None;
        lock(&self.flows).reset();
        self.live.store(false, Ordering::Relaxed);
        self.resume();
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

    /// The element error of a model or setting that cannot be used.
    fn refuse(&self, error: &Error) -> gst::StateChangeError {
        let text = error.to_string();
        match error {
            Error::Option { name, .. } if name == "model" => {
                gst::element_imp_error!(self, gst::ResourceError::NotFound, ["{text}"]);
            }
            Error::Io { .. } | Error::Format { .. } | Error::Config { .. } | Error::Checkpoint { .. } | Error::Tensor { .. } => {
                gst::element_imp_error!(self, gst::ResourceError::Read, ["{text}"]);
            }
            Error::Option { .. } | Error::Device { .. } => {
                gst::element_imp_error!(self, gst::LibraryError::Settings, ["{text}"]);
            }
            _ => gst::element_imp_error!(self, gst::LibraryError::Init, ["{text}"]),
        }
        gst::StateChangeError
    }

    fn reload_model(&self) -> bool {
        let Some(old) = lock(&self.model).clone() else {
            gst::warning!(CAT, imp = self, "reload-model: no model is loaded before PAUSED");
            return false;
        };
        let settings = lock(&self.settings).model.clone();
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

    /// Wakes the streaming thread if it waits for the model, and keeps it from waiting.
    fn wake(&self) {
        lock(&self.flush).0 = None;
    }

    /// Lets the streaming thread wait again.
    fn resume(&self) {
        *lock(&self.flush) = flush_channel();
    }
}

/// Frames in, windows to the model, results and frames out: the streaming thread.
impl OpticalFlow {
    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let live = lock(&self.settings).live;
        let picture = self.picture(&buffer)?;
        let (window, policy) = self.with_stream(|stream| (stream.frame(buffer, picture), stream.settings().policy))?;
        self.announce_latency();
        if let Some(window) = window {
            self.submit(window, live)?;
        }
        let waits = live.leaky == Leaky::No;
        self.collect(waits && policy == ResultPolicy::Persist)?;
        self.release(waits)?;
        self.warn_if_due();
        Ok(gst::FlowSuccess::Ok)
    }

    fn picture(&self, buffer: &gst::BufferRef) -> Result<Picture, gst::FlowError> {
        let info = self.with_stream(|stream| stream.info().cloned())?.ok_or(gst::FlowError::NotNegotiated)?;
        let read = || -> Result<_, Box<dyn std::error::Error>> {
            Ok(convert::read(&VideoFrameRef::from_buffer_ref_readable(buffer, &info)?)?)
        };
        read().map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["frame cannot be read: {error}"]);
            gst::FlowError::Error
        })
    }

    /// Hands a window to the model, or drops it or another one.
    fn submit(&self, window: FlowWindow, live: LiveSettings) -> Result<(), gst::FlowError> {
        lock(&self.report).windows_in += 1;
        let late = live.qos && lock(&self.lateness).is_late(window.tag.running_time);
        if late {
            self.with_stream(|stream| stream.lost(window.tag.id))?;
            self.lose(Loss::Late, window.tag.id);
            return Ok(());
        }
        match self.with_stream(|stream| stream.admit(window, live.leaky))? {
            Admission::Tell(claim) => {
                let model = lock(&self.model).clone().ok_or(gst::FlowError::Flushing)?;
                let ticket = model.submit(claim).map_err(|error| self.fail(&error))?;
                self.with_stream(|stream| stream.tickets.push_back(ticket))?;
            }
            Admission::Known { lost } | Admission::Refused { lost } => self.lose(Loss::Leaked, lost),
        }
        Ok(())
    }

    /// Takes the results that are there; with `wait`, all of them.
    fn collect(&self, wait: bool) -> Result<(), gst::FlowError> {
        while let Some(ticket) = self.with_stream(|stream| stream.tickets.pop_front())? {
            let answer = if wait {
                self.wait(&ticket)?
            } else {
                match ticket.try_wait().map_err(|error| self.fail(&error))? {
                    Some(answer) => answer,
                    None => return self.with_stream(|stream| stream.tickets.push_front(ticket)),
                }
            };
            self.deliver(answer)?;
        }
        Ok(())
    }

    /// Waits for one result, or for a flush.
    fn wait(&self, ticket: &FlowTicket) -> Result<Option<Answer>, gst::FlowError> {
        let flush = lock(&self.flush).1.clone();
        select! {
            recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()).map_err(|error| self.fail(&error)),
            recv(flush) -> _ => Err(gst::FlowError::Flushing),
        }
    }

    /// Sends a result where it belongs: to frames, to the bus, to the field's pad.
    fn deliver(&self, answer: Option<Answer>) -> Result<(), gst::FlowError> {
        let Some(Answer { tag, model_hash, field }) = answer else { return Ok(()) };
        let field = match field {
            Ok(field) => field,
            Err(error) => {
                self.with_stream(|stream| stream.lost(tag.id))?;
                self.lose(Loss::Broken(error.to_string()), tag.id);
                return Ok(());
            }
        };
        lock(&self.report).windows_out += 1;
        let outcome = self.with_stream(|stream| stream.found(&tag, field, model_hash))?;
        gst::log!(CAT, imp = self, "window {} at {}", tag.id, tag.pts);
        let live = lock(&self.settings).live;
        if live.post_messages {
            self.post_result(&outcome);
        }
        if live.leaky == Leaky::No {
            self.warn_if_slow();
        }
        let Some(pad) = self.field_pad() else { return Ok(()) };
        let pushed = pad.push(&self.source_of_fields()?, &outcome);
        self.combine(pad.pad(), pushed)
    }

    /// Pushes the frames and events whose turn it is. A frame that has stayed as long as it may is waited for, or goes as it is.
    fn release(&self, waits: bool) -> Result<(), gst::FlowError> {
        loop {
            match self.with_stream(Stream::step)? {
                Step::Push(buffer) => self.push(buffer)?,
                Step::Forward(event) => {
                    self.srcpad.push_event(event);
                }
                Step::Overdue => {
                    let oldest = if waits { self.with_stream(|stream| stream.tickets.pop_front())? } else { None };
                    match oldest {
                        Some(ticket) => self.deliver(self.wait(&ticket)?)?,
                        None => self.with_stream(Stream::excuse)?,
                    }
                }
                Step::Nothing => return Ok(()),
            }
        }
    }

    fn push(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        let pushed = self.srcpad.push(buffer);
        self.combine(&self.srcpad, pushed)
    }

    /// Ends the windows that are open and pushes every frame: before a new timeline or other caps.
    fn close(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::cut)?;
        let leaky = lock(&self.settings).live.leaky;
        if leaky == Leaky::No {
            self.collect(true)?;
        } else {
            self.collect(false)?;
            let lost = self.with_stream(Stream::withdraw)?;
            let mut report = lock(&self.report);
            (0..lost).for_each(|_| report.lose(Loss::Cut));
        }
        self.release(false)
    }

    fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        lock(&self.stream).as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    fn combine(&self, pad: &gst::Pad, pushed: Result<gst::FlowSuccess, gst::FlowError>) -> Result<(), gst::FlowError> {
        lock(&self.flows).update_pad_flow(pad, pushed).map(drop)
    }

    fn field_pad(&self) -> Option<Arc<FieldPad>> {
        lock(&self.field_pad).clone()
    }

    fn source_of_fields(&self) -> Result<Source, gst::FlowError> {
        let start = self.sinkpad.sticky_event::<gst::event::StreamStart>(0).ok_or(gst::FlowError::NotNegotiated)?;
        self.with_stream(|stream| {
            let interval = i32::try_from(stream.settings().inference_interval).unwrap_or(i32::MAX);
            let fps = stream.info().map_or(gst::Fraction::new(0, 1), VideoInfo::fps);
            Source {
                segment: stream.segment().clone(),
                framerate: fps / interval,
                stream_id: format!("{}/flow", start.stream_id()),
                group: start.group_id(),
            }
        })
    }

    /// The worker has ended: nothing more can come of this model.
    fn fail(&self, error: &Error) -> gst::FlowError {
        let model = lock(&self.model).clone();
        if let Some(model) = model {
            model.give_up();
        }
        gst::element_imp_error!(self, gst::LibraryError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

/// Events and queries.
impl OpticalFlow {
    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        let field_pad = self.field_pad();
        match event.view() {
            EventView::FlushStart(_) => {
                self.wake();
                if let Some(field_pad) = field_pad {
                    field_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::FlushStop(_) => {
                // Before the element starts and after it stops there is nothing to forget.
                let _ = self.with_stream(Stream::reset);
                *lock(&self.lateness) = Lateness::default();
                lock(&self.flows).reset();
                self.resume();
                if let Some(field_pad) = field_pad {
                    field_pad.resegment();
                    field_pad.pad().push_event(event.clone());
                }
                self.srcpad.push_event(event)
            }
            EventView::StreamStart(_) => {
                if let Some(field_pad) = field_pad {
                    field_pad.restart();
                }
                lock(&self.flows).reset();
                self.close().is_ok() && self.srcpad.push_event(event)
            }
            EventView::Caps(caps) => self.close().is_ok() && self.set_caps(caps.caps()) && self.srcpad.push_event(event),
            EventView::Segment(segment) => {
                self.close().is_ok() && self.set_segment(segment.segment()) && self.srcpad.push_event(event)
            }
            EventView::Gap(_) => {
                let placed = self.with_stream(|stream| {
                    stream.cut();
                    stream.event(event);
                });
                placed.and_then(|()| self.release(false)).is_ok()
            }
            EventView::Eos(_) => {
                let drained = self.with_stream(Stream::cut).and_then(|()| self.collect(true)).and_then(|()| self.release(false));
                let rest = lock(&self.report).rest(Instant::now());
                if let Some(untold) = rest {
                    self.warn_of(&untold);
                }
                if let (Some(field_pad), Ok(source)) = (field_pad, self.source_of_fields()) {
                    field_pad.end(&source, event.clone());
                }
                self.srcpad.push_event(event) && drained.is_ok()
            }
            _ if event.is_serialized() => {
                let placed = self.with_stream(|stream| stream.event(event));
                placed.and_then(|()| self.release(false)).is_ok()
            }
            _ => self.srcpad.push_event(event),
        }
    }

    fn set_caps(&self, caps: &gst::CapsRef) -> bool {
        match VideoInfo::from_caps(caps) {
            Ok(info) => {
                let set = self.with_stream(|stream| stream.set_info(info)).is_ok();
                self.announce_latency();
                set
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ["{caps:?}: {error}"]);
                false
            }
        }
    }

    fn set_segment(&self, segment: &gst::Segment) -> bool {
        let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
            gst::element_imp_error!(self, gst::StreamError::Format, ["segment in {:?}: accepted is time", segment.format()]);
            return false;
        };
        *lock(&self.lateness) = Lateness::default();
        if let Some(field_pad) = self.field_pad() {
            field_pad.resegment();
        }
        self.with_stream(|stream| stream.set_segment(segment.clone())).is_ok()
    }

    fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            let (_, _, jitter, timestamp) = qos.get();
            lock(&self.lateness).report(timestamp, jitter);
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Allocation(allocation) => {
                if !self.srcpad.peer_query(allocation.query_mut()) {
                    return false;
                }
                self.keep_for_the_line(allocation);
                true
            }
            gst::QueryViewMut::Drain(_) => self.close().is_ok() && self.srcpad.peer_query(query),
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    /// Asks for as many buffers more as the element holds back itself, so that a bounded pool does not run dry.
    fn keep_for_the_line(&self, query: &mut gst::query::Allocation) {
        let stream = lock(&self.settings).stream;
        if stream.policy == ResultPolicy::Persist {
            return;
        }
        let held = stream.frame_distance + stream.max_size_buffers + 1;
        let pools: Vec<_> = query.allocation_pools().collect();
        for (at, (pool, size, min, max)) in pools.into_iter().enumerate() {
            let max = if max == 0 { 0 } else { max.saturating_add(held) };
            query.set_nth_allocation_pool(at as u32, pool.as_ref(), size, min.saturating_add(held), max);
        }
    }

    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sinkpad.peer_query(&mut upstream) {
            return false;
        }
        let (live, min, max) = upstream.result();
        self.live.store(live, Ordering::Relaxed);
        let [video, field] = self.delays().unwrap_or_default().map(|delay| gst::ClockTime::try_from(delay).unwrap_or_default());
        let own = if *pad == self.srcpad { video } else { field };
        latency.set(live, min + own, max.map(|max| max + own));
        gst::debug!(CAT, obj = pad, "latency {own} on {min} of upstream");
        true
    }
}

/// What the element says of itself.
impl OpticalFlow {
    /// How long frames and fields stay in the element, while it runs.
    fn delays(&self) -> Option<[Duration; 2]> {
        let Settings { model: batches, stream: settings, live } = lock(&self.settings).clone();
        let model = lock(&self.model).clone()?;
        let (frame, size, settings) = lock(&self.stream)
            .as_ref()
            .map(|stream| {
                let size = stream.info().map_or((0, 0), |info| (info.width() as usize, info.height() as usize));
                (stream.frame_time(), size, *stream.settings())
            })
            .unwrap_or((Duration::ZERO, (0, 0), settings));
        let processing = live.processing_latency.map_or_else(|| model.expected(size, settings.tiling()), Duration::from);
        let timing = Timing {
            frame,
            distance: settings.frame_distance,
            spare: settings.max_size_buffers,
            processing: processing + batches.batch_timeout.into(),
            aligned: settings.policy == ResultPolicy::Aligned,
            waits: live.leaky == Leaky::No,
        };
        Some([timing.video(), timing.field()])
    }

    /// Tells the pipeline when the delays are others than it was told.
    fn announce_latency(&self) {
        let Some(delays) = self.delays() else { return };
        let before = lock(&self.announced).replace(delays);
        if before != Some(delays) {
            gst::debug!(CAT, imp = self, "frames stay {:?}, fields {:?}", delays[0], delays[1]);
            self.post(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    fn post(&self, message: gst::Message) {
        // Without a bus nobody listens.
        let _ = self.obj().post_message(message);
    }

    fn post_result(&self, outcome: &Outcome) {
        let meta = &outcome.meta;
        let structure = gst::Structure::builder("perceiver-result")
            .field_if_some("stream-time", meta.stream_time)
            .field_if_some("running-time", meta.running_time)
            .field("duration", meta.duration)
            .field("window-id", meta.window_id)
            .field("mean-magnitude", f64::from(meta.field.mean_magnitude()))
            .field("max-magnitude", f64::from(meta.field.max_magnitude()))
            .field("model-hash", &*meta.model_hash)
            .build();
        self.post(gst::message::Element::builder(structure).src(&*self.obj()).build());
    }

    fn lose(&self, loss: Loss, window: u64) {
        gst::debug!(CAT, imp = self, "window {window} dropped: {loss:?}");
        lock(&self.report).lose(loss);
    }

    fn warn_if_due(&self) {
        let due = lock(&self.report).due(Instant::now());
        if let Some(untold) = due {
            self.warn_of(&untold);
        }
    }

    /// One warning for any number of lost windows.
    fn warn_of(&self, untold: &Untold) {
        let Untold { leaked, late, cut, broken, fault } = untold;
        let pace = self.pace();
        let details = gst::Structure::builder("perceiver-windows-dropped")
            .field("leaked", leaked)
            .field("late", late)
            .field("cut", cut)
            .field("broken", broken)
            .field("inference-ms", pace.model.as_secs_f64() * 1e3)
            .field("window-ms", pace.stream.as_secs_f64() * 1e3)
            .build();
        let text = format!(
            "windows dropped: {leaked} because the model cannot keep up, {late} too late for downstream, {cut} at the end of a \
             timeline, {broken} broken"
        );
        let why = fault.clone().unwrap_or_else(|| pace.to_string());
        if *broken > 0 {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"), ["{why}"], details: details);
        } else {
            gst::element_imp_warning!(self, gst::CoreError::Clock, ("{text}"), ["{why}"], details: details);
        }
    }

    /// Warns of a model that makes a live stream wait.
    fn warn_if_slow(&self) {
        if !self.live.load(Ordering::Relaxed) {
            return;
        }
        let pace = self.pace();
        if pace.factor().is_some_and(|factor| factor < 1.0) && lock(&self.report).may_warn(Instant::now()) {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Clock,
                ("the model cannot keep up with a live stream, which waits for it"),
                ["{pace}; leaky=downstream, inference-interval or scale=fit help"]
            );
        }
    }

    fn pace(&self) -> Pace {
        let model = lock(&self.model).clone();
        let stats = model.map(|model| model.stats()).unwrap_or_default();
        let stream = lock(&self.stream)
            .as_ref()
            .map_or(Duration::ZERO, |stream| stream.frame_time() * stream.settings().inference_interval);
        let model = u32::try_from(stats.windows_out).ok().and_then(|windows| stats.busy.checked_div(windows));
        Pace { model: model.unwrap_or_default(), stream }
    }

    fn stats(&self) -> gst::Structure {
        let model = lock(&self.model).clone();
        let worker = model.map(|model| model.stats()).unwrap_or_default();
        let factor = self.pace().factor().unwrap_or_default();
        let report = lock(&self.report);
        gst::Structure::builder("perceiver-stats")
            .field("windows-in", report.windows_in)
            .field("windows-out", report.windows_out)
            .field("windows-dropped", report.windows_dropped)
            .field("inference-ms-p50", worker.p50.as_secs_f64() * 1e3)
            .field("inference-ms-p99", worker.p99.as_secs_f64() * 1e3)
            .field("mean-batch", worker.mean_batch)
            .field("real-time-factor", factor)
            .build()
    }
}

/// How fast the model is, and how fast it would have to be.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Mean time of a window in the model.
    model: Duration,
    /// From one window of the stream to the next; zero while unknown.
    stream: Duration,
}

impl Pace {
    /// Seconds of video handled in a second of the model; at least 1 keeps up. None before the first window.
    fn factor(&self) -> Option<f64> {
        (!self.model.is_zero()).then(|| self.stream.as_secs_f64() / self.model.as_secs_f64())
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a window takes the model {:.1?} and comes every {:.1?}", self.model, self.stream)
    }
}
