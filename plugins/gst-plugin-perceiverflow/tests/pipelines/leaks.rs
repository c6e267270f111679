//! Nothing that the elements make outlives its pipeline.

use crate::launch::{FLOW_MODEL, command, multimodal_model, succeeded};

/// A small language model with random weights.
const LANGUAGE_MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/masked_lm");

/// Runs a line under the tracer that tells of objects which are still alive at the end.
fn assert_no_leak(line: &str) {
    let output = command("gst-launch-1.0")
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .args(["-q"].into_iter().chain(line.split_whitespace()))
        .output()
        .unwrap();
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    // The tracer first says in which form it will tell; without that it was not there.
    assert!(said.lines().any(|line| line.contains("object-alive, ") && line.contains("new format string")), "{said}");
    let leaks: Vec<&str> =
        said.lines().filter(|line| line.contains("object-alive, ") && !line.contains("new format string")).collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

const VIDEO: &str = "videotestsrc num-buffers=20 ! video/x-raw,width=16,height=16,framerate=25/1 ! queue";
const SOUND: &str = "audiotestsrc num-buffers=40 samplesperbuffer=16 ! audio/x-raw,rate=800 ! queue";

#[test]
fn labels_leak_nothing() {
    let model = multimodal_model();
    for policy in ["persist", "aligned"] {
        assert_no_leak(&format!(
            "{VIDEO} ! perceiverclassify name=classify device=cpu model={model} result-policy={policy} ! perceiveroverlay ! queue \
             ! fakesink {SOUND} ! classify.audio_sink classify.text_src ! queue ! text/x-raw ! fakesink"
        ));
    }
}

#[test]
fn the_split_elements_leak_nothing() {
    let model = multimodal_model();
    let decode = |head: &str| format!("latents. ! queue ! perceiverdecode head={head} device=cpu model={model} ! fakesink");
    assert_no_leak(&format!(
        "{VIDEO} ! windows.video_sink {SOUND} ! windows.audio_sink perceiverpreprocess name=windows model={model} stride-frames=1 ! queue \
         ! perceiverencode device=cpu model={model} ! tee name=latents {} {} {} latents. ! queue ! gdppay ! fakesink",
        decode("video"),
        decode("audio"),
        decode("labels")
    ));
}

#[test]
fn flow_and_text_leak_nothing() {
    assert_no_leak(&format!(
        "{VIDEO} ! perceiveropticalflow name=flow device=cpu model={FLOW_MODEL} tile-overlap=2 ! perceiveroverlay ! queue ! fakesink \
         flow.flow_src ! queue ! other/tensors ! fakesink"
    ));
    let (folder, line) = texts();
    assert_no_leak(&format!("{line} ! perceivertext device=cpu model={LANGUAGE_MODEL} ! queue ! fakesink"));
    assert_no_leak(&format!(
        "{line} ! fill.text_sink perceiverflow name=fill task=fill-mask device=cpu model={LANGUAGE_MODEL} fill.text_src ! fakesink"
    ));
    drop(folder);
}

/// A file of subtitles, and a line that reads it.
fn texts() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaps.srt");
    std::fs::write(&path, "1\n00:00:01,000 --> 00:00:02,000\ng[MASK]p\n\n2\n00:00:03,000 --> 00:00:04,000\nno gap\n\n").unwrap();
    let line = format!("filesrc location={} ! subparse ! queue", path.display());
    (folder, line)
}

#[test]
fn the_bin_leaks_nothing() {
    let model = multimodal_model();
    assert_no_leak(&format!(
        "{VIDEO} ! perceiverflow name=flow task=optical-flow device=cpu model={FLOW_MODEL} tile-overlap=2 ! queue ! fakesink \
         flow.flow_src ! queue ! image/x-flo ! fakesink"
    ));
    assert_no_leak(&format!(
        "{VIDEO} ! perceiverflow name=labels task=classify device=cpu model={model} ! queue ! fakesink {SOUND} ! labels.audio_sink"
    ));
    assert_no_leak(&format!(
        "{VIDEO} ! memory.video_sink {SOUND} ! memory.audio_sink perceiverflow name=memory task=autoencode device=cpu model={model} \
         memory.video_src ! queue ! fakesink memory.audio_src ! queue ! fakesink memory.text_src ! queue ! text/x-raw ! fakesink"
    ));
}
