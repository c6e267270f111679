//! Pipelines and the program say the same of the same file, whatever lies in it: windows at the same times, with the same labels,
//! latents, pictures and samples. Both decode, scale and resample with libraries of their own, so numbers are near each other, not equal.

mod labels;
mod latents;
mod reconstruction;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use self::{
    labels::{Window, assert_same_labels},
    reconstruction::assert_same_reconstruction,
};
use crate::launch::{command, multimodal_model, run_labels, succeeded};

/// Times may differ by a sample of the model's, and by what they were rounded to.
const APART: f64 = 0.0015;

/// The program, built from the same sources as these tests.
fn program() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "perceiverflow", "--bin", "perceiverflow"]);
        cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        succeeded(&cargo.output().unwrap());
        folder.join("perceiverflow").with_extension(std::env::consts::EXE_EXTENSION)
    });
    Command::new(program)
}

/// A model whose sound every codec takes.
const MODEL: &str = "builtin:av";

/// Runs a command of the program with a model; what it prints.
fn said(model: &str, arguments: &[&str]) -> String {
    let output = program().args(arguments).args(["--quiet", "--device", "cpu", "--model", model]).output().unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout).unwrap()
}

/// A small image classifier with random weights, in this folder.
fn image_classifier(folder: &Path) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models/image_classification_learned");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    std::fs::write(folder.join("preprocessor_config.json"), r#"{"size": 8, "crop_size": 10}"#).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// A clip with this many frames of 40 ms, and this many chunks of sound as long.
fn clip(folder: &Path, frames: usize, chunks: usize) -> PathBuf {
    let path = folder.join("a clip.mp4");
    let line = format!(
        "videotestsrc pattern=ball num-buffers={frames} ! video/x-raw,width=66,height=50,framerate=25/1 ! x264enc ! h264parse ! file. \
         audiotestsrc wave=ticks tick-interval=200000000 num-buffers={chunks} samplesperbuffer=1764 \
         ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse \
         ! file. mp4mux name=file ! filesink"
    );
    let words = line.split_whitespace().map(str::to_owned).chain([format!("location={}", path.display())]);
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    path
}

#[test]
fn sound_or_video_that_outlasts_the_other_is_labelled_and_reconstructed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    for (frames, chunks, windows) in [(12, 30, 15), (30, 12, 15)] {
        let clip = clip(folder.path(), frames, chunks);
        assert_eq!(
            assert_same_labels(multimodal_model(), &clip, "labels-to-json.sh").len(),
            windows,
            "{frames} frames, {chunks} chunks"
        );
        assert_same_reconstruction(&clip, true, true);
    }
}

#[test]
fn an_image_classifier_labels_single_frames_and_hears_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let model = image_classifier(folder.path());
    let clip = clip(folder.path(), 12, 30);
    let windows = assert_same_labels(&model, &clip, "labels-to-json.sh");
    assert_eq!(windows.len(), 12, "one for each frame");
    assert!(windows.iter().all(|window| (window.times[1] - window.times[0] - 0.04).abs() <= APART), "{windows:?}");
}

/// Real clips and sounds of any kind, if `PERCEIVERFLOW_TEST_MEDIA` names a folder with a manifest of them.
#[test]
fn real_media_are_the_same_by_pipeline_and_by_program() {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA") else {
        println!("skipped: PERCEIVERFLOW_TEST_MEDIA names no folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (output, classifier) = (folder.path().join("out.mkv"), image_classifier(folder.path()));
    for (input, streams) in named(Path::new(&media)) {
        let [video, audio] = ["video", "audio"].map(|kind| streams.iter().any(|stream| stream == kind));
        let script = if video { "labels-to-json.sh" } else { "labels-of-sound.sh" };
        let windows = assert_same_labels(multimodal_model(), &input, script);
        assert!(windows.len() > 10, "{}: {} windows", input.display(), windows.len());
        let follow = |pair: &[Window]| (pair[0].times[1] - pair[1].times[0]).abs() <= APART;
        assert!(windows.windows(2).all(follow), "{}: windows lie apart", input.display());
        assert_same_labels(MODEL, &input, script);
        if video {
            assert_same_labels(&classifier, &input, script);
        }
        assert_same_reconstruction(&input, video, audio);
        run_labels("reconstruct.sh", &[("INPUT", input.to_str().unwrap()), ("OUTPUT", output.to_str().unwrap())]);
    }
}

/// The clips and sounds that the folder's `manifest.json` names, whether they are there or not, each with the kinds of its streams.
fn named(media: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let manifest = std::fs::read(media.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest.as_array().unwrap().iter().filter(|entry| {
        let file = entry["file"].as_str().unwrap();
        file.starts_with("video/") || file.starts_with("audio/")
    });
    let kinds = |entry: &serde_json::Value| -> Vec<String> {
        let streams = entry["probe"]["streams"].as_array().unwrap().iter();
        streams.map(|stream| stream["codec_type"].as_str().unwrap().to_owned()).collect()
    };
    let named: Vec<_> = files.map(|entry| (media.join(entry["file"].as_str().unwrap()), kinds(entry))).collect();
    for kind in ["video", "audio"] {
        let alone = |(_, streams): &(PathBuf, Vec<String>)| streams.iter().all(|stream| stream == kind);
        assert!(named.iter().any(alone), "the manifest names nothing with {kind} alone");
    }
    named
}
