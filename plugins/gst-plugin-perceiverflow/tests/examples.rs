//! Every example of embedding the elements runs, and does what it says.

mod small_model;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use gst::prelude::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gstreamer");

/// Cargo puts examples beside the folder of the tests.
fn program(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    let programs = tests.parent().unwrap().parent().unwrap().join("examples");
    let program = programs.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: `cargo test` builds it, or `cargo build --examples`", program.display());
    Command::new(program)
}

/// What a command prints.
fn run(command: &mut Command) -> String {
    let output = command.env("G_DEBUG", "fatal_warnings").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A clip of eight frames of 40 ms.
fn clip(folder: &Path) -> PathBuf {
    gst::init().unwrap();
    let path = folder.join("clip.mp4");
    let line = format!(
        "videotestsrc pattern=ball num-buffers=8 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! x264enc ! h264parse ! mp4mux \
         ! filesink location={}",
        path.display()
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &ends).unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    path
}

#[test]
fn every_example_has_a_test() {
    let names = std::fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["appsink_labels.rs", "read_messages.py", "server_with_appsrc.rs"]);
}

#[test]
fn appsink_labels() {
    let model = small_model::copy();
    let uri = format!("file://{}", clip(model.path()).display());
    let text = run(program("appsink_labels").arg(model.path()).arg(uri));
    let begins: Vec<&str> = text.lines().map(|line| line.split_once(": LABEL_").unwrap_or_else(|| panic!("{text}")).0).collect();
    assert_eq!(begins, ["0:00:00.000", "0:00:00.080", "0:00:00.160", "0:00:00.240"]);
}

#[test]
fn appsink_labels_says_what_is_wrong() {
    let model = small_model::copy();
    let text = model.path().join("config.json");
    // No model, no file, no video: the last two are errors of a pipeline that runs already.
    let uri = |path: &Path| format!("file://{}", path.display());
    for (folder, uri) in
        [(Path::new("/nowhere"), uri(&text)), (model.path(), uri(Path::new("/nowhere"))), (model.path(), uri(&text))]
    {
        let output = program("appsink_labels").arg(folder).arg(uri).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.starts_with("Error") && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn server_with_appsrc() {
    let model = small_model::copy();
    let text = run(program("server_with_appsrc").arg(model.path()));
    // Twelve windows of 80 ms and the last frame padded to one.
    assert_eq!(text.lines().count(), 13, "{text}");
    for (line, number) in text.lines().zip(0..) {
        let start = format!("\"start\":{:?},", f64::from(number) * 80.0 / 1000.0);
        assert!(line.starts_with('{') && line.contains(&start) && line.contains("\"label\":\"LABEL_"), "{start} {line}");
    }
}

#[test]
fn read_messages() {
    let has_bindings = |python: &&str| {
        let imports = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.ValueArray";
        Command::new(python).args(["-c", imports]).output().is_ok_and(|output| output.status.success())
    };
    // The system's packages serve the system's Python, and another may come before it.
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_bindings) else {
        println!("skipped: python3 has no bindings of GStreamer");
        return;
    };
    let model = small_model::copy();
    let tests = std::env::current_exe().unwrap();
    let read = |line: String| {
        let mut command = Command::new(python);
        command.env("GST_PLUGIN_PATH", tests.parent().unwrap());
        command.env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples-registry.bin"));
        run(command.arg(format!("{EXAMPLES}/read_messages.py")).arg(line))
    };
    let frames = "videotestsrc num-buffers=3 ! video/x-raw,width=32,height=24,framerate=25/1";
    let flow = format!("{frames} ! perceiveropticalflow name=flow model={FIXTURES}/flow tile-overlap=2 ! fakesink");
    let text = read(flow);
    assert!(text.lines().count() == 2 && text.starts_with("flow 0.000 s: mean motion "), "{text}");
    let labels = format!("{frames} ! perceiverclassify name=labels top-k=2 model={} ! fakesink", model.path().display());
    let text = read(labels);
    assert!(text.starts_with("labels 0.000 s: LABEL_") && text.contains("%, LABEL_"), "{text}");
}
