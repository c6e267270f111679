//! `perceiverflow models` as its users meet it, with a stand-in for the Hub and a cache of its own.
#![cfg(all(feature = "cli", feature = "hub"))]

#[path = "hub/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use server::{COMMIT, REPOSITORY, Server};
use tempfile::TempDir;

const WEIGHTS: &str = "model.safetensors";

/// A published architecture in miniature.
fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn content(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(&fixture("optical_flow")).join(name)).unwrap()
}

struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let files = ["config.json", WEIGHTS].map(|name| (name.to_owned(), content(name)));
        Self { server: Server::start(files), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
        for variable in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"] {
            command.env_remove(variable);
        }
        command.env("HF_HOME", self.path("hf")).env("HF_ENDPOINT", &self.server.endpoint);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeeds(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn fails(&self, arguments: &[&str], parts: &[&str]) {
        let output = self.run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: {message}");
        }
    }
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn help_is_there_for_every_command() {
    let place = Place::new();
    for command in ["list", "pull", "show", "verify", "convert"] {
        let help = place.succeeds(&["models", command, "--help"]);
        assert!(help.contains("Examples:") && help.contains("--json"), "{command}: {help}");
    }
    assert_eq!(place.run(&["models", "pull", "no-id"]).status.code(), Some(2));
    assert_eq!(place.run(&["models", "convert", "builtin:flow", "-o", "x", "--dtype", "f8"]).status.code(), Some(2));
}

#[test]
fn a_model_of_the_hub_is_pulled_listed_shown_and_verified() {
    let place = Place::new();
    place.fails(&["models", "verify", REPOSITORY], &[]);
    let pulled = place.json(&["models", "pull", REPOSITORY]);
    let folder = place.path("hf/hub/models--owner--flow/snapshots").join(COMMIT);
    assert_eq!(pulled[0]["folder"], json!(folder));
    assert!(place.succeeds(&["models", "list"]).contains("owner/flow    PerceiverForOpticalFlow"));
    let list = place.json(&["models", "list"]);
    let shown = place.json(&["models", "show", REPOSITORY]);
    assert!(list.as_array().unwrap().contains(&shown));
    assert_eq!(shown["sha256"], pulled[0]["sha256"]);
    let verified = place.json(&["models", "verify", REPOSITORY, "builtin:flow"]);
    assert_eq!((&verified[0]["ok"], &verified[0]["sha256"]), (&json!(true), &shown["sha256"]));
    let doctor = place.json(&["doctor"]);
    let about =
        |what: &str| doctor["findings"].as_array().unwrap().iter().find(|finding| finding["what"] == what).unwrap().clone();
    assert!(about("cache")["detail"].as_str().unwrap().ends_with("Perceiver models: 1"));
    assert_eq!(about("token")["state"], "absent");
}

#[test]
fn a_model_is_fetched_when_it_is_first_named() {
    let place = Place::new();
    let output = place.run(&["models", "show", "owner/flow@v1"]);
    assert!(output.status.success() && String::from_utf8(output.stderr).unwrap().contains(WEIGHTS));
    place.server.state().requests.clear();
    place.succeeds(&["models", "show", "owner/flow@v1"]);
    assert!(place.server.state().requests.is_empty());
    place.fails(&["models", "show", "owner/nothing"], &["owner/nothing", "no such model"]);
}

#[test]
fn a_damaged_model_is_told_and_the_others_are_still_checked() {
    let place = Place::new();
    place.succeeds(&["models", "pull", REPOSITORY]);
    let blob = place.path("hf/hub/models--owner--flow/snapshots").join(COMMIT).join(WEIGHTS).canonicalize().unwrap();
    let mut weights = content(WEIGHTS);
    *weights.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, weights).unwrap();
    let output = place.run(&["models", "verify", REPOSITORY, "builtin:flow", "nowhere"]);
    let list = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(list.contains("damaged") && list.contains(blob.to_str().unwrap()), "{list}");
    assert!(list.contains("ok    builtin:flow") && list.contains("nowhere"), "{list}");
    std::fs::remove_file(blob).unwrap();
    place.succeeds(&["models", "pull", REPOSITORY]);
    place.succeeds(&["models", "verify", REPOSITORY]);
}

#[test]
fn numbers_that_are_not_finite_and_surplus_tensors_are_found() {
    let place = Place::new();
    let folder = place.path("broken");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.json"), content("config.json")).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = tensors(&Path::new(&fixture("optical_flow")).join(WEIGHTS));
    let name = "perceiver.embeddings.latents";
    tensors.insert(name.into(), (&tensors[name] * f64::NAN).unwrap());
    tensors.insert("stranger".into(), Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap());
    candle_core::safetensors::save(&tensors.into_iter().collect(), folder.join(WEIGHTS)).unwrap();
    let output = place.run(&["models", "verify", "broken"]);
    let list = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(list.contains(name) && list.contains("not finite") && list.contains("surplus stranger"), "{list}");
}

#[test]
fn a_model_is_written_anew_with_its_names_and_shapes() {
    let place = Place::new();
    let old = place.path("old");
    std::fs::create_dir(&old).unwrap();
    for name in ["config.json", WEIGHTS] {
        std::fs::copy(Path::new(&fixture("image_classification_conv")).join(name), old.join(name)).unwrap();
    }
    std::fs::write(old.join("preprocessor_config.json"), r#"{"size": 64}"#).unwrap();
    let before = tensors(&old.join(WEIGHTS));
    place.succeeds(&["models", "convert", "old", "-o", "same"]);
    assert_eq!(names(&place.path("same")), ["config.json", WEIGHTS, "preprocessor_config.json"]);
    let config = |folder: &str| std::fs::read_to_string(place.path(folder).join("config.json")).unwrap();
    assert_eq!(config("same"), config("old"));
    let bytes = std::fs::read(place.path("same").join(WEIGHTS)).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    for (folder, dtype, tolerance) in [("same", DType::F32, 0.0), ("half", DType::F16, 1e-3), ("brain", DType::BF16, 1e-2)] {
        if folder != "same" {
            let shown =
                place.json(&["models", "convert", "old", "-o", folder, "--dtype", if folder == "half" { "f16" } else { "bf16" }]);
            assert_eq!(shown["window"], json!({ "rows": 64, "columns": 64 }));
            assert!(config(folder).contains("\"torch_dtype\""));
        }
        let after = tensors(&place.path(folder).join(WEIGHTS));
        assert!(before.keys().eq(after.keys()));
        for (name, expected) in &before {
            let found = &after[name];
            assert_eq!(found.dims(), expected.dims(), "{name}");
            if !expected.dtype().is_float() {
                assert_eq!(found.dtype(), expected.dtype(), "{name}");
                continue;
            }
            assert_eq!(found.dtype(), dtype, "{name}");
            let flat = |x: &Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let close = |(a, b): (f32, f32)| (a - b).abs() <= tolerance * b.abs().max(1e-3);
            assert!(flat(found).into_iter().zip(flat(expected)).all(close), "{name}");
        }
        place.succeeds(&["models", "verify", folder]);
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.path("there")).unwrap();
    place.fails(&["models", "convert", "builtin:flow", "-o", "there"], &["there", "new folder"]);
    place.fails(&["models", "convert", "builtin:flow", "-o", "no/such"], &["no/such"]);
    let large = place.path("large");
    std::fs::create_dir(&large).unwrap();
    std::fs::write(large.join("config.json"), content("config.json")).unwrap();
    let mut tensors = tensors(&Path::new(&fixture("optical_flow")).join(WEIGHTS));
    let name = "perceiver.embeddings.latents";
    tensors.insert(name.into(), tensors[name].ones_like().unwrap().affine(1e6, 0.0).unwrap());
    candle_core::safetensors::save(&tensors.into_iter().collect(), large.join(WEIGHTS)).unwrap();
    place.fails(&["models", "convert", "large", "-o", "half", "--dtype", "f16"], &[name, "too large", "f16"]);
    place.succeeds(&["models", "convert", "large", "-o", "brain", "--dtype", "bf16"]);
    assert_eq!(names(place.folder.path()), ["brain", "large", "there"]);
}

#[test]
fn a_model_is_shown_with_what_a_call_takes_and_costs() {
    let place = Place::new();
    for (name, window) in [
        ("optical_flow", "2 frames of"),
        ("multimodal_autoencoding", "samples at 48 kHz"),
        ("masked_lm", "bytes"),
        ("sequence_classification", "bytes"),
        ("image_classification_fourier", "image 224 × 224"),
        ("bare", "any number of inputs"),
    ] {
        let list = place.succeeds(&["models", "show", &fixture(name)]);
        assert!(list.contains(window) && list.contains("SHA-256") && list.contains(WEIGHTS), "{list}");
        assert_eq!(list.contains("GFLOP"), name != "bare", "{list}");
    }
    let flow = place.json(&["models", "show", "builtin:flow"]);
    assert!(flow["gflop"]["total"].as_f64().unwrap() > 0.1);
    assert_eq!(flow["window"]["frames"], 2);
    let labels =
        |arguments: &[&str]| place.succeeds(&[&["models", "show", &fixture("multimodal_autoencoding")], arguments].concat());
    let (few, all) = (labels(&[]), labels(&["--labels"]));
    assert!(few.contains("--labels lists all") && !all.contains("--labels lists all") && all.len() > few.len(), "{few}");
}
