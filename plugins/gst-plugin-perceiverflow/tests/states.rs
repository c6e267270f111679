//! A thousand changes of state in no order for every set of elements, with both streams running: no deadlock, no warning.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use gst::{glib, prelude::*};

const CHANGES: usize = 1000;

/// Much longer than all of it takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The states, by a generator of its own, so that every run makes the same changes.
fn states() -> impl Iterator<Item = gst::State> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        [gst::State::Null, gst::State::Ready, gst::State::Paused, gst::State::Playing][(state >> 33) as usize % 4]
    })
}

fn model(folder: &std::path::Path) -> String {
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/multimodal_autoencoding");
    let config = std::fs::read_to_string(format!("{from}/config.json")).unwrap();
    let config = config.replacen('{', "{\"multimodal\": {\"sample_rate\": 800},", 1);
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::copy(format!("{from}/model.safetensors"), folder.join("model.safetensors")).unwrap();
    folder.to_str().unwrap().to_owned()
}

/// A line in which `VIDEO` and `AUDIO` stand for the sources of both streams, `WINDOWS` for what cuts them, `MODEL` for the model.
fn line(live: bool, model: &str, line: &str) -> String {
    let video = format!("videotestsrc is-live={live} ! video/x-raw,width=16,height=16,framerate=100/1 ! queue");
    let audio = format!("audiotestsrc is-live={live} samplesperbuffer=16 ! audio/x-raw,rate=800 ! queue");
    let windows = format!("perceiverpreprocess name=windows model={model}");
    let line = line.replace("WINDOWS", &windows);
    line.replace("VIDEO", &video).replace("AUDIO", &audio).replace("MODEL", &format!("device=cpu model={model}"))
}

const CLASSIFY: &str = "VIDEO ! perceiverclassify name=classify result-policy=aligned MODEL ! perceiveroverlay ! queue ! fakesink \
                        AUDIO ! classify.audio_sink classify.text_src ! queue ! text/x-raw ! fakesink async=false";

const SPLIT: &str = "VIDEO ! windows.video_sink AUDIO ! windows.audio_sink WINDOWS ! queue ! perceiverencode MODEL \
                     ! tee name=latents latents. ! queue ! perceiverdecode MODEL head=video ! queue ! fakesink \
                     latents. ! queue ! perceiverdecode MODEL head=audio leaky=upstream ! fakesink async=false \
                     latents. ! queue leaky=downstream ! perceiverdecode MODEL head=labels ! text/x-raw ! fakesink async=false";

const BIN: &str = "VIDEO ! memory.video_sink AUDIO ! memory.audio_sink perceiverflow name=memory task=autoencode MODEL \
                   memory.video_src ! queue ! fakesink memory.text_src ! queue ! text/x-raw ! fakesink async=false";

fn run(of: &str, live: bool, changes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    // It keeps the model loaded while the pipeline stands.
    let holder =
        gst::ElementFactory::make("perceiverclassify").property("model", &model).property("device", "cpu").build().unwrap();
    holder.set_state(gst::State::Paused).unwrap();
    let pipeline = gst::parse::launch(&line(live, &model, of)).unwrap();
    for (at, state) in states().take(changes).enumerate() {
        assert!(pipeline.set_state(state).is_ok(), "change {at} to {state:?}");
        if at % 8 == 0 {
            // Sometimes the change is waited for, mostly the next one meets it half-way.
            let (reached, ..) = pipeline.state(gst::ClockTime::from_seconds(20));
            assert!(reached.is_ok(), "change {at} to {state:?}");
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let errors = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    assert!(errors.is_none(), "{errors:?}");
    holder.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_thousand_changes_of_state_end() {
    gst::init().unwrap();
    glib::log_set_always_fatal(glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_ERROR);
    gstperceiverflow::plugin_register_static().unwrap();
    let (done, ended) = channel();
    let changing = std::thread::spawn(move || {
        for of in [CLASSIFY, SPLIT, BIN] {
            run(of, false, CHANGES / 2);
            run(of, true, CHANGES / 2);
        }
        done.send(()).unwrap();
    });
    match ended.recv_timeout(PATIENCE) {
        Ok(()) => changing.join().unwrap(),
        Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(changing.join().unwrap_err()),
        Err(RecvTimeoutError::Timeout) => panic!("a change of state does not end"),
    }
}
