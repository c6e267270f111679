//! An image classifier in the element for streams: single frames with their labels, and no ear for sound.

use std::path::Path;

use gst::prelude::*;
use gstperceiverflow::meta::LabelsMeta;
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Picture,
    tasks::ClassifyImage,
};
use tempfile::TempDir;

use crate::{
    clip::{Fed, chunks, frames},
    stage::PERIOD,
};

/// A small image classifier with random weights.
fn model() -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models/image_classification_learned");
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("preprocessor_config.json"), r#"{"size": 8, "crop_size": 10}"#).unwrap();
    folder
}

fn line(model: &TempDir, line: &str) -> String {
    line.replace("CLASSIFY", &format!("CLASSIFY model={}", model.path().display()))
}

#[test]
fn each_frame_has_the_labels_that_the_library_gives_its_picture() {
    let model = model();
    let fed = Fed::new(&line(&model, "VIDEO ! CLASSIFY result-policy=aligned ! appsink name=out sync=false"));
    fed.feed("video", frames());
    let samples = fed.pull("out");
    let task = ClassifyImage::open(model.path().to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).unwrap();
    assert_eq!(samples.len(), frames().len());
    for (number, (sample, frame)) in samples.iter().zip(frames()).enumerate() {
        let meta = LabelsMeta::of(sample.buffer().unwrap()).unwrap();
        let picture = Picture::new(8, 8, frame.map_readable().unwrap().to_vec()).unwrap();
        let expected = &task.classify(&[&picture]).unwrap()[0];
        let labels = meta.labels.as_slice();
        assert_eq!(labels.len(), expected.as_slice().len());
        for (label, expected) in labels.iter().zip(expected.as_slice()) {
            assert_eq!((label.index, &label.name), (expected.index, &expected.name), "frame {number}");
            assert!((label.confidence - expected.confidence).abs() < 1e-6, "frame {number}");
        }
        assert_eq!((meta.window.id, meta.window.stream_time), (number as u64, Some(PERIOD * number as u64)));
        assert_eq!(&*meta.window.model_hash, task.hash());
    }
}

#[test]
fn every_nth_frame_whatever_missing_audio_says() {
    let options = "CLASSIFY result-policy=aligned stride-frames=4 missing-audio=drop";
    let model = model();
    let fed = Fed::new(&line(&model, &format!("VIDEO ! {options} ! appsink name=out sync=false")));
    fed.feed("video", frames());
    assert_eq!(fed.carried("out"), [0, 0, 0, 0, 1, 1, 1, 1].map(Some));
    assert_eq!(fed.stat("windows-out"), 2);
}

#[test]
fn sound_beside_it_is_not_waited_for() {
    let model = model();
    let both = "VIDEO ! CLASSIFY result-policy=aligned ! appsink name=out sync=false  AUDIO ! queue ! classify.audio_sink";
    let fed = Fed::new(&line(&model, both));
    fed.feed("video", frames());
    assert_eq!(fed.carried("out").len(), frames().len(), "the sound has not come");
    fed.feed("audio", chunks(20));
    assert_eq!(fed.stat("windows-out"), frames().len() as u64);
}

#[test]
fn sound_alone_is_refused() {
    let model = model();
    let fed = Fed::new(&line(&model, "AUDIO ! CLASSIFY ! fakesink"));
    fed.feed("audio", chunks(20));
    let error = fed.pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Error]);
    let error = error.expect("an error");
    let gst::MessageView::Error(error) = error.view() else { unreachable!() };
    assert!(error.debug().unwrap().contains("image classifier"), "{error:?}");
}

#[test]
fn a_model_of_another_kind_is_refused_by_its_name() {
    crate::stage::init();
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/masked_lm");
    let element = gst::ElementFactory::make("perceiverclassify").property("model", text).build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    element.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    let said = format!("{} {}", error.error(), error.debug().unwrap_or_default());
    assert!(said.contains("PerceiverForMaskedLM") && said.contains("PerceiverForMultimodalAutoencoding"), "{said}");
}
