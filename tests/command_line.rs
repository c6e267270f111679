//! The program as its users meet it: exit codes, messages, and what lies in the folder afterwards.
#![cfg(all(feature = "cli", feature = "video-file"))]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use perceiverflow::{
    formats::read_flow,
    media::Picture,
    video_file::{Ratio, Sound, VideoFormat, VideoReader, VideoWriter},
};
use serde_json::Value;
use tempfile::TempDir;

/// A published architecture in miniature with random weights: its answers mean nothing, its way through the program is real.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/optical_flow");

/// A folder to work in, with a clip of 12 frames of our own scene, and its exact flow as pairs.
struct Workplace {
    folder: TempDir,
}

impl Workplace {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.succeeds(&["scene", "clip.mp4", "--size", "64x48", "--frames", "12", "-q", "--pairs", "pairs"]);
        std::fs::create_dir(place.path("out")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code 1 and one line on standard error that has all of `parts`; nothing in the folder `out`.
    fn fails(&self, arguments: &[&str], parts: &[&str]) {
        let output = self.run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.starts_with("perceiverflow: ") && message.lines().count() == 1, "{arguments:?}: {message}");
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: {message}");
        }
        assert_eq!(names(&self.path("out")), Vec::<String>::new(), "{arguments:?}");
    }

    /// `flow` with the little model on `input`, into the folder `out`.
    fn flow<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["flow", "--model", MODEL, "--scale", "fit", "-q"], arguments].concat()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn times(path: &Path) -> Vec<Duration> {
    let mut reader = VideoReader::open(path).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| frame.time).collect()
}

#[test]
fn help_and_version_are_there_for_every_command() {
    let place = Workplace::new();
    assert!(place.succeeds(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
    for command in [&["flow"][..], &["evaluate", "flow"], &["scene"], &["doctor"], &["models", "list"], &["models", "show"]] {
        let help = place.succeeds(&[command, &["--help"]].concat());
        assert!(help.contains("Examples:") && help.contains("Usage: perceiverflow"), "{command:?}: {help}");
    }
}

#[test]
fn models_are_listed_and_shown() {
    let place = Workplace::new();
    assert!(place.succeeds(&["models", "list"]).contains("builtin:flow  PerceiverForOpticalFlow"));
    let list: Value = serde_json::from_str(&place.succeeds(&["models", "list", "--json"])).unwrap();
    let flow: Value = serde_json::from_str(&place.succeeds(&["models", "show", "builtin:flow", "--json"])).unwrap();
    assert!(list.as_array().unwrap().contains(&flow));
    assert_eq!(flow["sha256"].as_str().unwrap().len(), 64);
    let classifier = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/image_classification_conv");
    let shown: Value = serde_json::from_str(&place.succeeds(&["models", "show", classifier, "--json"])).unwrap();
    assert_eq!(shown["architecture"], "PerceiverForImageClassificationConvProcessing");
    assert_eq!(shown["labels"].as_array().unwrap().len(), 5);
    assert!(place.succeeds(&["models", "show", classifier]).contains("SHA-256"));
    place.fails(&["models", "show", "nowhere"], &["nowhere", "model.safetensors", "pytorch_model.bin", "builtin:NAME"]);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Workplace::new();
    for (arguments, part) in [
        (&[][..], "Usage"),
        (&["fly"], "fly"),
        (&["flow"], "INPUT"),
        (&["flow", "clip.mp4"], "--output"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--mode", "rainbow"], "wheel, arrows or blend"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--device", "gpu"], "cuda:N"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--precision", "f8"], "bf16"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--alpha", "2"], "0 to 1"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--max-magnitude=-1"], "0 or more"),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--frame-distance", "0"], "1.."),
        (&["flow", "clip.mp4", "-o", "out/x.mp4", "--picture", "out/p.png"], "two pictures"),
        (&["flow", "a.png", "b.png", "-o", "out/x.flo", "--flo", "out"], "a video"),
        (&["scene", "out/x.mp4", "--size", "0x5"], "WIDTHxHEIGHT"),
        (&["scene", "out/x.mp4", "--rate", "fast"], "30000/1001"),
    ] {
        let output = place.run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
    assert!(names(&place.path("out")).is_empty());
}

#[test]
fn input_that_is_no_video_is_named_and_nothing_is_left() {
    let place = Workplace::new();
    let clip = std::fs::read(place.path("clip.mp4")).unwrap();
    std::fs::write(place.path("empty.mp4"), "").unwrap();
    std::fs::write(place.path("text.mp4"), "not a video\n".repeat(50)).unwrap();
    std::fs::write(place.path("cut.mp4"), &clip[..clip.len() / 2]).unwrap();
    for (input, reason) in [
        ("missing.mp4", "No such file"),
        ("empty.mp4", "empty"),
        ("text.mp4", "not a video file"),
        ("cut.mp4", "not a video file"),
        ("out", "folder"),
        ("pairs/clip_000000_1.png", "1 in all"),
    ] {
        place.fails(&place.flow(&[input, "-o", "out/x.mp4", "--flo", "out/fields"]), &[input, reason]);
    }
}

#[test]
fn a_file_cut_off_in_the_middle_is_named_after_all_that_can_be_read() {
    let place = Workplace::new();
    place.succeeds(&["scene", "long.mkv", "--size", "64x48", "--frames", "100", "-q"]);
    let long = std::fs::read(place.path("long.mkv")).unwrap();
    std::fs::write(place.path("cut.mkv"), &long[..long.len() / 2]).unwrap();
    place.fails(&place.flow(&["cut.mkv", "-o", "out/x.mp4", "--flo", "out/fields"]), &["cut.mkv"]);
}

#[test]
fn output_that_cannot_be_is_refused_before_any_work() {
    let place = Workplace::new();
    place.fails(&place.flow(&["clip.mp4", "-o", "out/x.gif"]), &["out/x.gif", "mp4", "webm"]);
    place.fails(&place.flow(&["clip.mp4", "-o", "out/no/x.mp4"]), &["out/no", "does not exist"]);
    place.fails(&place.flow(&["clip.mp4", "-y", "-o", "clip.mp4"]), &["clip.mp4", "is the input"]);
    place.fails(&place.flow(&["clip.mp4", "-o", "out/x.webm"]), &["out/x.webm", "aac", "clip.mp4"]);
    std::fs::write(place.path("there.mp4"), "mine").unwrap();
    place.fails(&place.flow(&["clip.mp4", "-o", "there.mp4"]), &["there.mp4", "exists", "-y"]);
    assert_eq!(std::fs::read(place.path("there.mp4")).unwrap(), b"mine");
    place.succeeds(&place.flow(&["clip.mp4", "-o", "there.mp4", "-y"]));
    assert_eq!(times(&place.path("there.mp4")).len(), 12);
}

#[test]
fn a_model_that_cannot_be_is_named() {
    let place = Workplace::new();
    std::fs::create_dir(place.path("bare")).unwrap();
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::copy(format!("{MODEL}/model.safetensors"), place.path("other/model.safetensors")).unwrap();
    let config = std::fs::read_to_string(format!("{MODEL}/config.json")).unwrap();
    assert!(config.contains("\"d_latents\": 32"));
    std::fs::write(place.path("other/config.json"), config.replace("\"d_latents\": 32", "\"d_latents\": 64")).unwrap();
    for (model, parts) in [
        ("nowhere", &["nowhere", "config.json"][..]),
        ("builtin:nothing", &["builtin:nothing"]),
        ("bare", &["bare", "config.json"]),
        ("other", &["other", "latents"]),
    ] {
        place.fails(&["flow", "clip.mp4", "-o", "out/x.mp4", "--model", model], parts);
    }
    if !cfg!(feature = "cuda") {
        place.fails(&place.flow(&["clip.mp4", "-o", "out/x.mp4", "--device", "cuda:0"]), &["cuda:0", "--features cuda"]);
    }
    place.fails(&["flow", "clip.mp4", "-o", "out/x.mp4", "--model", MODEL, "--tile-overlap", "99"], &["tile-overlap = 99"]);
}

#[test]
fn a_video_keeps_its_frames_and_times_and_gives_its_fields() {
    let place = Workplace::new();
    let output =
        place.run(&["flow", "clip.mp4", "-o", "out/flow.mp4", "--flo", "out/fields", "--model", MODEL, "--scale", "fit"]);
    assert!(output.status.success());
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(progress.contains("12 frames") && progress.contains("real time"), "{progress}");
    assert_eq!(times(&place.path("out/flow.mp4")), times(&place.path("clip.mp4")));
    let fields = names(&place.path("out/fields"));
    let expected: Vec<String> = (0..11).map(|number| format!("clip_{number:06}.flo")).collect();
    assert_eq!(fields, expected);
    let field = read_flow(place.path("out/fields/clip_000003.flo")).unwrap();
    assert_eq!((field.width(), field.height()), (64, 48));
}

#[test]
fn windows_may_lie_apart_and_fields_come_without_a_video() {
    let place = Workplace::new();
    let sparse = ["clip.mp4", "--flo", "out", "--inference-interval", "4", "--frame-distance", "2"];
    let output = place.run(&place.flow(&sparse));
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(names(&place.path("out")), ["clip_000000.flo", "clip_000004.flo", "clip_000008.flo"]);
    let again = place.run(&place.flow(&sparse));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("clip_000000.flo"));
}

#[test]
fn uneven_times_and_odd_sides_pass_through() {
    let place = Workplace::new();
    let rate = Ratio { numerator: 1000, denominator: 1 };
    let format = VideoFormat { frame_rate: Ratio { numerator: 12, denominator: 1 }, ..VideoFormat::new(51, 37, rate).unwrap() };
    let mut writer = VideoWriter::create(place.path("uneven.webm"), &format, Sound::None).unwrap();
    for (number, at) in [30_u64, 63, 130, 131, 400, 433].into_iter().enumerate() {
        let picture = Picture::from_fn(51, 37, |x, y| [(x * 4 + number * 8) as u8, (y * 6) as u8, 90]);
        let time = Duration::from_millis(at);
        writer.write(&perceiverflow::media::Frame { picture: picture.into(), time, duration: None }).unwrap();
    }
    writer.finish().unwrap();
    place.succeeds(&place.flow(&["uneven.webm", "-o", "out/flow.mp4", "--mode", "arrows"]));
    let expected: Vec<Duration> = [30, 63, 130, 131, 400, 433].map(Duration::from_millis).into();
    assert_eq!(times(&place.path("out/flow.mp4")), expected);
}

#[test]
fn two_pictures_give_a_field_and_a_drawing() {
    let place = Workplace::new();
    let [first, second] = ["pairs/clip_000000_1.png", "pairs/clip_000000_2.png"];
    place.succeeds(&place.flow(&[first, second, "-o", "out/field.flo", "--picture", "out/drawing.png", "--mode", "wheel"]));
    place.succeeds(&place.flow(&[first, second, "-o", "out/kitti.png"]));
    let (field, kitti) = (read_flow(place.path("out/field.flo")).unwrap(), read_flow(place.path("out/kitti.png")).unwrap());
    let close = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).abs() < 0.01 && (a[1] - b[1]).abs() < 0.01;
    assert!(field.uv().iter().zip(kitti.uv()).all(|(&a, &b)| close(a, b)));
    assert_eq!(Picture::open(place.path("out/drawing.png")).unwrap().width(), 64);
    assert_eq!(names(&place.path("out")), ["drawing.png", "field.flo", "kitti.png"]);
}

#[test]
fn pictures_that_do_not_fit_are_named() {
    let place = Workplace::new();
    let first = "pairs/clip_000000_1.png";
    std::fs::write(place.path("small.png"), Picture::from_fn(9, 7, |_, _| [1; 3]).to_png()).unwrap();
    std::fs::write(place.path("text.png"), "no picture").unwrap();
    place.fails(&place.flow(&[first, "small.png", "-o", "out/x.flo"]), &["small.png", "9x7", "64x48"]);
    place.fails(&place.flow(&[first, "text.png", "-o", "out/x.flo"]), &["text.png", "PNG or JPEG"]);
    place.fails(&place.flow(&[first, "missing.png", "-o", "out/x.flo"]), &["missing.png"]);
    place.fails(&place.flow(&[first, first, "-o", "out/x.mp4"]), &["out/x.mp4", ".flo"]);
    place.fails(&place.flow(&[first, first, "-o", "out/x.flo", "--picture", "out/x.gif"]), &["out/x.gif", ".png"]);
}

#[test]
fn evaluation_reports_each_pair_beside_the_zero_flow() {
    let place = Workplace::new();
    let evaluate = ["evaluate", "flow", "--pairs", "pairs", "--model", MODEL, "--scale", "fit"];
    let report: Value = serde_json::from_str(&place.succeeds(&[&evaluate[..], &["--json"]].concat())).unwrap();
    let pairs = report["pairs"].as_array().unwrap();
    assert_eq!((pairs.len(), pairs[0]["name"].as_str()), (11, Some("clip_000000")));
    for pair in pairs {
        let [all, visible] = ["all", "visible"].map(|which| pair[which]["zero"]["pixels"].as_u64().unwrap());
        assert!(all == 64 * 48 && visible <= all);
        let [model, zero] = ["estimate", "zero"].map(|flow| pair["all"][flow]["epe"].as_f64().unwrap());
        assert!((pair["all"]["epe_over_zero_epe"].as_f64().unwrap() - model / zero).abs() < 1e-9);
    }
    let table = place.succeeds(&evaluate);
    assert!(table.lines().count() == 1 + 4 * 11 + 2 && table.contains("mean"), "{table}");
    place.fails(&["evaluate", "flow", "--pairs", "out", "--model", MODEL], &["out", "no pair"]);
    place.fails(&["evaluate", "flow", "--pairs", "missing.txt", "--model", MODEL], &["missing.txt"]);
}

#[test]
fn the_scene_has_sound_and_exact_flow() {
    let place = Workplace::new();
    place.succeeds(&["scene", "out/a.mkv", "--size", "65x47", "--frames", "5", "--rate", "30000/1001", "--flo", "out/f", "-q"]);
    assert_eq!(times(&place.path("out/a.mkv")).len(), 5);
    assert_eq!(names(&place.path("out/f")).len(), 4);
    assert_eq!(read_flow(place.path("out/f/a_000002.flo")).unwrap().width(), 65);
    let webm = place.run(&["scene", "out/a.webm", "--size", "64x48", "--frames", "5", "-q"]);
    assert!(webm.status.success());
}

#[test]
fn the_doctor_tells_people_and_programs() {
    let place = Workplace::new();
    let list = place.succeeds(&["doctor"]);
    assert!(["cpu", "libavcodec", "GStreamer"].iter().all(|part| list.contains(part)), "{list}");
    let report: Value = serde_json::from_str(&place.succeeds(&["doctor", "--json"])).unwrap();
    assert_eq!(report["works"], true);
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["state"] != "missing"));
}

/// Ctrl-C once let the encoder's half-written file stay beside the output.
#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let place = Workplace::new();
    place.succeeds(&["scene", "big.mp4", "--size", "640x480", "--frames", "60", "-q"]);
    let native = ["flow", "big.mp4", "-o", "out/x.mp4", "--flo", "out/f", "--model", MODEL, "--tile-overlap", "0", "-q"];
    let mut child = place.command(&native).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !names(&place.path("out")).contains(&"f".to_owned()) || names(&place.path("out")).len() < 2 {
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < patience, "it ended or never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&place.path("out")), Vec::<String>::new());
}
