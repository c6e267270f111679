//! `classify`, `reconstruct`, `encode` and `decode` on a rendered clip, with the tiny multimodal model of the fixtures.
#![cfg(all(feature = "cli", feature = "video-file"))]

mod place;

use std::{path::Path, time::Duration};

use perceiverflow::video_file::{Media, MediaReader};
use place::Place;
use serde_json::Value;

/// Windows are 2 frames of 8 x 8 and 640 samples. The number of samples is in no tensor's shape.
const SAMPLE_RATE: u32 = 8000;
const WINDOW: f64 = 0.08;
const FRAMES: usize = 25;

/// A folder with a model of 25 frames a second and a clip of one second, 24 frames a second, with sound.
fn place() -> Place {
    let place = Place::empty();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/multimodal_autoencoding");
    std::fs::create_dir(place.path("model")).unwrap();
    std::fs::copy(fixture.join("model.safetensors"), place.path("model/model.safetensors")).unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(fixture.join("config.json")).unwrap()).unwrap();
    config["audio_samples_per_frame"] = 320.into();
    config["multimodal"] = serde_json::json!({ "sample_rate": SAMPLE_RATE });
    std::fs::write(place.path("model/config.json"), config.to_string()).unwrap();
    let clip = place.text("clip.mp4");
    place.well(&["scene", &clip, "--size", "64x48", "--frames", "24", "--rate", "24", "-q"]);
    place
}

/// The frames' times and sizes, and how many samples, of a file.
fn content(place: &Place, name: &str) -> (Vec<(Duration, usize, usize)>, usize) {
    let mut reader = MediaReader::open(place.path(name), SAMPLE_RATE).unwrap();
    let (mut frames, mut samples) = (Vec::new(), 0);
    while let Some(media) = reader.next_media().unwrap() {
        match media {
            Media::Frame(frame) => frames.push((frame.time, frame.picture.width(), frame.picture.height())),
            Media::Audio(chunk) => samples += chunk.samples.len(),
        }
    }
    (frames, samples)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn latents_of_yesterday_say_what_is_said_today() {
    let place = place();
    let (model, clip, latents) = (place.text("model"), place.text("clip.mp4"), place.text("clip.safetensors"));
    let live = json_lines(&place.well(&["classify", "--model", &model, &clip, "--json"]));
    assert_eq!(live.len(), FRAMES.div_ceil(2));
    for (number, line) in live.iter().enumerate() {
        assert!((line["start"].as_f64().unwrap() - number as f64 * WINDOW).abs() < 1e-6, "{line}");
        assert_eq!(line["labels"].as_array().unwrap().len(), 5, "top 5 of 7");
    }
    place.well(&["encode", "--model", &model, &clip, "-o", &latents, "--batch-size", "4"]);
    let later = json_lines(&place.well(&["decode", "--model", &model, &latents, "--head", "labels", "--json"]));
    for (live, later) in live.iter().zip(&later) {
        assert_eq!((&live["start"], &live["end"], &live["model"]), (&later["start"], &later["end"], &later["model"]));
        let labels = |line: &Value| -> Vec<(u64, f64)> {
            let label = |label: &Value| (label["index"].as_u64().unwrap(), label["score"].as_f64().unwrap());
            line["labels"].as_array().unwrap().iter().map(label).collect()
        };
        for ((index, score), (again, later)) in labels(live).into_iter().zip(labels(later)) {
            assert!(index == again && (score - later).abs() < 1e-5, "{live} {later}");
        }
    }
    assert_eq!(later.len(), live.len());

    let refused = place.badly(1, &["decode", "--model", "builtin:flow", &latents, "--head", "labels"]);
    assert!(refused.contains("builtin:flow") || refused.contains("checkpoint"), "{refused}");
    let other = place.path("model/config.json");
    let config = std::fs::read_to_string(&other).unwrap();
    std::fs::write(&other, config + "\n").unwrap();
    let refused = place.badly(1, &["decode", "--model", &model, &latents, "--head", "labels"]);
    assert!(refused.contains("clip.safetensors") && refused.contains("latents of the model"), "{refused}");
}

#[test]
fn cues_and_lines_by_name() {
    let place = place();
    let (model, clip, latents) = (place.text("model"), place.text("clip.mp4"), place.text("clip.safetensors"));
    place.well(&["classify", "--model", &model, &clip, "--vtt", &place.text("live.vtt"), "--top-k", "1"]);
    place.well(&["encode", "--model", &model, &clip, "-o", &latents]);
    let decode = |output: &str, more: &[&str]| {
        let output = place.text(output);
        let all = ["decode", "--model", &model, &latents, "--head", "labels", "-o", &output, "--top-k", "1"];
        place.well(&[&all[..], more].concat());
        std::fs::read_to_string(output).unwrap()
    };
    let cues = decode("later.vtt", &[]);
    assert!(cues.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:00.080\n"), "{cues}");
    let without_numbers = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let live = std::fs::read_to_string(place.path("live.vtt")).unwrap();
    assert_eq!(without_numbers(&cues), without_numbers(&live));
    assert_eq!(json_lines(&decode("later.jsonl", &["--json"])).len(), FRAMES.div_ceil(2));
    assert!(decode("later.txt", &[]).starts_with("clip.mp4  0.000 - 0.080 s\n"));
    assert!(place.badly(2, &["classify", "--model", &model, &clip, &clip, "--vtt", &place.text("x.vtt")]).contains("one INPUT"));
    assert!(!place.path("x.vtt").exists());
}

#[test]
fn an_image_classifier_is_asked_about_single_frames() {
    let place = place();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/image_classification_learned");
    std::fs::create_dir(place.path("pictures")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture.join(file), place.path("pictures").join(file)).unwrap();
    }
    std::fs::write(place.path("pictures/preprocessor_config.json"), r#"{"size": 8, "crop_size": 10}"#).unwrap();
    let (pictures, clip) = (place.text("pictures"), place.text("clip.mp4"));
    let lines = |stride: &str, batch: &str| {
        let options = ["--json", "--stride-frames", stride, "--batch-size", batch, "--missing-audio", "drop"];
        json_lines(&place.well(&[&["classify", "--model", &pictures, &clip][..], &options].concat()))
    };
    let all = lines("1", "1");
    assert_eq!(all.len(), FRAMES);
    let fifth = lines("5", "3");
    assert_eq!(fifth.len(), FRAMES / 5);
    for (number, line) in fifth.iter().enumerate() {
        assert!((line["start"].as_f64().unwrap() - number as f64 * 0.2).abs() < 1e-6, "{line}");
        assert!((line["end"].as_f64().unwrap() - number as f64 * 0.2 - 0.04).abs() < 1e-6, "{line}");
        assert_eq!(line["labels"][0]["index"], all[number * 5]["labels"][0]["index"]);
    }
    let sound = place.text("sound.wav");
    place.well(&["reconstruct", "--model", &place.text("model"), &clip, "-o", &sound]);
    let refused = place.badly(1, &["classify", "--model", &pictures, &sound]);
    assert!(refused.contains("sound.wav") && refused.contains("no video"), "{refused}");
    let refused = place.badly(1, &["classify", "--model", "builtin:flow", &clip]);
    assert!(refused.contains("PerceiverForOpticalFlow") && refused.contains("PerceiverForMultimodalAutoencoding"), "{refused}");
}

#[test]
fn a_broken_input_does_not_stop_the_others() {
    let place = place();
    let (model, clip, broken) = (place.text("model"), place.text("clip.mp4"), place.text("broken.mp4"));
    std::fs::write(&broken, "no video").unwrap();
    let output = place.run(&["classify", "--model", &model, "--json", &broken, &clip]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.mp4"));
    assert_eq!(json_lines(&String::from_utf8(output.stdout).unwrap()).len(), FRAMES.div_ceil(2));
}

#[test]
fn video_and_sound_there_and_back() {
    let place = place();
    let (model, clip, latents) = (place.text("model"), place.text("clip.mp4"), place.text("clip.safetensors"));
    let reconstruct = |output: &str, more: &[&str]| {
        let output = place.text(output);
        place.well(&[&["reconstruct", "--model", &model, &clip, "-o", &output][..], more].concat())
    };
    reconstruct("whole.mkv", &[]);
    let (frames, samples) = content(&place, "whole.mkv");
    assert_eq!(frames.len(), FRAMES);
    for (number, (time, width, height)) in frames.iter().enumerate() {
        assert_eq!((*width, *height), (8, 8));
        assert!((time.as_secs_f64() - number as f64 / 25.0).abs() < 2e-3, "frame {number} at {time:?}");
    }
    assert!(samples.abs_diff(SAMPLE_RATE as usize) <= 640, "{samples} samples");
    reconstruct("few.mkv", &["--query-stride", "2", "--roi", "0,4,8,4", "--stride-frames", "1"]);
    let (few, _) = content(&place, "few.mkv");
    assert!(few.len() == FRAMES && few.iter().all(|(_, width, height)| (*width, *height) == (4, 2)), "{few:?}");
    reconstruct("heard.wav", &[]);
    let (none, samples) = content(&place, "heard.wav");
    assert!(none.is_empty() && samples.abs_diff(SAMPLE_RATE as usize) <= 640, "{samples} samples");

    place.well(&["encode", "--model", &model, &clip, "-o", &latents]);
    place.well(&["decode", "--model", &model, &latents, "--head", "audio", "-o", &place.text("later.wav")]);
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert_eq!(bytes("later.wav"), bytes("heard.wav"), "the same numbers, whenever they are asked for");
    place.well(&["decode", "--model", &model, &latents, "--head", "video", "-o", &place.text("later.mkv")]);
    assert_eq!(content(&place, "later.mkv").0.len(), FRAMES);

    reconstruct("heard.ogg", &["--batch-size", "3"]);
    let sound_only = place.text("heard.wav");
    place.well(&["reconstruct", "--model", &model, &sound_only, "-o", &place.text("again.wav")]);
    let refused = place.badly(1, &["reconstruct", "--model", &model, &sound_only, "-o", &place.text("again.mp4")]);
    assert!(refused.contains("again.mp4") && refused.contains(".wav"), "{refused}");
    let refused = place.badly(1, &["reconstruct", "--model", &model, &clip, "-o", &place.text("r.mp4"), "--roi", "4,4,8,8"]);
    assert!(refused.contains("query-roi") && refused.contains("8x8"), "{refused}");
    assert!(!place.path("r.mp4").exists() && !place.path("again.mp4").exists());
}
