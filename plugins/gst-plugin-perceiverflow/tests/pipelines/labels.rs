//! Scripts of labels.

use std::path::Path;

use crate::launch::{FRAMES, PIPELINES, clip, command, run_again, run_labels, run_until, succeeded, times};

pub(crate) const SCRIPTS: &[&str] = &[
    "flow-and-labels.sh",
    "labels-as-subtitles.sh",
    "labels-live.sh",
    "labels-of-sound.sh",
    "labels-overlay.sh",
    "labels-to-hls.sh",
    "labels-to-json.sh",
    "labels-to-vtt.sh",
    "rtp-labels.sh",
];

/// Windows of two frames in the clip.
const WINDOWS: usize = FRAMES / 2;

/// The clip, and where to write.
fn paths(output: &str) -> (tempfile::TempDir, String, String) {
    let (folder, clip) = clip();
    let output = folder.path().join(output).to_str().unwrap().to_owned();
    (folder, clip, output)
}

#[test]
fn every_window_has_its_line() {
    let (_folder, clip, output) = paths("labels.jsonl");
    run_labels("labels-to-json.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    let written = std::fs::read_to_string(&output).unwrap();
    assert_eq!(written.lines().count(), WINDOWS, "{written}");
    for (line, window) in written.lines().zip(0..) {
        let start = f64::from(window) * 0.08;
        let given = line.split("\"start\":").nth(1).unwrap().split(',').next().unwrap().parse::<f64>().unwrap();
        assert!((given - start).abs() < 0.002, "{line}");
        assert_eq!(line.matches("\"label\":\"LABEL_").count(), 5, "{line}");
    }
    // The same input gives the same labels every time.
    run_labels("labels-to-json.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), written);
}

#[test]
fn a_clip_without_sound_has_labels() {
    let (_folder, clip, output) = paths("labels.jsonl");
    let silent = format!("{clip}.mkv");
    let line = "videotestsrc num-buffers=12 ! video/x-raw,width=66,height=50,framerate=25/1 ! x264enc ! matroskamux ! filesink";
    let words = line.split_whitespace().map(str::to_owned).chain([format!("location={silent}")]);
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    run_labels("labels-to-json.sh", &[("INPUT", &silent), ("OUTPUT", &output)]);
    assert_eq!(std::fs::read_to_string(&output).unwrap().lines().count(), 6);
}

#[test]
fn every_window_is_a_cue() {
    let (_folder, clip, output) = paths("clip.vtt");
    run_labels("labels-to-vtt.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    let written = std::fs::read_to_string(&output).unwrap();
    assert!(written.starts_with("WEBVTT\n"), "{written}");
    assert_eq!((written.matches(" --> ").count(), written.matches("LABEL_").count()), (WINDOWS, 3 * WINDOWS), "{written}");
}

#[test]
fn sound_alone_has_labels() {
    let (_folder, clip, output) = paths("labels.jsonl");
    let sound = format!("{clip}.wav");
    let line = "audiotestsrc num-buffers=20 samplesperbuffer=882 ! audio/x-raw,rate=44100,channels=2 ! wavenc ! filesink";
    let words = line.split_whitespace().map(str::to_owned).chain([format!("location={sound}")]);
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    run_labels("labels-of-sound.sh", &[("INPUT", &sound), ("OUTPUT", &output)]);
    let lines = std::fs::read_to_string(&output).unwrap().lines().count();
    assert!((5..=6).contains(&lines), "400 ms in windows of 80 ms, and what resampling adds: {lines}");
}

#[test]
fn labels_are_drawn_and_picture_and_sound_kept() {
    let (_folder, clip, output) = paths("out.mp4");
    run_labels("labels-overlay.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("FONT", "8")]);
    assert_eq!(times(&output, "videoconvert"), times(&clip, "videoconvert"));
    assert!(times(&output, "audioconvert").len() >= times(&clip, "audioconvert").len());
}

#[test]
fn flow_and_labels_keep_every_frame() {
    let (_folder, clip, output) = paths("out.mp4");
    let flow = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/flow");
    run_labels("flow-and-labels.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("FLOW", flow)]);
    assert_eq!(times(&output, "videoconvert"), times(&clip, "videoconvert"));
}

#[test]
fn subtitles_lie_beside_picture_and_sound() {
    let (_folder, clip, output) = paths("clip.mkv");
    run_labels("labels-as-subtitles.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    let line = "matroskademux name=file file.subtitle_0 ! queue ! filesink async=false";
    let text = format!("{output}.txt");
    let words = ["filesrc".to_owned(), format!("location={output}"), "!".to_owned()].into_iter();
    let words = words.chain(line.split_whitespace().map(str::to_owned)).chain([format!("location={text}")]);
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    assert_eq!(std::fs::read_to_string(text).unwrap().matches("LABEL_").count(), WINDOWS);
    assert_eq!(times(&output, "videoconvert").len(), FRAMES);
}

#[test]
fn a_playlist_names_its_segments() {
    let (_folder, clip, output) = paths("hls");
    // Of GStreamer 1.22 `hlssink2` rarely waits for ever once its muxer has ended; all before it have ended then, ours too.
    run_again("labels-to-hls.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("SECONDS_EACH", "1")]);
    let playlist = std::fs::read_to_string(format!("{output}/playlist.m3u8")).unwrap();
    let segments: Vec<&str> = playlist.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(!segments.is_empty() && playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
    let frames: usize = segments
        .iter()
        .map(|segment| times(&format!("{output}/{}", segment.rsplit('/').next().unwrap()), "videoconvert").len())
        .sum();
    assert_eq!(frames, FRAMES);
}

#[test]
fn live_runs_to_the_end_of_its_sources() {
    let source = "videotestsrc is-live=true num-buffers=25 ! video/x-raw,width=66,height=50,framerate=25/1";
    let sound = "audiotestsrc is-live=true num-buffers=50 samplesperbuffer=882";
    run_labels("labels-live.sh", &[("SOURCE", source), ("SOUND", sound), ("SINK", "fakesink sync=true")]);
}

#[test]
fn rtp_is_labelled_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("labels.jsonl");
    // A port that was free a moment ago.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let line = format!(
        "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=25/1 ! x264enc tune=zerolatency key-int-max=5 \
         ! rtph264pay config-interval=1 ! udpsink host=127.0.0.1 port={port}"
    );
    let mut sender = command("gst-launch-1.0").arg("-q").args(line.split_whitespace()).spawn().unwrap();
    let written = run_until(3, "rtp-labels.sh", &[("PORT", &port)], &output);
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(written.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{written}");
}

#[test]
fn the_built_in_model_serves_where_none_is_named() {
    let (folder, clip, output) = paths("labels.jsonl");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |script: &str, input: &str, output: &str| {
        let mut script = command(Path::new(PIPELINES).join(script));
        succeeded(
            &script.env_remove("MODEL").env_remove("OPTIONS").envs([("INPUT", input), ("OUTPUT", output)]).output().unwrap(),
        );
    };
    run("labels-to-json.sh", &clip, &output);
    run("latents-record.sh", &clip, &path("clip.latents"));
    run("latents-to-json.sh", &path("clip.latents"), &path("replayed.jsonl"));
    run("reconstruct.sh", &clip, &path("reconstruction.mkv"));
    let hash = perceiverflow::checkpoint::Checkpoint::open("builtin:av").unwrap().hash().to_owned();
    for written in [&output, &path("replayed.jsonl")] {
        let written = std::fs::read_to_string(written).unwrap();
        assert!(written.lines().count() == 1 && written.contains(&hash), "a window of 640 ms: {written}");
    }
    assert!(!times(&path("reconstruction.mkv"), "videoconvert").is_empty());
}
