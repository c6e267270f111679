//! `perceiverflow bench`: its JSON, for every head in miniature.
#![cfg(feature = "cli")]

use std::process::Command;

use serde_json::Value;

fn bench(model: &str, more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
    let output = command.args(["bench", "--json", "--model", model]).args(more).output().unwrap();
    assert!(output.status.success(), "{model}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stages(report: &Value) -> Vec<&str> {
    report["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect()
}

fn total<'a>(report: &'a Value, field: &str) -> &'a Value {
    &report["stages"].as_array().unwrap().last().unwrap()[field]
}

#[test]
fn every_head_goes_through_its_stages() {
    let fixture = |name: &str| format!("{}/tests/fixtures/models/{name}", env!("CARGO_MANIFEST_DIR"));
    let latents = ["preprocess", "encoder_cross", "self_attention", "decoder"];
    for name in ["optical_flow", "image_classification_fourier", "sequence_classification", "multimodal_autoencoding"] {
        let report = bench(&fixture(name), &["--flops"]);
        assert_eq!(stages(&report), [&latents[..], &["total"]].concat(), "{name}");
        assert!(total(&report, "gflop_published").as_f64().unwrap() > 0.0, "{name}");
        // Nothing was timed against it.
        assert_eq!(report["peak_gflop_per_second"], 0.0);
        assert_eq!(*total(&report, "share_of_peak"), Value::Null);
    }
    let language = bench(&fixture("masked_lm"), &["--flops"]);
    assert_eq!(stages(&language), [&latents[..], &["postprocess", "total"]].concat());
}

#[test]
fn the_built_in_model_is_timed_in_both_forms() {
    let folded = bench("builtin:flow", &["--runs", "3", "--threads", "1"]);
    assert_eq!((&folded["threads"], &folded["device"]), (&1.into(), &"cpu".into()));
    assert_eq!(folded["seconds"].as_array().unwrap().len(), 3);
    for field in ["seconds", "gflop", "share_of_peak"] {
        assert!(total(&folded, field).as_f64().unwrap() > 0.0, "{field}");
    }
    if cfg!(target_os = "linux") {
        // The weights alone take more than that.
        assert!(folded["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let plain = bench("builtin:flow", &["--no-fold", "--flops"]);
    assert_eq!(plain["folded"], false);
    assert_eq!(total(&plain, "gflop"), total(&folded, "gflop_published"));
    assert!(total(&folded, "gflop").as_f64() < total(&folded, "gflop_published").as_f64());
}

#[test]
fn a_model_without_a_head_is_refused() {
    let fixture = format!("{}/tests/fixtures/models/bare", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_perceiverflow")).args(["bench", "--model", &fixture]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a head"), "{}", String::from_utf8_lossy(&output.stderr));
}
