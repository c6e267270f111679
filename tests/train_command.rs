//! `train classify`, `evaluate classify` and `evaluate av` on rendered clips.

mod place;

use std::fs;

use place::Place;
use serde_json::{Value, json};

/// A folder with a tiny multimodal model of two faults, and two classes of three clips each.
fn place() -> Place {
    let place = Place::empty();
    let config = json!({
        "model_type": "perceiver", "architectures": ["PerceiverForMultimodalAutoencoding"], "num_latents": 4, "d_latents": 16,
        "num_self_attends_per_block": 1, "num_self_attention_heads": 2, "num_cross_attention_heads": 1, "initializer_range": 0.05,
        "num_frames": 4, "image_size": 3, "output_shape": [1, 4, 12, 12], "audio_samples_per_frame": 64, "samples_per_patch": 32,
        "output_num_channels": 8, "_label_trainable_num_channels": 8, "id2label": {"0": "black", "1": "hum"},
        "problem_type": "multi_label_classification",
        "multimodal": {"patch": 4, "audio_num_bands": 2, "image_num_bands": 2, "sample_rate": 800},
    });
    fs::write(place.path("av.json"), config.to_string()).unwrap();
    let (config, model) = (place.text("av.json"), place.text("av"));
    place.well(&["train", "av", "--config", &config, "--steps", "1", "--batch", "2", "--calibration", "50", "--out", &model]);
    for (class, size) in [("calm", "64x48"), ("wild", "48x64")] {
        fs::create_dir_all(place.path("data").join(class)).unwrap();
        for clip in 0..3 {
            let (clip, frames) = (place.text(&format!("data/{class}/{clip}.mp4")), (10 + clip).to_string());
            place.well(&["scene", &clip, "--size", size, "--frames", &frames, "--rate", "12", "-q"]);
        }
    }
    place
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&place.well(&[arguments, &["--json"]].concat())).unwrap()
}

#[test]
fn from_two_folders_to_a_classifier_that_is_measured_and_used() {
    let place = place();
    let (data, from, out) = (place.text("data"), place.text("av"), place.text("out"));
    let short = ["--steps", "2", "--batch", "2", "--every", "1"];
    place.well(&[&["train", "classify", &data, "--from", &from, "--out", &out][..], &short].concat());

    let report = json_of(&place, &["evaluate", "classify", &data, "--model", &out]);
    assert_eq!((&report["files"], report["classes"].as_object().unwrap().len()), (&json!(6), 2));
    let called: u64 = ["calm", "wild"]
        .iter()
        .flat_map(|class| report["confusion"][class].as_object().unwrap().values())
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(called, 6);
    // What was kept for validation is a list of its own: a file of each class.
    let held_out = place.text("out/validation.csv");
    assert_eq!(json_of(&place, &["evaluate", "classify", &held_out, "--model", &out])["files"], 2);
    assert!(place.well(&["evaluate", "classify", &held_out, "--model", &out]).contains("of 2 files told right"));
    let said = place.well(&["classify", "--model", &out, &place.text("data/calm/0.mp4")]);
    assert!(said.contains("calm") && said.contains("wild"), "{said}");

    let refused = place.badly(1, &["evaluate", "classify", &data, "--model", &from]);
    assert!(refused.contains("label = calm") && refused.contains("black"), "{refused}");
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let place = place();
    let (data, from, out) = (place.text("data"), place.text("av"), place.text("out"));
    let refused = place.badly(1, &["train", "classify", &place.text("av"), "--out", &out]);
    assert!(refused.contains("CLASS/NAME") && refused.contains("mp4"), "{refused}");
    let refused = place.badly(1, &["train", "classify", &data, "--from", "builtin:flow", "--out", &out]);
    assert!(refused.contains("PerceiverForOpticalFlow"), "{refused}");
    fs::write(place.path("data/wild/9.mp4"), "no video").unwrap();
    let refused = place.badly(1, &["train", "classify", &data, "--from", &from, "--steps", "9", "--batch", "6", "--out", &out]);
    assert!(refused.contains("9.mp4"), "{refused}");
}

#[test]
fn a_multimodal_model_is_measured_beside_its_peers_and_on_clean_files() {
    let place = place();
    let model = place.text("av");
    let report = json_of(&place, &["evaluate", "av", "--model", &model, "--windows", "24"]);
    let distance = &report["audio_log_spectral_distance_db"];
    assert!(["model", "silence", "mean_spectrum"].iter().all(|who| distance[who].as_f64().unwrap() > 0.0), "{report}");
    assert!(report["video_ssim"].as_f64().unwrap() < 1.0);
    // Of the model's labels one has a detector, which finds it where ffmpeg is installed.
    if let Some(peers) = report["ffmpeg"].as_object() {
        assert!(peers.keys().eq(["black"]) && peers["black"]["ffmpeg"]["f1"] == 1.0, "{report}");
    }
    let clip = place.text("data/calm/0.mp4");
    let clean = json_of(&place, &["evaluate", "av", "--model", &model, &clip]);
    assert!(clean["files"][0]["seconds"].as_f64().unwrap() > 0.5 && clean["false_labels_in_ten_minutes"].is_number(), "{clean}");
    assert!(clean["video_psnr_db"].as_f64().unwrap() > 0.0 && clean["audio_snr_db"].is_number(), "{clean}");
    let table = place.well(&["evaluate", "av", "--model", &model, &clip]);
    assert!(table.contains("false labels in ten minutes\nreconstructed: video "), "{table}");
}
