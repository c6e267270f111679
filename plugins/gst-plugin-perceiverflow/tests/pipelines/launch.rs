//! What the tests stand on: the plugin where GStreamer finds it, clips made here, and what files decode to.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use gst::prelude::*;

use crate::small_model;

pub(crate) const PIPELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines");
/// A small flow model with random weights.
pub(crate) const FLOW_MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/flow");
pub(crate) const FRAMES: usize = 12;

/// A folder in which GStreamer finds the plugin that was built with this test.
fn plugin_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let built = std::env::current_exe().unwrap().with_file_name("libgstperceiverflow.so");
        assert!(built.exists(), "{}: cargo builds it beside its tests", built.display());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin");
        std::fs::create_dir_all(&folder).unwrap();
        let link = folder.join("libgstperceiverflow.so");
        // Of an earlier run, perhaps to another place.
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(built, link).unwrap();
        folder
    })
}

pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env("GST_PLUGIN_PATH", plugin_path())
        .env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry.bin"))
        .env("G_DEBUG", "fatal_warnings")
        .env("MODEL", FLOW_MODEL)
        .env("OPTIONS", "scale=fit device=cpu");
    command
}

pub(crate) fn succeeded(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
}

pub(crate) fn run(script: &str, variables: &[(&str, &str)]) {
    let output = command(Path::new(PIPELINES).join(script)).envs(variables.iter().copied()).output().unwrap();
    succeeded(&output);
}

/// The folder of a tiny multimodal model with random weights, whose frames last a twenty-fifth of a second.
pub(crate) fn multimodal_model() -> &'static str {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    MODEL.get_or_init(small_model::copy).path().to_str().unwrap()
}

/// Runs a script with the multimodal model.
pub(crate) fn run_labels(script: &str, variables: &[(&str, &str)]) {
    run(script, &[&[("MODEL", multimodal_model()), ("OPTIONS", "device=cpu")], variables].concat());
}

/// Runs a script with the multimodal model whose sink may lose its end: it is begun again, twice, when it has not ended in two minutes.
pub(crate) fn run_again(script: &str, variables: &[(&str, &str)]) {
    /// What `timeout` exits with when the time is over.
    const OVER: Option<i32> = Some(124);
    let script = Path::new(PIPELINES).join(script);
    let once = || {
        let mut script_in_time = command("timeout");
        script_in_time.arg("120").arg(&script).envs([("MODEL", multimodal_model()), ("OPTIONS", "device=cpu")]);
        script_in_time.envs(variables.iter().copied()).output().unwrap()
    };
    let mut output = once();
    for _ in 0..2 {
        if output.status.code() == OVER {
            output = once();
        }
    }
    succeeded(&output);
}

/// Runs a script that does not end by itself, with the multimodal model, until it has written so many lines or a minute is over. Then it is
/// interrupted; gives what it has written.
pub(crate) fn run_until(lines: usize, script: &str, variables: &[(&str, &str)], output: &Path) -> String {
    let mut script = command(Path::new(PIPELINES).join(script));
    script.envs([("MODEL", multimodal_model()), ("OPTIONS", "device=cpu")]).env("OUTPUT", output);
    let script = script.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let arrived = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        std::fs::read_to_string(output).is_ok_and(|written| written.lines().count() >= lines)
    });
    succeeded(&command("kill").args(["-INT", &script.id().to_string()]).output().unwrap());
    let ended = script.wait_with_output().unwrap();
    succeeded(&ended);
    assert!(arrived, "no labels in a minute: {}", String::from_utf8_lossy(&ended.stderr));
    std::fs::read_to_string(output).unwrap()
}

/// A clip of `FRAMES` frames with sound, in a folder for what is made of it.
pub(crate) fn clip() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a clip.mp4").to_str().unwrap().to_owned();
    let line = format!(
        "videotestsrc pattern=ball num-buffers={FRAMES} ! video/x-raw,width=66,height=50,framerate=25/1 ! x264enc ! h264parse ! file. \
         audiotestsrc num-buffers={FRAMES} samplesperbuffer=1764 ! audio/x-raw,rate=44100,channels=1 ! voaacenc ! aacparse ! file. \
         mp4mux name=file ! filesink"
    );
    let words = line.split_whitespace().map(str::to_owned).chain([format!("location={path}")]);
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    (folder, path)
}

/// The timestamps of what a file decodes to, of one kind.
pub(crate) fn times(path: &str, kind: &str) -> Vec<gst::ClockTime> {
    gst::init().unwrap();
    let line = format!("filesrc name=file ! decodebin ! {kind} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path);
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let times = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| sample.buffer().unwrap().pts().unwrap()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    times
}
