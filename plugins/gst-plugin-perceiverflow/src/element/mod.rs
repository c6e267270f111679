//! What every element with a model is made of: two pads, the model that it shares with others, the windows that are with it, and what it
//! says of them. An element adds what only it does, in [`ModelElement`].

mod asking;
mod bus;
mod class;
mod events;
mod states;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::Result;

pub(crate) use self::{
    asking::{ask, await_oldest, collect, collect_or_withdraw},
    bus::{announce_latency, broken, count_out, lose, lose_broken, post_result, refusal, warn_if_due},
    class::{add_pads, always, metadata, model_object, properties, property, reload_signal, remove_pad, set_property, template},
    events::{learn_liveness, sink_query, source_event, source_query},
    states::change_state,
};
use crate::{
    asked::Asked,
    flush::Flush,
    lateness::Lateness,
    lock::lock,
    models::AskedModel,
    report::Report,
    result_pad::{ResultPad, Source},
    settings::{LiveSettings, OwnSettings, Settings},
};

/// A time segment.
pub(crate) type Segment = gst::FormattedSegment<gst::ClockTime>;

/// What is asked of an element's model.
pub(crate) type Question<I> = <<I as ModelElement>::Model as AskedModel>::Question;

/// What an element's model answers.
pub(crate) type Answer<I> = <<I as ModelElement>::Model as AskedModel>::Answer;

/// The state that all of them have. Only the streaming thread of `sinkpad` asks the model and pushes; queries, properties and events from
/// downstream come from other threads.
///
/// Mutex order: none of these is taken while another is held, but for the windows' queue inside `asked`. None is held while a model is
/// called or waited for, or while anything is pushed, posted or asked of another element.
pub(crate) struct Base<I: ModelElement> {
    pub(crate) sinkpad: gst::Pad,
    pub(crate) srcpad: gst::Pad,
    /// The requested pad on which results go out beside the stream.
    results: Mutex<Option<Arc<ResultPad>>>,
    pub(crate) settings: Mutex<Settings<I::Own>>,
    pub(crate) model: Mutex<Option<Arc<I::Model>>>,
    asked: Mutex<Asked<Question<I>, Answer<I>>>,
    flows: Mutex<gst_base::UniqueFlowCombiner>,
    pub(crate) report: Mutex<Report>,
    lateness: Mutex<Lateness>,
    /// The delays of the stream and of results beside it that were last announced.
    announced: Mutex<Option<[Duration; 2]>>,
    /// Wakes the streaming thread that waits for the model.
    pub(crate) flush: Flush,
    live: AtomicBool,
}

/// An element made of a [`Base`].
pub(crate) trait ModelElement: ElementImpl {
    /// The properties that are its own.
    type Own: OwnSettings;
    /// The model that it asks.
    type Model: AskedModel;
    /// What helps when the model makes a live stream wait.
    const REMEDY: &'static str;

    /// The element's debug category.
    fn category() -> gst::DebugCategory;

    /// The common state.
    fn base(&self) -> &Base<Self>
    where
        Self: Sized;

    /// Makes ready for a stream, with the model that was loaded.
    ///
    /// # Errors
    /// When a setting does not fit the model.
    fn start(&self, model: &Arc<Self::Model>, settings: &Settings<Self::Own>) -> Result<()>;

    /// Lets go of the stream.
    fn stop(&self);

    /// Lets a model that was read again take the place of the one before.
    fn adopt(&self, model: Arc<Self::Model>)
    where
        Self: Sized,
    {
        let replaced = lock(&self.base().model).replace(model);
        // The last holder of the old one waits for its windows, after the lock is free.
        drop(replaced);
    }

    /// What one window takes the model, by its warm-up.
    fn expected(&self, model: &Self::Model) -> Duration;

    /// How long the stream and the results beside it stay in the element, when one window takes `processing` with the wait for its batch
    /// and the streaming thread `waits` for it. None before the start.
    fn delays(&self, processing: Duration, waits: bool) -> Option<[Duration; 2]>;

    /// From one window of the stream to the next; zero while unknown.
    fn period(&self) -> Duration;

    /// Adds to the statistics what only this element counts.
    fn add_stats(&self, _stats: &mut gst::StructureRef) {}

    /// Takes a buffer.
    ///
    /// # Errors
    /// What downstream says.
    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError>;

    /// Takes the answer to a window.
    ///
    /// # Errors
    /// What downstream says.
    fn answered(&self, window: u64, model_hash: Arc<str>, answer: Answer<Self>) -> Result<(), gst::FlowError>
    where
        Self: Sized;

    /// Nothing more will come of a window.
    fn lost(&self, window: u64);

    /// Nothing more will come of any window.
    fn withdrawn(&self) {}

    /// Ends the windows that are open and pushes all there is: before a new timeline or other caps.
    ///
    /// # Errors
    /// What downstream says.
    fn close(&self) -> Result<(), gst::FlowError>;

    /// The same at the end of the stream, where every window is waited for.
    ///
    /// # Errors
    /// What downstream says.
    fn drain(&self) -> Result<(), gst::FlowError>;

    /// Forgets the stream, for a flush.
    fn reset(&self);

    /// Wakes the streaming thread if it waits, and keeps it from waiting; when `stopping`, whoever else waits, too.
    fn wake(&self, _stopping: bool)
    where
        Self: Sized,
    {
        self.base().flush.wake();
    }

    /// Lets it wait again.
    fn resume(&self)
    where
        Self: Sized,
    {
        self.base().flush.resume();
    }

    /// A stream begins anew. What is left of the one before goes out under its name.
    ///
    /// # Errors
    /// What downstream says.
    fn begin_stream(&self) -> Result<(), gst::FlowError> {
        self.close()
    }

    /// Takes the caps of the buffers to come; gives those of what leaves.
    ///
    /// # Errors
    /// When they are not what the element takes; with what would be accepted.
    fn take_caps(&self, caps: &gst::CapsRef) -> Result<gst::Caps, gst::ErrorMessage>;

    /// Takes the timeline of the buffers to come.
    fn take_segment(&self, segment: &Segment);

    /// Takes an event that keeps its place in the stream.
    ///
    /// # Errors
    /// What downstream says.
    fn take_event(&self, event: gst::Event) -> Result<(), gst::FlowError>;

    /// Takes a GAP.
    ///
    /// # Errors
    /// What downstream says.
    fn take_gap(&self, gap: gst::Event) -> Result<(), gst::FlowError> {
        self.take_event(gap)
    }

    /// Lets whoever takes the results begin without them.
    ///
    /// # Errors
    /// What downstream says.
    fn announce_results(&self) -> Result<(), gst::FlowError> {
        Ok(())
    }

    /// The stream that results beside this one belong to.
    ///
    /// # Errors
    /// Where there are none.
    fn source_of_results(&self) -> Result<Source, gst::FlowError> {
        Err(gst::FlowError::NotLinked)
    }

    /// The pads on which what leaves has come in.
    fn upstreams(&self) -> Vec<gst::Pad>
    where
        Self: Sized,
    {
        vec![self.base().sinkpad.clone()]
    }

    /// How much later than its time a buffer has come when it is about to leave on `pad`: live, at least, at most.
    fn upstream_latency(&self, _pad: &gst::Pad) -> Option<(bool, gst::ClockTime, Option<gst::ClockTime>)>
    where
        Self: Sized,
    {
        let mut upstream = gst::query::Latency::new();
        self.base().sinkpad.peer_query(&mut upstream).then(|| upstream.result())
    }

    /// Answers a query from upstream.
    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool
    where
        Self: Sized,
    {
        sink_query(self, pad, query)
    }

    /// Answers a query from downstream.
    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool
    where
        Self: Sized,
    {
        source_query(self, pad, query)
    }

    /// Takes an event from downstream.
    fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool
    where
        Self: Sized,
    {
        source_event(self, pad, event)
    }
}

impl<I: ModelElement> Base<I> {
    /// The base of an element, with its pads `sink` and `src` by the templates of its class.
    pub(crate) fn new(template: impl Fn(&str) -> Option<gst::PadTemplate>, [sink, src]: [gst::PadFlags; 2]) -> Self {
        let template = |name| template(name).expect("the class has it");
        let sinkpad = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|_, parent, buffer| {
                I::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(buffer))
            })
            .event_function(|pad, parent, event| {
                I::catch_panic_pad_function(parent, || false, |imp| events::sink_event(imp, pad, event))
            })
            .query_function(|pad, parent, query| I::catch_panic_pad_function(parent, || false, |imp| imp.sink_query(pad, query)))
            .iterate_internal_links_function(|_, parent| {
                I::catch_panic_pad_function(parent, none, |imp| gst::Iterator::from_vec(vec![imp.base().srcpad.clone()]))
            })
            .flags(sink)
            .build();
        let srcpad = Self::source(&template("src"), src);
        let mut flows = gst_base::UniqueFlowCombiner::new();
        flows.add_pad(&srcpad);
        Self {
            sinkpad,
            srcpad,
            results: Mutex::default(),
            settings: Mutex::default(),
            model: Mutex::default(),
            asked: Mutex::new(Asked::new(0)),
            flows: Mutex::new(flows),
            report: Mutex::default(),
            lateness: Mutex::default(),
            announced: Mutex::default(),
            flush: Flush::default(),
            live: AtomicBool::new(false),
        }
    }

    fn source(template: &gst::PadTemplate, flags: gst::PadFlags) -> gst::Pad {
        gst::Pad::builder_from_template(template)
            .event_function(|pad, parent, event| {
                I::catch_panic_pad_function(parent, || false, |imp| imp.source_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                I::catch_panic_pad_function(parent, || false, |imp| imp.source_query(pad, query))
            })
            .iterate_internal_links_function(|_, parent| {
                I::catch_panic_pad_function(parent, none, |imp| gst::Iterator::from_vec(imp.upstreams()))
            })
            .flags(flags)
            .build()
    }

    /// Adds the pad for results.
    pub(crate) fn request_results(&self, element: &impl IsA<gst::Element>, template: &gst::PadTemplate) -> Option<gst::Pad> {
        let name = template.name_template();
        if self.results().is_some() {
            gst::warning!(I::category(), obj = element, "{name} is there already; put a tee behind it");
            return None;
        }
        let pad = Self::source(template, gst::PadFlags::empty());
        pad.set_active(true).ok()?;
        lock(&self.flows).add_pad(&pad);
        *lock(&self.results) = Some(Arc::new(ResultPad::new(pad.clone())));
        element.add_pad(&pad).ok()?;
        Some(pad)
    }

    /// Forgets the pad for results, if `pad` is that.
    pub(crate) fn release_results(&self, pad: &gst::Pad) -> bool {
        let released = lock(&self.results).take_if(|results| results.pad() == pad).is_some();
        if released {
            lock(&self.flows).remove_pad(pad);
        }
        released
    }

    /// The pad for results, if somebody has asked for it.
    pub(crate) fn results(&self) -> Option<Arc<ResultPad>> {
        lock(&self.results).clone()
    }

    /// Where results of a stream with this timeline come from.
    ///
    /// # Errors
    /// When it has no name yet.
    pub(crate) fn source_of(&self, what: &str, segment: Segment) -> Result<Source, gst::FlowError> {
        let start = self.sinkpad.sticky_event::<gst::event::StreamStart>(0).ok_or(gst::FlowError::NotNegotiated)?;
        Ok(Source { segment, stream_id: format!("{}/{what}", start.stream_id()), group: start.group_id() })
    }

    /// The model, while there is one.
    ///
    /// # Errors
    /// Flushing when the element has stopped.
    pub(crate) fn model(&self) -> Result<Arc<I::Model>, gst::FlowError> {
        lock(&self.model).clone().ok_or(gst::FlowError::Flushing)
    }

    /// The settings that may change at any time.
    pub(crate) fn live_settings(&self) -> LiveSettings {
        lock(&self.settings).inference.live
    }

    /// Whether the stream comes at its own pace, as far as is known.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether downstream has no use for a window of this running time.
    pub(crate) fn is_late(&self, running_time: Option<gst::ClockTime>) -> bool {
        self.live_settings().qos && lock(&self.lateness).is_late(running_time)
    }

    /// Pushes a buffer of the stream.
    ///
    /// # Errors
    /// What both pads' downstreams say together.
    pub(crate) fn push(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        let pushed = self.srcpad.push(buffer);
        self.combine(&self.srcpad, pushed)
    }

    /// What pushing on one of the pads means for the stream.
    ///
    /// # Errors
    /// What both pads' downstreams say together.
    pub(crate) fn combine(&self, pad: &gst::Pad, pushed: Result<gst::FlowSuccess, gst::FlowError>) -> Result<(), gst::FlowError> {
        lock(&self.flows).update_pad_flow(pad, pushed).map(drop)
    }
}

fn none() -> gst::Iterator<gst::Pad> {
    gst::Iterator::from_vec(vec![])
}
