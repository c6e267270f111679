//! A short recorded stream of pictures and sound, the tiny multimodal model it was recorded with, and what that says of it.

use std::{path::Path, sync::OnceLock};

use gst::prelude::*;
use gstperceiverflow::meta::LabelsMeta;

pub(crate) use crate::small_model::RATE;
use crate::{
    small_model,
    stage::{PERIOD, init},
};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

/// Frames of a window, and the recorded stream's.
pub(crate) const WINDOW: u64 = 2;
pub(crate) const FRAMES: u64 = 8;

/// Samples that belong to a frame.
pub(crate) const SAMPLES: usize = 32;

/// The model's classes.
pub(crate) const CLASSES: usize = 7;

/// The folder of the model.
pub(crate) fn model() -> &'static str {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    MODEL.get_or_init(small_model::copy).path().to_str().unwrap()
}

/// The bytes of one tensor of the recording.
fn recorded(name: &str) -> Vec<u8> {
    let file = std::fs::read(Path::new(FIXTURES).join("clip/clip.safetensors")).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&file[8..8 + header]).unwrap();
    let offsets = text.split(&format!("\"{name}\":")).nth(1).unwrap().split("\"data_offsets\":[").nth(1).unwrap();
    let mut offsets = offsets.split(']').next().unwrap().split(',').map(|offset| offset.parse::<usize>().unwrap());
    let (from, to) = (offsets.next().unwrap(), offsets.next().unwrap());
    file[8 + header + from..8 + header + to].to_vec()
}

/// The probabilities of the classes in a window, by their numbers.
pub(crate) fn expected(window: usize) -> Vec<f64> {
    let scores: Vec<f64> =
        recorded("out.label").chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into()).collect();
    let scores = &scores[window * CLASSES..(window + 1) * CLASSES];
    let sum: f64 = scores.iter().map(|score| score.exp()).sum();
    scores.iter().map(|score| score.exp() / sum).collect()
}

/// Asserts that labels are those of a recorded window.
pub(crate) fn assert_recorded(labels: &[(usize, f64)], window: usize) {
    let expected = expected(window);
    assert_eq!(labels.len(), CLASSES);
    assert!(labels.is_sorted_by(|a, b| a.1 >= b.1), "{labels:?}");
    for (index, confidence) in labels {
        assert!((confidence - expected[*index]).abs() < 2e-5, "window {window}, class {index}: {confidence}");
    }
}

/// A pipeline that is fed by hand: `appsrc name=video`, `appsrc name=audio` and `appsink`s, as far as the line has them.
pub(crate) struct Fed {
    pub(crate) pipeline: gst::Pipeline,
}

impl Fed {
    /// In the line `VIDEO` and `AUDIO` stand for the two sources, `CLASSIFY` for the element `classify`, which says all classes.
    pub(crate) fn new(line: &str) -> Self {
        init();
        let video = "appsrc name=video format=time block=true max-buffers=2 \
                     caps=video/x-raw,format=RGB,width=8,height=8,framerate=25/1";
        let audio = format!(
            "appsrc name=audio format=time block=true max-buffers=2 \
             caps=audio/x-raw,format=F32LE,layout=interleaved,channels=1,rate={RATE}"
        );
        let classify = format!("perceiverclassify name=classify device=cpu precision=f32 top-k={CLASSES} model={}", model());
        let line = line.replace("VIDEO", video).replace("AUDIO", &audio).replace("CLASSIFY", &classify);
        let pipeline = gst::parse::launch(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline }
    }

    pub(crate) fn element(&self) -> gst::Element {
        self.pipeline.by_name("classify").unwrap()
    }

    fn source(&self, name: &str) -> gst_app::AppSrc {
        self.pipeline.by_name(name).unwrap().downcast().unwrap()
    }

    /// Feeds buffers from a thread of its own; then the stream ends.
    pub(crate) fn feed(&self, name: &str, buffers: impl IntoIterator<Item = gst::Buffer> + Send + 'static) {
        let source = self.source(name);
        std::thread::spawn(move || {
            for buffer in buffers {
                if source.push_buffer(buffer).is_err() {
                    return;
                }
            }
            // A source that was stopped meanwhile needs no end.
            let _ = source.end_of_stream();
        });
    }

    /// Everything that arrives at an appsink until the end.
    pub(crate) fn pull(&self, name: &str) -> Vec<gst::Sample> {
        let sink = self.pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
        std::iter::from_fn(|| sink.pull_sample().ok()).collect()
    }

    /// The same as the windows that the buffers carry.
    pub(crate) fn carried(&self, name: &str) -> Vec<Option<u64>> {
        self.pull(name).iter().map(|sample| LabelsMeta::of(sample.buffer().unwrap()).map(|meta| meta.window.id)).collect()
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.element().property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// The results that lie on the bus, on which no error must lie.
    pub(crate) fn results(&self) -> Vec<gst::Structure> {
        let bus = self.pipeline.bus().unwrap();
        let messages: Vec<_> = std::iter::from_fn(|| bus.pop()).collect();
        assert!(messages.iter().all(|message| message.type_() != gst::MessageType::Error), "{messages:?}");
        let results = messages.iter().filter_map(|message| message.structure());
        results.filter(|structure| structure.name() == "perceiver-result").map(ToOwned::to_owned).collect()
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        // A pipeline that does not stop shows itself by hanging here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The recorded frames, with times from the start.
pub(crate) fn frames() -> Vec<gst::Buffer> {
    let bytes = recorded("in.frames");
    bytes.chunks_exact(8 * 8 * 3).zip(0..).map(|(frame, number)| crate::stage::stamped(frame_of(frame), number)).collect()
}

fn frame_of(bytes: &[u8]) -> gst::Buffer {
    gst::Buffer::from_mut_slice(bytes.to_vec())
}

/// The recorded sound in chunks of this many samples.
pub(crate) fn chunks(samples: usize) -> Vec<gst::Buffer> {
    let bytes = recorded("in.samples");
    let chunk = |(number, bytes): (usize, &[u8])| {
        let mut buffer = frame_of(bytes);
        let stamps = buffer.get_mut().unwrap();
        let at = |sample: usize| PERIOD * sample as u64 / SAMPLES as u64;
        stamps.set_pts(at(number * samples));
        stamps.set_duration(at(bytes.len() / 4));
        buffer
    };
    bytes.chunks(samples * 4).enumerate().map(chunk).collect()
}
