//! Latents of windows, by the program and by a pipeline: before any codec or threshold can hide what differs.

use std::path::Path;

use gst::prelude::*;
use perceiverflow::formats::latents::LatentsReader;

use super::{APART, MODEL, said};

/// How far the latents of a window may be apart, of their own length.
const UNLIKE: f64 = 0.06;

/// Begin in seconds and numbers of each window.
type Windows = Vec<(f64, Vec<f32>)>;

/// Asserts that the latents a pipeline recorded of this input are those of `perceiverflow encode`.
pub(super) fn assert_same_latents(input: &Path, recorded: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program.safetensors");
    said(MODEL, &["encode", input.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    let (one, other) = (of_program(&file), of_pipeline(recorded));
    let name = input.display();
    assert!(!one.is_empty() && one.len() == other.len(), "{name}: {} and {} windows", one.len(), other.len());
    for ((time, one), (at, other)) in one.iter().zip(&other) {
        assert!((time - at).abs() <= APART, "{name}: {time} s and {at} s");
        let length = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|n| f64::from(n).powi(2)).sum::<f64>().sqrt();
        let apart = length(&mut one.iter().zip(other).map(|(a, b)| a - b)) / length(&mut one.iter().copied());
        assert!(one.len() == other.len() && apart <= UNLIKE, "{name}: latents {apart} apart at {time} s");
    }
}

fn of_program(path: &Path) -> Windows {
    let mut reader = LatentsReader::open(path).unwrap();
    let windows = 0..reader.windows();
    windows.map(|number| reader.read(number).unwrap()).map(|window| (window.time.as_secs_f64(), window.values)).collect()
}

fn of_pipeline(path: &Path) -> Windows {
    gst::init().unwrap();
    let line = "filesrc name=file ! gdpdepay ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path);
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let windows = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| {
        let buffer = sample.buffer().unwrap();
        let bytes = buffer.map_readable().unwrap();
        let numbers = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        (buffer.pts().unwrap().nseconds() as f64 / 1e9, numbers.collect())
    });
    let windows = windows.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    windows
}
