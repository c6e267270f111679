//! Scripts of optical flow.

use std::path::Path;

use crate::launch::{FRAMES, clip, run, times};

pub(crate) const SCRIPTS: &[&str] = &["beside.sh", "field-to-flo.sh", "live.sh", "overlay-with-sound.sh", "overlay.sh"];

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
