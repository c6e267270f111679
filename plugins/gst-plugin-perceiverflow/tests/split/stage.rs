//! What the tests stand on: the registered plugin, a small model, a recorded stream with the answers of Hugging Face's model, pipelines.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Once, OnceLock},
};

use candle_core::{DType, Device, Tensor};
use gst::{glib, prelude::*};

use crate::small_model;
pub(crate) use crate::small_model::RATE;

/// Frame period of the recorded stream.
pub(crate) const PERIOD: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Frames of a window.
pub(crate) const FRAMES: u64 = 2;

/// Samples that belong to a frame.
pub(crate) const SAMPLES: usize = 32;

/// Windows of the recorded stream.
pub(crate) const WINDOWS: usize = 4;

pub(crate) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(
            glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_ERROR,
        );
        gstperceiverflow::plugin_register_static().unwrap();
    });
}

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures"))
}

/// A copy of the small multimodal model for 25 frames a second, with its configuration changed.
pub(crate) fn copied_model(change: impl FnOnce(String) -> String) -> tempfile::TempDir {
    let folder = small_model::copy();
    std::fs::write(folder.path().join("config.json"), change(small_model::config())).unwrap();
    folder
}

/// The model that most tests share.
pub(crate) fn model() -> &'static str {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    MODEL.get_or_init(small_model::copy).path().to_str().unwrap()
}

/// The recorded stream and what the model says of its windows.
pub(crate) struct Recorded(HashMap<String, Tensor>);

impl Recorded {
    pub(crate) fn open() -> Self {
        Self(candle_core::safetensors::load(fixtures().join("clip/clip.safetensors"), &Device::Cpu).unwrap())
    }

    /// What a head says of a window.
    pub(crate) fn answer(&self, name: &str, window: usize) -> Vec<f32> {
        self.0[name].get(window).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// A frame of 8 × 8 pixels RGB.
    pub(crate) fn frame(&self, number: u64) -> gst::Buffer {
        let frames = self.0["in.frames"].to_dtype(DType::U8).unwrap();
        let frame = frames.get(number as usize % (WINDOWS * FRAMES as usize)).unwrap();
        stamped(frame.flatten_all().unwrap().to_vec1::<u8>().unwrap(), PERIOD * number, PERIOD)
    }

    /// The samples that belong to a frame.
    pub(crate) fn sound(&self, number: u64) -> gst::Buffer {
        let samples: Vec<f32> = self.0["in.samples"].to_vec1().unwrap();
        let from = (number as usize * SAMPLES) % samples.len();
        let bytes = samples[from..from + SAMPLES].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        stamped(bytes, PERIOD * number, PERIOD)
    }
}

pub(crate) fn stamped(bytes: Vec<u8>, pts: gst::ClockTime, duration: gst::ClockTime) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let stamps = buffer.get_mut().unwrap();
    stamps.set_pts(pts);
    stamps.set_duration(duration);
    buffer
}

/// The description of a source of the recorded video, `name=video`.
pub(crate) fn video_source() -> String {
    "appsrc name=video format=time caps=video/x-raw,format=RGB,width=8,height=8,framerate=25/1,pixel-aspect-ratio=1/1".into()
}

/// The description of a source of the recorded sound, `name=audio`.
pub(crate) fn audio_source() -> String {
    format!("appsrc name=audio format=time caps=audio/x-raw,format=F32LE,rate={RATE},channels=1,layout=interleaved")
}

/// Both sources into `perceiverpreprocess name=windows` with these properties, and what follows it.
pub(crate) fn line(properties: &str, rest: &str) -> String {
    format!(
        "perceiverpreprocess name=windows model={} {properties} ! {rest} {} ! windows.video_sink {} ! windows.audio_sink",
        model(),
        video_source(),
        audio_source()
    )
}

/// A pipeline that plays.
pub(crate) struct Run {
    pub(crate) pipeline: gst::Pipeline,
}

impl Run {
    pub(crate) fn new(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline }
    }

    pub(crate) fn element(&self, name: &str) -> gst::Element {
        self.pipeline.by_name(name).unwrap_or_else(|| panic!("no element {name}"))
    }

    pub(crate) fn source(&self, name: &str) -> gst_app::AppSrc {
        self.element(name).downcast().unwrap()
    }

    /// Pushes frames and their sound.
    pub(crate) fn push(&self, recorded: &Recorded, frames: std::ops::Range<u64>) {
        for number in frames {
            self.source("video").push_buffer(recorded.frame(number)).unwrap();
            self.source("audio").push_buffer(recorded.sound(number)).unwrap();
        }
    }

    pub(crate) fn end(&self) {
        for source in ["video", "audio"] {
            if let Some(source) = self.pipeline.by_name(source) {
                source.downcast::<gst_app::AppSrc>().unwrap().end_of_stream().unwrap();
            }
        }
    }

    /// The whole recorded stream, to its end.
    pub(crate) fn push_all(&self, recorded: &Recorded) {
        self.push(recorded, 0..WINDOWS as u64 * FRAMES);
        self.end();
    }

    /// Everything that arrives at an appsink until the stream ends.
    pub(crate) fn pull(&self, name: &str) -> Vec<gst::Sample> {
        let sink = self.element(name).downcast::<gst_app::AppSink>().unwrap();
        std::iter::from_fn(|| sink.pull_sample().ok()).collect()
    }

    /// Waits for the error that the pipeline ends with: its domain's text, and what it says.
    pub(crate) fn error(&self) -> String {
        let bus = self.pipeline.bus().unwrap();
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Error]).expect("an error");
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        format!("{} {}", error.error(), error.debug().unwrap_or_default())
    }

    pub(crate) fn wait_for_eos(&self) {
        let bus = self.pipeline.bus().unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).expect("the end");
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    }

    pub(crate) fn stat(&self, element: &str, name: &str) -> u64 {
        self.element(element).property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// The results that an element has posted; no error must lie among the messages.
    pub(crate) fn results(&self, element: &str) -> Vec<gst::Structure> {
        let bus = self.pipeline.bus().unwrap();
        let messages: Vec<_> = std::iter::from_fn(|| bus.pop()).collect();
        assert!(messages.iter().all(|message| message.type_() != gst::MessageType::Error), "{messages:?}");
        let results = messages.iter().filter(|message| message.type_() == gst::MessageType::Element);
        let ours = results.filter(|message| message.src().is_some_and(|source| source.name() == element));
        ours.filter_map(|message| Some(message.structure()?.to_owned())).collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// The numbers of a sample's buffer.
pub(crate) fn numbers(sample: &gst::Sample) -> Vec<f32> {
    let bytes = sample.buffer().unwrap().map_readable().unwrap();
    bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect()
}

pub(crate) fn text(sample: &gst::Sample) -> String {
    String::from_utf8(sample.buffer().unwrap().map_readable().unwrap().to_vec()).unwrap()
}

/// Begin and duration of buffers in milliseconds.
pub(crate) fn times(samples: &[gst::Sample]) -> Vec<(u64, u64)> {
    let time = |sample: &gst::Sample| {
        let buffer = sample.buffer().unwrap();
        (buffer.pts().unwrap().mseconds(), buffer.duration().unwrap().mseconds())
    };
    samples.iter().map(time).collect()
}

pub(crate) fn assert_close(given: &[f32], expected: &[f32], what: &str) {
    assert_eq!(given.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let error = given.iter().zip(expected).fold(0f32, |error, (a, b)| error.max((a - b).abs())) / largest;
    assert!(error <= 2e-5, "{what}: relative error {error:.1e}");
}

/// Whether a folder is a path that a pipeline line can hold as it is.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
