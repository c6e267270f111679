//! `perceiverflow tensors` on every case of every fixture model: the way anybody checks their own weights.
#![cfg(feature = "cli")]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use candle_core::{Device, Tensor};
use serde_json::Value;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

fn tensors(model: &str, case: &Path, scalars: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
    command.arg("tensors").arg(models().join(model)).arg(case).args(["--compare", "--tolerance", "2e-5", "--device", "cpu"]);
    command.args(scalars.iter().flat_map(|scalar| ["--arg", scalar]));
    command.stdin(Stdio::null()).output().unwrap()
}

/// The scalar arguments of a recorded case. The problem type belongs to its configuration there, which the cases of a model share here.
fn scalars(case: &Value) -> Vec<String> {
    let problem_type = case["problem_type"].as_str().map(|problem| format!("problem_type={problem}"));
    let arguments = case["arguments"].as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}"));
    arguments.chain(problem_type).collect()
}

fn both_streams(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_case_of_every_architecture_holds() {
    let mut failed = Vec::new();
    for folder in std::fs::read_dir(models()).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let cases: Value = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let file = folder.join(format!("{}.safetensors", case["case"].as_str().unwrap()));
            let output = tensors(name, &file, &scalars(case));
            if output.status.code() != Some(0) {
                failed.push(format!("{}:\n{}", file.display(), both_streams(&output)));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_result_beyond_the_tolerance_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let case = |name: &str, change: &dyn Fn(&mut HashMap<String, Tensor>)| {
        let mut tensors = candle_core::safetensors::load(models().join("masked_lm/loss.safetensors"), &Device::Cpu).unwrap();
        change(&mut tensors);
        let path = folder.path().join(name);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        path
    };
    let perturbed = case("perturbed.safetensors", &|tensors| {
        let loss = tensors.get_mut("out.loss").unwrap();
        *loss = loss.affine(1.001, 0.0).unwrap();
    });
    let output = tensors("masked_lm", &perturbed, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(both_streams(&output).contains("FAIL out.loss"), "{}", both_streams(&output));
    assert!(both_streams(&output).contains("ok   out.logits"), "{}", both_streams(&output));
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: &str, given: &[(&str, Tensor)], scalars: &[&str], parts: &[&str]| {
        let path = folder.path().join("case.safetensors");
        let expected = ("out.logits", Tensor::new(0f32, &Device::Cpu).unwrap());
        let tensors_given: HashMap<&str, Tensor> = given.iter().cloned().chain([expected]).collect();
        candle_core::safetensors::save(&tensors_given, &path).unwrap();
        let scalars: Vec<String> = scalars.iter().map(ToString::to_string).collect();
        let output = tensors(model, &path, &scalars);
        let message = both_streams(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    };
    let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let image = ("in.inputs", zeros(&[1, 3, 8, 8]));
    refused("masked_lm", &[], &[], &["in.inputs", "nothing"]);
    refused("masked_lm", &[("in.inputs", zeros(&[1, 4]))], &[], &["in.inputs", "F32", "integers"]);
    refused("optical_flow", &[("in.labels", zeros(&[1]))], &[], &["in.labels", "in.inputs, in.attention_mask"]);
    refused("optical_flow", &[], &["problem_type=regression"], &["--arg", "none for this architecture"]);
    refused("image_classification_learned", std::slice::from_ref(&image), &["interpolate_pos_encoding=yes"], &["=true or"]);
    refused("image_classification_learned", &[image], &["problem_type=odd"], &["problem_type=odd", "regression, single_label"]);
    let segment = [
        ("in.inputs.image", zeros(&[1, 2, 3, 8, 8])),
        ("in.inputs.audio", zeros(&[1, 64, 1])),
        ("in.subsampled_output_points.image", Tensor::new(&[-1i64], &Device::Cpu).unwrap()),
    ];
    refused("multimodal_autoencoding", &segment, &[], &["subsampled_output_points.image", "-1", "2^32"]);
}
