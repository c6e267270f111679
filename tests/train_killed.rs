//! A training that is killed at any moment, and again, ends as one that was left alone: to the byte, but for the seconds it took.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::json;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn well(arguments: &[&str]) {
    assert!(program().args(arguments).status().unwrap().success(), "{arguments:?}");
}

/// The curve without the seconds, which are the machine's, and the model.
fn result(folder: &Path) -> (Vec<String>, Vec<u8>) {
    let curve = fs::read_to_string(folder.join("curve.csv")).unwrap();
    let row = |line: &str| line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, field)| format!("{field},")).collect();
    (curve.lines().map(row).collect(), fs::read(folder.join("model.safetensors")).unwrap())
}

/// Trains once undisturbed, and once killed after longer and longer times until it has come to its end.
fn holds(place: &Path, arguments: &[&str]) {
    let [whole, killed] = ["whole", "killed"].map(|name| place.join(name));
    let with = |out: &Path| -> Vec<String> {
        let common = ["--steps", "10", "--every", "1", "--batch", "2", "--threads", "2", "--device", "cpu", "--out"];
        let all = ["train"].iter().chain(arguments).chain(&common).map(ToString::to_string);
        all.chain([out.to_str().unwrap().to_owned()]).collect()
    };
    well(&with(&whole).iter().map(String::as_str).collect::<Vec<_>>());
    let mut kills = 0;
    loop {
        let mut child = program().args(with(&killed)).spawn().unwrap();
        thread::sleep(Duration::from_millis(60 + 60 * kills));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        // SIGKILL: nothing is put in order.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0);
    let (whole, killed) = (result(&whole), result(&killed));
    assert_eq!(whole.0.len(), 11);
    assert_eq!(whole, killed, "after {kills} kills");
}

fn config(place: &Path, name: &str, fields: serde_json::Value) -> String {
    let mut config = json!({
        "model_type": "perceiver", "num_latents": 4, "d_latents": 16, "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
        "num_cross_attention_heads": 1, "initializer_range": 0.05,
    });
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let path = place.join(name);
    fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn of_windows(place: &Path) -> String {
    let fields = json!({
        "architectures": ["PerceiverForMultimodalAutoencoding"], "num_frames": 4, "image_size": 3, "output_shape": [1, 4, 12, 12],
        "audio_samples_per_frame": 64, "samples_per_patch": 32, "output_num_channels": 8, "_label_trainable_num_channels": 8,
        "id2label": {"0": "black", "1": "hum"}, "problem_type": "multi_label_classification",
        "multimodal": {"patch": 4, "audio_num_bands": 2, "image_num_bands": 2, "sample_rate": 800},
    });
    config(place, "av.json", fields)
}

#[test]
fn of_flow() {
    let place = tempfile::tempdir().unwrap();
    let fields = json!({
        "architectures": ["PerceiverForOpticalFlow"], "train_size": [16, 24],
        "optical_flow": {"patch": 4, "out_channels": 22, "num_bands": 2},
    });
    holds(place.path(), &["flow", "--config", &config(place.path(), "flow.json", fields)]);
}

#[test]
fn of_windows_with_labels() {
    let place = tempfile::tempdir().unwrap();
    holds(place.path(), &["av", "--calibration", "50", "--config", &of_windows(place.path())]);
}

#[test]
fn of_a_classifier() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let config = of_windows(place.path());
    let once = ["--calibration", "50", "--steps", "1", "--batch", "1"];
    well(&[&["train", "av", "--config", &config, "--out", &text("model")], &once[..]].concat());
    for (class, size) in [("wide", "64x32"), ("high", "32x64")] {
        fs::create_dir_all(path("data").join(class)).unwrap();
        for clip in 0..3 {
            let (clip, frames) = (text(&format!("data/{class}/{clip}.mp4")), (8 + clip).to_string());
            well(&["scene", &clip, "--size", size, "--frames", &frames, "--rate", "12", "-q"]);
        }
    }
    holds(place.path(), &["classify", &text("data"), "--from", &text("model")]);
}
