//! The properties of elements with a model: defaults, ranges, when they may change. An element adds its own.

use std::num::NonZeroUsize;

use gst::{glib, prelude::*};
use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision, Threads},
};

use crate::{models::Key, queue::Leaky};

/// Why a property's value always has the type that is asked for.
pub(crate) const CHECKED: &str = "GObject checks the type of a property's value";

/// Where a result goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverResultPolicy")]
#[repr(i32)]
pub enum ResultPolicy {
    /// On the frames that come after it is known.
    #[default]
    #[enum_value(name = "Persist: no delay, each frame carries the newest result", nick = "persist")]
    Persist,
    /// On the frame it was made for.
    #[enum_value(name = "Aligned: the video is delayed so that each result sits on its own frame", nick = "aligned")]
    Aligned,
}

/// What the model is, and how its worker batches. Read when the element starts.
#[derive(Clone, Debug)]
pub(crate) struct ModelSettings {
    default_model: &'static str,
    model: String,
    device: String,
    precision: String,
    pub(crate) batch_size: u32,
    pub(crate) batch_timeout: gst::ClockTime,
    threads: u32,
}

impl ModelSettings {
    /// The validated choice.
    ///
    /// # Errors
    /// When `device` or `precision` is none of those accepted.
    pub(crate) fn key(&self) -> Result<Key> {
        let device: DeviceChoice = self.device.parse()?;
        let precision: Precision = self.precision.parse()?;
        Ok(Key { model: self.model.clone(), device, precision })
    }

    /// What the model computes on.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub(crate) fn threads(&self) -> Result<Threads> {
        NonZeroUsize::new(self.threads as usize).map_or_else(Threads::beside_others, Threads::new)
    }
}

/// What may change at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveSettings {
    pub(crate) leaky: Leaky,
    pub(crate) qos: bool,
    pub(crate) post_messages: bool,
    pub(crate) processing_latency: Option<gst::ClockTime>,
}

/// How an element calls its model.
#[derive(Clone, Debug)]
pub(crate) struct InferenceSettings {
    pub(crate) model: ModelSettings,
    /// Windows that may wait for the model. Read when the element starts.
    pub(crate) max_size_buffers: u32,
    pub(crate) live: LiveSettings,
}

impl InferenceSettings {
    /// The defaults of an element whose model is `default_model` unless another is set; empty where the user has to name one.
    pub(crate) fn new(default_model: &'static str) -> Self {
        Self {
            model: ModelSettings {
                default_model,
                model: default_model.into(),
                device: DeviceChoice::default().to_string(),
                precision: Precision::default().to_string(),
                batch_size: 1,
                batch_timeout: gst::ClockTime::ZERO,
                threads: 0,
            },
            max_size_buffers: 2,
            live: LiveSettings { leaky: Leaky::default(), qos: true, post_messages: true, processing_latency: None },
        }
    }

    /// The properties with these defaults, in the order in which a user meets them. `model` says what `model` names, `leaky` what is
    /// dropped and what is not.
    pub(crate) fn properties(&self, model: &str, leaky: &str) -> Vec<glib::ParamSpec> {
        let Self { model: choice, max_size_buffers, live } = self;
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb(model)
                .default_value(choice.default_model)
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("device")
                .nick("Device")
                .blurb("Where the model runs: auto, cpu, cuda, cuda:N or metal")
                .default_value(&*choice.device)
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("precision")
                .nick("Precision")
                .blurb("Number format of the model: auto, f32, f16 or bf16")
                .default_value(&*choice.precision)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("leaky", live.leaky).nick("Leaky").blurb(leaky).mutable_playing().build(),
            glib::ParamSpecUInt::builder("max-size-buffers")
                .nick("Max size buffers")
                .blurb("Windows that may wait for the model, without the one it works on")
                .minimum(1)
                .maximum(64)
                .default_value(*max_size_buffers)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("batch-size")
                .nick("Batch size")
                .blurb(
                    "Windows in one model call at most, of all elements that share the model; the element that loads it decides",
                )
                .minimum(1)
                .maximum(64)
                .default_value(choice.batch_size)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt64::builder("batch-timeout")
                .nick("Batch timeout")
                .blurb("How long the first window of a batch waits for others (ns); the element that loads the model decides")
                .maximum(10_000_000_000)
                .default_value(choice.batch_timeout.nseconds())
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("threads")
                .nick("Threads")
                .blurb("Processors that the model takes; 0: half of all; the element that loads the model decides")
                .maximum(1024)
                .default_value(choice.threads)
                .mutable_ready()
                .build(),
            glib::ParamSpecBoolean::builder("qos")
                .nick("Quality of service")
                .blurb("Leave out windows that downstream reports to be too late for; they count as dropped")
                .default_value(live.qos)
                .mutable_playing()
                .build(),
            glib::ParamSpecBoolean::builder("post-messages")
                .nick("Post messages")
                .blurb("Post an element message perceiver-result for each window")
                .default_value(live.post_messages)
                .mutable_playing()
                .build(),
            glib::ParamSpecUInt64::builder("processing-latency")
                .nick("Processing latency")
                .blurb(
                    "Time of one window in the model (ns) as reported to latency queries; unset (the default): measured at start",
                )
                .default_value(u64::MAX)
                .mutable_playing()
                .build(),
        ]
    }

    /// Sets one of [`properties`](Self::properties); says whether it is one of them.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        let Self { model, max_size_buffers, live } = self;
        let default = Self::new(model.default_model).model;
        let text = |default: String| value.get::<Option<String>>().expect(CHECKED).unwrap_or(default);
        match name {
            "model" => model.model = text(default.model),
            "device" => model.device = text(default.device),
            "precision" => model.precision = text(default.precision),
            "batch-size" => model.batch_size = value.get().expect(CHECKED),
            "batch-timeout" => model.batch_timeout = gst::ClockTime::from_nseconds(value.get().expect(CHECKED)),
            "threads" => model.threads = value.get().expect(CHECKED),
            "max-size-buffers" => *max_size_buffers = value.get().expect(CHECKED),
            "leaky" => live.leaky = value.get().expect(CHECKED),
            "qos" => live.qos = value.get().expect(CHECKED),
            "post-messages" => live.post_messages = value.get().expect(CHECKED),
            "processing-latency" => live.processing_latency = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    /// Reads one of [`properties`](Self::properties); none if it is another.
    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        let Self { model, max_size_buffers, live } = self;
        Some(match name {
            "model" => model.model.to_value(),
            "device" => model.device.to_value(),
            "precision" => model.precision.to_value(),
            "batch-size" => model.batch_size.to_value(),
            "batch-timeout" => model.batch_timeout.nseconds().to_value(),
            "threads" => model.threads.to_value(),
            "max-size-buffers" => max_size_buffers.to_value(),
            "leaky" => live.leaky.to_value(),
            "qos" => live.qos.to_value(),
            "post-messages" => live.post_messages.to_value(),
            "processing-latency" => live.processing_latency.to_value(),
            _ => return None,
        })
    }
}

/// The properties that an element has besides those of [`InferenceSettings`].
pub(crate) trait OwnSettings: Clone + Default + Send + 'static {
    /// The model unless another is set; empty where the user has to name one.
    const MODEL: &'static str = "";
    /// What `model` names.
    const NAMES: &'static str;
    /// What is dropped when the model cannot keep up, and what is not.
    const DROPS: &'static str = "Which windows are dropped when the model cannot keep up";
    /// Properties of [`InferenceSettings`] for which the element has no use.
    const UNUSED: &'static [&'static str] = &[];

    /// The properties, in the order in which a user meets them.
    fn properties() -> Vec<glib::ParamSpec>;

    /// Sets one of [`properties`](Self::properties); says whether it is one of them.
    fn set(&mut self, name: &str, value: &glib::Value) -> bool;

    /// Reads one of [`properties`](Self::properties); none if it is another.
    fn get(&self, name: &str) -> Option<glib::Value>;
}

/// All properties of an element with a model that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Settings<O> {
    pub(crate) inference: InferenceSettings,
    pub(crate) own: O,
}

impl<O: OwnSettings> Default for Settings<O> {
    fn default() -> Self {
        Self { inference: InferenceSettings::new(O::MODEL), own: O::default() }
    }
}

impl<O: OwnSettings> Settings<O> {
    /// Every property of the element, in the order in which a user meets them.
    pub(crate) fn properties() -> Vec<glib::ParamSpec> {
        let mut properties = InferenceSettings::new(O::MODEL).properties(O::NAMES, O::DROPS);
        properties.retain(|property| !O::UNUSED.contains(&property.name()));
        properties.extend(O::properties());
        properties.push(
            glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                .nick("Statistics")
                .blurb(
                    "windows-in, windows-out, windows-dropped (uint64, of this element since it started); inference-ms-p50, \
                     inference-ms-p99, mean-batch (double, of the shared model); real-time-factor (double, at least 1 keeps up)",
                )
                .read_only()
                .build(),
        );
        properties
    }

    /// Sets one of the properties that can be set.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) {
        let known = self.inference.set(name, value) || self.own.set(name, value);
        assert!(known, "{name} is no property of this element");
    }

    /// Reads one of the properties that can be set.
    pub(crate) fn get(&self, name: &str) -> glib::Value {
        let value = self.inference.get(name).or_else(|| self.own.get(name));
        value.unwrap_or_else(|| unreachable!("{name} is no property of this element"))
    }
}
