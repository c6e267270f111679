//! Nothing that the elements make outlives its pipeline.

use crate::launch::{command, multimodal_model, succeeded};

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
    // The tracer first says in which form it will tell.
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
fn the_bin_leaks_nothing() {
    let model = multimodal_model();
    assert_no_leak(&format!(
        "{VIDEO} ! perceiverflow name=labels task=classify device=cpu model={model} ! queue ! fakesink {SOUND} ! labels.audio_sink"
    ));
    assert_no_leak(&format!(
        "{VIDEO} ! memory.video_sink {SOUND} ! memory.audio_sink perceiverflow name=memory task=autoencode device=cpu model={model} \
         memory.video_src ! queue ! fakesink memory.audio_src ! queue ! fakesink memory.text_src ! queue ! text/x-raw ! fakesink"
    ));
}
