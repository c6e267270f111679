//! Pipelines and the program say the same of the same file, whatever lies in it: windows at the same times, with the same labels,
//! pictures and samples. Both decode, scale and resample with libraries of their own, so numbers are near each other, not equal.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use gst::prelude::*;

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

/// A model whose sound every codec takes, and its rate.
const MODEL: &str = "builtin:av";
const RATE: f64 = 8000.0;

/// Runs a command of the program with a model; what it prints.
fn said(model: &str, arguments: &[&str]) -> String {
    let output = program().args(arguments).args(["--quiet", "--device", "cpu", "--model", model]).output().unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout).unwrap()
}

/// A window's begin and end in seconds, and the confidence of each class.
#[derive(Debug)]
struct Window {
    times: [f64; 2],
    confidences: Vec<f64>,
}

impl Window {
    /// Reads a line of JSON as program and elements write it.
    fn of(line: &str) -> Self {
        let number = |text: &str, name: &str| -> f64 {
            let value = text.split(&format!("\"{name}\":")).nth(1).unwrap();
            value.split([',', '}']).next().unwrap().parse().unwrap()
        };
        let mut confidences = vec![0.0; 7];
        for label in line.split("{\"index\":").skip(1) {
            confidences[label.split(',').next().unwrap().parse::<usize>().unwrap()] = number(label, "score");
        }
        Self { times: ["start", "end"].map(|name| number(line, name)), confidences }
    }
}

fn windows(lines: &str) -> Vec<Window> {
    lines.lines().map(Window::of).collect()
}

/// Labels by the program and by the script with this model; both are asserted to be the same.
fn assert_same_labels(model: &str, input: &Path, script: &str) -> Vec<Window> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (input.to_str().unwrap(), folder.path().join("labels.jsonl"));
    let of_program = windows(&said(model, &["classify", "--json", "--top-k", "7", "--threshold", "0", input]));
    let options = ("OPTIONS", "device=cpu top-k=7 threshold=0");
    run_labels(script, &[("MODEL", model), ("INPUT", input), ("OUTPUT", output.to_str().unwrap()), options]);
    let of_pipeline = windows(&std::fs::read_to_string(output).unwrap());
    assert_eq!(of_program.len(), of_pipeline.len(), "{input}");
    for (one, other) in of_program.iter().zip(&of_pipeline) {
        let near = |a: &[f64], b: &[f64], most| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= most);
        assert!(near(&one.times, &other.times, APART), "{input}: {one:?} and {other:?}");
        assert!(near(&one.confidences, &other.confidences, 0.01), "{input}: {one:?} and {other:?}");
    }
    of_program
}

/// What a file decodes to, of one kind: begin in seconds and content of each buffer.
fn decoded(path: &Path, caps: &str) -> Vec<(f64, Vec<u8>)> {
    gst::init().unwrap();
    let convert = if caps.starts_with("video") { "videoconvert" } else { "audioconvert" };
    let line = format!("filesrc name=file ! decodebin ! {convert} ! {caps} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path);
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let buffers = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| {
        let buffer = sample.buffer().unwrap();
        (buffer.pts().unwrap().nseconds() as f64 / 1e9, buffer.map_readable().unwrap().to_vec())
    });
    let buffers = buffers.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    buffers
}

/// The sound of a file from time 0 on.
fn samples(path: &Path) -> Vec<f32> {
    let chunks = decoded(path, "audio/x-raw,format=F32LE,channels=1");
    let silence = vec![0.0; (chunks[0].0 * RATE).round() as usize];
    let bytes: Vec<u8> = chunks.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let sound = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    silence.into_iter().chain(sound).collect()
}

/// Pictures and samples by the program and by a pipeline; both are asserted to be the same.
fn assert_same_reconstruction(input: &Path, video: bool, audio: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut line = format!(
        "decodebin name=clip perceiverpreprocess name=windows model={MODEL} ! queue ! perceiverencode device=cpu model={MODEL} \
         ! tee name=latents matroskamux name=file ! filesink"
    );
    line += &format!(" location={}", text(&path("pipeline.mkv")));
    let patient = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";
    for (there, head, convert) in [(video, "video", "videoconvert"), (audio, "audio", "audioconvert ! audioresample")] {
        if there {
            line += &format!(
                " clip. ! queue ! {convert} ! windows.{head}_sink latents. ! {patient} ! perceiverdecode head={head} device=cpu \
                 model={MODEL} ! {head}/x-raw ! {patient} ! file."
            );
        }
    }
    let words = ["-q".into(), "filesrc".into(), format!("location={}", text(input)), "!".into()];
    let words = words.into_iter().chain(line.split_whitespace().map(str::to_owned));
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    let name = input.display();
    if video {
        said(MODEL, &["reconstruct", &text(input), "-o", &text(&path("program.mkv"))]);
        let [one, other] = ["program.mkv", "pipeline.mkv"].map(|file| decoded(&path(file), "video/x-raw,format=RGB"));
        assert_eq!(one.len(), other.len(), "{name}: pictures");
        for ((time, picture), (at, other)) in one.iter().zip(&other) {
            assert!((time - at).abs() <= APART, "{name}: {time} s and {at} s");
            let apart: f64 = picture.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            assert!(apart / picture.len() as f64 <= 8.0, "{name}: {} levels apart at {time} s", apart / picture.len() as f64);
        }
    }
    if audio {
        said(MODEL, &["reconstruct", &text(input), "-o", &text(&path("program.wav"))]);
        let [one, other] = ["program.wav", "pipeline.mkv"].map(|file| samples(&path(file)));
        assert!(one.len().abs_diff(other.len()) <= (APART * RATE) as usize, "{name}: {} and {} samples", one.len(), other.len());
        // Two resamplers before the model differ near its highest tones, and it makes much of that in a few samples.
        let squares = one.iter().zip(&other).map(|(a, b)| (a - b.clamp(-1.0, 1.0)).powi(2)).sum::<f32>();
        let apart = (squares / one.len() as f32).sqrt();
        assert!(apart <= 0.01, "{name}: samples {apart} apart in the root mean square");
    }
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
         audiotestsrc wave=ticks num-buffers={chunks} samplesperbuffer=1764 ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse \
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

/// Real clips and sounds of any kind, if `PERCEIVERFLOW_TEST_MEDIA` names a folder whose `video` and `audio` hold some.
#[test]
fn real_media_are_the_same_by_pipeline_and_by_program() {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA") else {
        println!("skipped: PERCEIVERFLOW_TEST_MEDIA names no folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (output, classifier) = (folder.path().join("out.mkv"), image_classifier(folder.path()));
    for (kind, script) in [("video", "labels-to-json.sh"), ("audio", "labels-of-sound.sh")] {
        for entry in std::fs::read_dir(Path::new(&media).join(kind)).unwrap() {
            let input = entry.unwrap().path();
            let windows = assert_same_labels(multimodal_model(), &input, script);
            assert!(windows.len() > 10, "{}: {} windows", input.display(), windows.len());
            let follow = |pair: &[Window]| (pair[0].times[1] - pair[1].times[0]).abs() <= APART;
            assert!(windows.windows(2).all(follow), "{}: windows lie apart", input.display());
            if kind == "video" {
                assert_same_labels(&classifier, &input, script);
            }
            assert_same_reconstruction(&input, has(&input, "video"), has(&input, "audio"));
            run_labels("reconstruct.sh", &[("INPUT", input.to_str().unwrap()), ("OUTPUT", output.to_str().unwrap())]);
        }
    }
}

/// Whether a file has a stream of this kind.
fn has(path: &Path, kind: &str) -> bool {
    let output = command("gst-discoverer-1.0").arg(path).output().unwrap();
    succeeded(&output);
    let is_one = |line: &str| line.trim_start().starts_with(&[kind, " #"].concat());
    String::from_utf8_lossy(&output.stdout).lines().any(is_one)
}
