//! Every script in `pipelines/`, run as a user runs it, on a clip made here.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use gst::prelude::*;

const PIPELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines");
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/flow");
const FRAMES: usize = 12;

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

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env("GST_PLUGIN_PATH", plugin_path())
        .env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry.bin"))
        .env("G_DEBUG", "fatal_warnings")
        .env("MODEL", MODEL)
        .env("OPTIONS", "scale=fit device=cpu");
    command
}

fn succeeded(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
}

fn run(script: &str, variables: &[(&str, &str)]) {
    let output = command(Path::new(PIPELINES).join(script)).envs(variables.iter().copied()).output().unwrap();
    succeeded(&output);
}

/// A clip of `FRAMES` frames with sound, in a folder for what is made of it.
fn clip() -> (tempfile::TempDir, String) {
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
fn times(path: &str, kind: &str) -> Vec<gst::ClockTime> {
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

#[test]
fn each_script_has_its_test() {
    let scripts: BTreeSet<String> = std::fs::read_dir(PIPELINES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sh"))
        // That one needs the program, too; `make demo` runs it.
        .filter(|name| name != "demo.sh")
        .collect();
    let tested = ["beside.sh", "field-to-flo.sh", "live.sh", "overlay-with-sound.sh", "overlay.sh"];
    assert_eq!(scripts, BTreeSet::from(tested.map(str::to_owned)));
}

#[test]
fn overlay_keeps_every_frame_and_its_time() {
    let (folder, clip) = clip();
    let output = folder.path().join("out.mp4").to_str().unwrap().to_owned();
    for mode in ["wheel", "arrows", "blend"] {
        run("overlay.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("MODE", mode)]);
        assert_eq!(times(&clip, "videoconvert").len(), FRAMES);
        assert_eq!(times(&output, "videoconvert"), times(&clip, "videoconvert"), "{mode}");
    }
}

#[test]
fn overlay_with_sound_keeps_the_sound() {
    let (folder, clip) = clip();
    let output = folder.path().join("out.mp4").to_str().unwrap().to_owned();
    run("overlay-with-sound.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    assert_eq!(times(&output, "videoconvert"), times(&clip, "videoconvert"));
    assert!(times(&output, "audioconvert").len() >= times(&clip, "audioconvert").len());
}

#[test]
fn beside_has_every_frame() {
    let (folder, clip) = clip();
    let output = folder.path().join("out.mp4").to_str().unwrap().to_owned();
    run("beside.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("WIDTH", "64"), ("HEIGHT", "48")]);
    assert_eq!(times(&output, "videoconvert").len(), FRAMES);
}

#[test]
fn field_to_flo_writes_a_file_for_each_pair() {
    let (folder, clip) = clip();
    let output = folder.path().join("flow");
    run("field-to-flo.sh", &[("INPUT", &clip), ("OUTPUT", output.to_str().unwrap())]);
    for window in 0..FRAMES - 1 {
        let field = perceiverflow::formats::read_flow(output.join(format!("{window:05}.flo"))).unwrap();
        assert_eq!((field.width(), field.height()), (66, 50));
    }
    assert_eq!(std::fs::read_dir(output).unwrap().count(), FRAMES - 1);
}

#[test]
fn live_runs_to_the_end_of_its_source() {
    let source = "videotestsrc is-live=true num-buffers=10 ! video/x-raw,width=66,height=50";
    run("live.sh", &[("SOURCE", source), ("SINK", "fakesink sync=true")]);
}

/// Real clips of any codec, rate and size, if `PERCEIVERFLOW_TEST_MEDIA` names a folder whose `video` holds some.
#[test]
fn real_clips_keep_every_frame_and_its_time() {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA") else {
        println!("skipped: PERCEIVERFLOW_TEST_MEDIA names no folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.mp4").to_str().unwrap().to_owned();
    for entry in std::fs::read_dir(Path::new(&media).join("video")).unwrap() {
        let clip = entry.unwrap().path().to_str().unwrap().to_owned();
        run("overlay.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
        let [given, made] = [&clip, &output].map(|path| from_first(&times(path, "videoconvert")));
        assert_eq!(given.len(), made.len(), "{clip}");
        let furthest = given.iter().zip(&made).map(|(given, made)| given.absdiff(*made)).max().unwrap();
        assert!(furthest < gst::ClockTime::MSECOND, "{clip}: {furthest}, more than the container's clock rounds");
    }
}

fn from_first(times: &[gst::ClockTime]) -> Vec<gst::ClockTime> {
    times.iter().map(|&time| time - times[0]).collect()
}
