//! Every example runs without downloads, and does what it says.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Picture,
    perceiver::tokenizer::Truncation,
    tasks::{ClassifyImage, ClassifyText},
};
use tempfile::TempDir;

/// The examples, each with a test of its name below.
const EXAMPLES: [&str; 7] = [
    "custom_head",
    "fine_tune_image_classification",
    "fine_tune_text_classification",
    "flow_session",
    "masked_language_modelling",
    "multimodal_autoencoding",
    "optical_flow_of_a_video",
];

/// Cargo puts examples beside the folder of the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program =
        tests.parent().unwrap().parent().unwrap().join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: `cargo test` builds it, or `cargo build --examples`", program.display());
    program
}

/// What an example prints, run in a folder of its own.
fn run(name: &str, arguments: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program(name)).args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    (folder, String::from_utf8(output.stdout).unwrap())
}

/// The numbers before a percent sign, line by line.
fn percentages(text: &str) -> Vec<u32> {
    let numbers = text.lines().filter_map(|line| line.split('%').next()?.rsplit(' ').next()?.parse().ok());
    numbers.collect()
}

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // Those in folders are tested elsewhere: `gstreamer` with the plugin, the others with `batch`.
    let files = entries.filter(|path| path.is_file());
    let mut names: Vec<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, EXAMPLES);
}

#[test]
fn custom_head() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/multimodal_autoencoding");
    let (_, text) = run("custom_head", &[model]);
    let [before, after] = percentages(&text)[..] else { panic!("{text}") };
    assert!(before < 75 && after > 80, "{text}");
}

#[test]
fn flow_session() {
    let (folder, text) = run("flow_session", &[]);
    assert!(text.lines().count() == 4 && text.contains("mean motion"), "{text}");
    assert_eq!(Picture::open(folder.path().join("flow.png")).unwrap().width(), 320);
}

#[test]
fn optical_flow_of_a_video() {
    let (folder, text) = run("optical_flow_of_a_video", &[]);
    assert_eq!(text.lines().count(), 4, "{text}");
    for number in 0..4 {
        let picture = Picture::open(folder.path().join(format!("flow/flow_{number:06}.png"))).unwrap();
        assert_eq!((picture.width(), picture.height()), (160, 120));
    }
    let clip = folder.path().join("flow/clip.mp4");
    let (_, again) = run("optical_flow_of_a_video", &["out", clip.to_str().unwrap()]);
    assert_eq!(again, text);
}

#[test]
fn multimodal_autoencoding() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4").to_str().unwrap().to_owned();
    let scene = ["scene", &clip, "--size", "32x32", "--frames", "2", "-q"];
    assert!(Command::new(env!("CARGO_BIN_EXE_perceiverflow")).args(scene).status().unwrap().success());
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/multimodal_autoencoding");
    let (_, text) = run("multimodal_autoencoding", &[model, &clip]);
    // Windows of 64 samples at 48 kHz. The weights are random: what they say means nothing, that they say it for each window does.
    assert!(text.starts_with("  0.000 s: LABEL_") && text.contains("\n  0.001 s: LABEL_"), "{text}");
    assert!(text.lines().all(|line| line.contains("dB PSNR, sound ")), "{text}");
}

#[test]
fn masked_language_modelling() {
    let (_, text) = run("masked_language_modelling", &[]);
    assert_eq!(text.lines().next(), Some("This is an incomplete sentence where some words are missing."));
    assert!(text.contains("byte 51: ' '") && text.lines().count() == 10, "{text}");
}

#[test]
fn fine_tune_text_classification() {
    let (folder, text) = run("fine_tune_text_classification", &[]);
    let [before, after] = percentages(&text)[..] else { panic!("{text}") };
    assert!(before < 75 && after > 90, "{text}");
    let saved = folder.path().join("text-classifier");
    let task = ClassifyText::open(saved.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).unwrap();
    let labels = task.classify(&["The opera was really superb.", "The opera was really dreadful."], Truncation::None).unwrap();
    assert_eq!(labels.iter().map(|labels| &*labels.as_slice()[0].name).collect::<Vec<_>>(), ["good", "bad"]);
    // What was saved is what another training may begin from: nothing is new in it.
    let (_, again) = run("fine_tune_text_classification", &["again", saved.to_str().unwrap()]);
    assert!(again.starts_with("new: \n") && percentages(&again)[0] == after, "{again}");
}

#[test]
fn fine_tune_image_classification() {
    let (folder, text) = run("fine_tune_image_classification", &[]);
    let [before, after] = percentages(&text)[..] else { panic!("{text}") };
    assert!(before < 75 && after > 90, "{text}");
    let saved = folder.path().join("image-classifier");
    let task = ClassifyImage::open(saved.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).unwrap();
    let disc =
        Picture::from_fn(64, 64, |x, y| if x.abs_diff(32).pow(2) + y.abs_diff(32).pow(2) < 24 * 24 { [200; 3] } else { [40; 3] });
    assert_eq!(&*task.classify(&[&disc]).unwrap()[0].as_slice()[0].name, "disc");
}
