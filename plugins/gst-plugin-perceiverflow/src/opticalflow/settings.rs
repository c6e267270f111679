//! The properties of `perceiveropticalflow`: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
    media::PairWindow,
    tasks::Tiling,
};

use super::queue::Leaky;
use crate::models::Key;

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

/// How frames meet the model's tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverScale")]
#[repr(i32)]
pub enum Scale {
    /// Tiles at the frame's own scale.
    #[default]
    #[enum_value(name = "Native: overlapping tiles at the frame's own scale", nick = "native")]
    Native,
    /// One tile.
    #[enum_value(name = "Fit: the whole frame resized to one tile", nick = "fit")]
    Fit,
}

/// What the model is, and how its worker batches. Read when the element starts.
#[derive(Clone, Debug)]
pub(super) struct ModelSettings {
    model: String,
    device: String,
    precision: String,
    pub(super) batch_size: u32,
    pub(super) batch_timeout: gst::ClockTime,
}

impl ModelSettings {
    /// The validated choice.
    ///
    /// # Errors
    /// When `device` or `precision` is none of those accepted.
    pub(super) fn key(&self) -> Result<Key> {
        let device: DeviceChoice = self.device.parse()?;
        let precision: Precision = self.precision.parse()?;
        Ok(Key { model: self.model.clone(), device, precision })
    }
}

/// How a stream is cut into windows and results are handed out. Read when the element starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamSettings {
    pub(super) frame_distance: u32,
    pub(super) inference_interval: u32,
    pub(super) policy: ResultPolicy,
    pub(super) max_size_buffers: u32,
    scale: Scale,
    tile_overlap: u32,
}

impl StreamSettings {
    /// The window policy.
    ///
    /// # Errors
    /// When the distance or the interval is 0, which the properties' ranges exclude.
    pub(super) fn pairing(&self) -> Result<PairWindow> {
        PairWindow::new(self.frame_distance as usize, u64::from(self.inference_interval))
    }

    pub(super) fn tiling(&self) -> Tiling {
        match self.scale {
            Scale::Native => Tiling::Native { overlap: self.tile_overlap as usize },
            Scale::Fit => Tiling::Fit,
        }
    }
}

/// What may change at any time.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveSettings {
    pub(super) leaky: Leaky,
    pub(super) qos: bool,
    pub(super) post_messages: bool,
    pub(super) processing_latency: Option<gst::ClockTime>,
}

/// All properties that can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) model: ModelSettings,
    pub(super) stream: StreamSettings,
    pub(super) live: LiveSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings {
                model: "builtin:flow".into(),
                device: DeviceChoice::default().to_string(),
                precision: Precision::default().to_string(),
                batch_size: 1,
                batch_timeout: gst::ClockTime::ZERO,
            },
            stream: StreamSettings {
                frame_distance: 1,
                inference_interval: 1,
                policy: ResultPolicy::default(),
                max_size_buffers: 2,
                scale: Scale::default(),
                tile_overlap: 20,
            },
            live: LiveSettings { leaky: Leaky::default(), qos: true, post_messages: true, processing_latency: None },
        }
    }
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(crate) fn properties() -> Vec<glib::ParamSpec> {
        let Self { model, stream, live } = Self::default();
        vec![
            glib::ParamSpecString::builder("model")
                .nick("Model")
                .blurb("Flow model: a folder with config.json and weights, or builtin:NAME")
                .default_value(&*model.model)
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("device")
                .nick("Device")
                .blurb("Where the model runs: auto, cpu, cuda, cuda:N or metal")
                .default_value(&*model.device)
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("precision")
                .nick("Precision")
                .blurb("Number format of the model: auto, f32, f16 or bf16")
                .default_value(&*model.precision)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("frame-distance")
                .nick("Frame distance")
                .blurb("Frames from the first frame of a window to the second")
                .minimum(1)
                .maximum(64)
                .default_value(stream.frame_distance)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("inference-interval")
                .nick("Inference interval")
                .blurb("Begin a window at every N-th frame")
                .minimum(1)
                .maximum(10_000)
                .default_value(stream.inference_interval)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("scale", stream.scale)
                .nick("Scale")
                .blurb("How frames of any size meet the model's tile")
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("tile-overlap")
                .nick("Tile overlap")
                .blurb("Pixels that neighbouring tiles share at least (scale=native); less than the tile's sides")
                .maximum(4096)
                .default_value(stream.tile_overlap)
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("result-policy", stream.policy)
                .nick("Result policy")
                .blurb("Which frame a result goes on, and so how long the video is delayed")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("leaky", live.leaky)
                .nick("Leaky")
                .blurb("Which windows are dropped when the model cannot keep up; frames never are")
                .mutable_playing()
                .build(),
            glib::ParamSpecUInt::builder("max-size-buffers")
                .nick("Max size buffers")
                .blurb("Windows that may wait for the model, without the one it works on")
                .minimum(1)
                .maximum(64)
                .default_value(stream.max_size_buffers)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("batch-size")
                .nick("Batch size")
                .blurb(
                    "Windows in one model call at most, of all elements that share the model; the element that loads it decides",
                )
                .minimum(1)
                .maximum(64)
                .default_value(model.batch_size)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt64::builder("batch-timeout")
                .nick("Batch timeout")
                .blurb("How long the first window of a batch waits for others (ns); the element that loads the model decides")
                .maximum(10_000_000_000)
                .default_value(model.batch_timeout.nseconds())
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

    /// Sets one of [`Settings::properties`].
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        const TYPE: &str = "GObject checks the type of a property's value";
        let Self { model, stream, live } = self;
        let text = |default: &str| value.get::<Option<String>>().expect(TYPE).unwrap_or_else(|| default.to_owned());
        match name {
            "model" => model.model = text(&Self::default().model.model),
            "device" => model.device = text(&Self::default().model.device),
            "precision" => model.precision = text(&Self::default().model.precision),
            "batch-size" => model.batch_size = value.get().expect(TYPE),
            "batch-timeout" => model.batch_timeout = gst::ClockTime::from_nseconds(value.get().expect(TYPE)),
            "frame-distance" => stream.frame_distance = value.get().expect(TYPE),
            "inference-interval" => stream.inference_interval = value.get().expect(TYPE),
            "scale" => stream.scale = value.get().expect(TYPE),
            "tile-overlap" => stream.tile_overlap = value.get().expect(TYPE),
            "result-policy" => stream.policy = value.get().expect(TYPE),
            "max-size-buffers" => stream.max_size_buffers = value.get().expect(TYPE),
            "leaky" => live.leaky = value.get().expect(TYPE),
            "qos" => live.qos = value.get().expect(TYPE),
            "post-messages" => live.post_messages = value.get().expect(TYPE),
            "processing-latency" => live.processing_latency = value.get().expect(TYPE),
            _ => unreachable!("{name} is no property of this list"),
        }
    }

    /// Reads one of [`Settings::properties`].
    pub(super) fn get(&self, name: &str) -> glib::Value {
        let Self { model, stream, live } = self;
        match name {
            "model" => model.model.to_value(),
            "device" => model.device.to_value(),
            "precision" => model.precision.to_value(),
            "batch-size" => model.batch_size.to_value(),
            "batch-timeout" => model.batch_timeout.nseconds().to_value(),
            "frame-distance" => stream.frame_distance.to_value(),
            "inference-interval" => stream.inference_interval.to_value(),
            "scale" => stream.scale.to_value(),
            "tile-overlap" => stream.tile_overlap.to_value(),
            "result-policy" => stream.policy.to_value(),
            "max-size-buffers" => stream.max_size_buffers.to_value(),
            "leaky" => live.leaky.to_value(),
            "qos" => live.qos.to_value(),
            "post-messages" => live.post_messages.to_value(),
            "processing-latency" => live.processing_latency.to_value(),
            _ => unreachable!("{name} is no property of this list"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_can_be_set_and_read_and_starts_at_its_default() {
        gst::init().unwrap();
        for spec in Settings::properties() {
            let mut settings = Settings::default();
            let default = settings.get(spec.name());
            assert_eq!(spec.value_type(), default.type_(), "{}", spec.name());
            assert_eq!(spec.default_value().serialize().unwrap(), default.serialize().unwrap(), "{}", spec.name());
            settings.set(spec.name(), spec.default_value());
            assert_eq!(settings.get(spec.name()).serialize().unwrap(), default.serialize().unwrap(), "{}", spec.name());
            assert!(spec.nick() != spec.name() && spec.blurb().is_some(), "{}", spec.name());
        }
    }
}
