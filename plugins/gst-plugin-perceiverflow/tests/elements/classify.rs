//! Labels of the recorded stream: the right ones, on the right buffers, at the right times.

use gst::{glib, prelude::*};
use gstperceiverflow::meta::LabelsMeta;

use crate::{
    clip::{CLASSES, FRAMES, Fed, RATE, SAMPLES, WINDOW, assert_recorded, chunks, frames},
    stage::PERIOD,
};

const BOTH: &str = "VIDEO ! CLASSIFY ! appsink name=out sync=false  AUDIO ! queue ! classify.audio_sink";

/// The recorded stream through a pipeline.
fn played(line: &str) -> Fed {
    let fed = Fed::new(line);
    fed.feed("video", frames());
    if line.contains("AUDIO") {
        fed.feed("audio", chunks(20));
    }
    fed
}

fn labels(meta: &LabelsMeta) -> Vec<(usize, f64)> {
    meta.labels.as_slice().iter().map(|label| (label.index, f64::from(label.confidence))).collect()
}

/// The same of a message.
fn told(result: &gst::Structure) -> Vec<(usize, f64)> {
    let indices = result.get::<gst::Array>("indices").unwrap();
    let confidences = result.get::<gst::Array>("confidences").unwrap();
    let index = |value: &glib::SendValue| value.get::<u32>().unwrap() as usize;
    indices.iter().map(index).zip(confidences.iter().map(|value| value.get::<f64>().unwrap())).collect()
}

#[test]
fn persist_puts_each_window_on_the_frames_after_it_every_time() {
    for _ in 0..3 {
        let fed = played(BOTH);
        assert_eq!(fed.carried("out"), [None, None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
        let results = fed.results();
        assert_eq!(results.len(), 4, "the last window is told of at the end");
        results.iter().enumerate().for_each(|(window, result)| assert_recorded(&told(result), window));
    }
}

#[test]
fn aligned_puts_each_window_on_its_own_frames() {
    let fed = played(&BOTH.replace("CLASSIFY", "CLASSIFY result-policy=aligned"));
    let samples = fed.pull("out");
    assert_eq!(samples.len(), FRAMES as usize);
    for (number, (sample, pushed)) in samples.iter().zip(frames()).enumerate() {
        let buffer = sample.buffer().unwrap();
        assert_eq!(*buffer.map_readable().unwrap(), *pushed.map_readable().unwrap());
        assert_eq!((buffer.pts(), buffer.duration()), (pushed.pts(), pushed.duration()));
        let meta = LabelsMeta::of(buffer).unwrap();
        let window = number as u64 / WINDOW;
        assert_recorded(&labels(&meta), window as usize);
        assert_eq!((meta.window.id, meta.window.duration), (window, PERIOD * WINDOW));
        assert_eq!(meta.window.stream_time, Some(PERIOD * WINDOW * window));
        assert_eq!(meta.window.running_time, meta.window.stream_time);
    }
}

#[test]
fn messages_say_the_same_as_the_metadata() {
    let fed = played(&BOTH.replace("CLASSIFY", "CLASSIFY result-policy=aligned"));
    let samples = fed.pull("out");
    for (result, sample) in fed.results().iter().zip(samples.iter().step_by(2)) {
        let meta = LabelsMeta::of(sample.buffer().unwrap()).unwrap();
        assert_eq!(told(result), labels(&meta));
        let names: Vec<String> = result.get::<gst::Array>("labels").unwrap().iter().map(|name| name.get().unwrap()).collect();
        assert_eq!(names[0], format!("LABEL_{}", meta.labels.as_slice()[0].index));
        assert_eq!(result.get::<u64>("window-id").unwrap(), meta.window.id);
        assert_eq!(result.get::<gst::ClockTime>("stream-time").ok(), meta.window.stream_time);
        assert_eq!(result.get::<gst::ClockTime>("duration").unwrap(), meta.window.duration);
        assert_eq!(result.get::<&str>("model-hash").unwrap(), &*meta.window.model_hash);
    }
}

#[test]
fn sound_alone_passes_with_labels() {
    let fed = Fed::new("AUDIO ! CLASSIFY result-policy=aligned ! appsink name=out sync=false");
    fed.feed("audio", chunks(SAMPLES));
    assert_eq!(fed.carried("out"), [0, 0, 1, 1, 2, 2, 3, 3].map(Some));
    assert_eq!((fed.stat("missing-pictures"), fed.stat("missing-samples")), (FRAMES, 0));
}

#[test]
fn video_alone_by_what_missing_audio_says() {
    let line = "VIDEO ! CLASSIFY result-policy=aligned MISSING ! appsink name=out sync=false";
    let with = |missing: &str| played(&line.replace("MISSING", missing));
    let silent = with("missing-audio=silence");
    assert_eq!(silent.carried("out"), [0, 0, 1, 1, 2, 2, 3, 3].map(Some));
    assert_eq!(silent.stat("missing-samples"), SAMPLES as u64 * FRAMES);
    let dropped = with("missing-audio=drop");
    assert_eq!(dropped.carried("out"), [None; 8]);
    assert_eq!((dropped.stat("windows-in"), dropped.stat("windows-left-out")), (0, 4));
    let refused = with("missing-audio=error");
    let error = refused.pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = error.view() else { unreachable!() };
    assert!(error.debug().unwrap().contains("missing-audio"), "{:?}", error.debug());
}

#[test]
fn windows_go_on_to_the_end_of_a_sound_that_outlasts_the_video() {
    let line = "VIDEO ! CLASSIFY result-policy=POLICY ! fakesink  AUDIO ! queue ! classify.audio_sink \
                classify.text_src ! queue ! text/x-raw ! appsink name=out sync=false async=false";
    for policy in ["persist", "aligned"] {
        let fed = Fed::new(&line.replace("POLICY", policy));
        fed.feed("video", frames().into_iter().take(3).collect::<Vec<_>>());
        fed.feed("audio", chunks(20));
        let times: Vec<_> = fed.pull("out").iter().map(|sample| sample.buffer().unwrap().pts().unwrap()).collect();
        assert_eq!(times, [0, 2, 4, 6].map(|frames| PERIOD * frames), "{policy}");
        let results = fed.results();
        assert_recorded(&told(&results[0]), 0);
        assert!(results.iter().zip(times).all(|(result, time)| result.get::<gst::ClockTime>("stream-time") == Ok(time)));
        assert_eq!((results.len(), fed.stat("missing-samples")), (4, 0), "{policy}");
    }
}

#[test]
fn an_audio_pad_that_nothing_is_linked_to_is_not_waited_for() {
    let fed = Fed::new("VIDEO ! CLASSIFY result-policy=aligned ! appsink name=out sync=false");
    let pad = fed.element().request_pad_simple("audio_sink").unwrap();
    fed.feed("video", frames());
    assert_eq!(fed.carried("out").len(), FRAMES as usize);
    fed.element().release_request_pad(&pad);
}

#[test]
fn the_surest_labels_under_names_of_the_users() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), (0..CLASSES).map(|class| format!("class {class}\n")).collect::<String>()).unwrap();
    let options = format!("CLASSIFY result-policy=aligned top-k=2 threshold=0.1 labels-file={}", file.path().display());
    let fed = played(&BOTH.replace("CLASSIFY", &options));
    let samples = fed.pull("out");
    let meta = LabelsMeta::of(samples[0].buffer().unwrap()).unwrap();
    let given = meta.labels.as_slice();
    assert!(given.len() <= 2 && given.iter().all(|label| label.confidence >= 0.1), "{given:?}");
    assert!(given.iter().all(|label| *label.name == *format!("class {}", label.index)), "{given:?}");
}

#[test]
fn a_stride_lets_windows_overlap_or_lie_apart() {
    let carried = |options: &str| {
        let fed = played(&BOTH.replace("CLASSIFY", &format!("CLASSIFY result-policy=aligned {options}")));
        (fed.carried("out"), fed.stat("windows-out"))
    };
    let (overlap, windows) = carried("stride-frames=1");
    assert_eq!(overlap[..7], [0, 1, 2, 3, 4, 5, 6].map(Some));
    assert_eq!(windows, 7, "a last one would have nothing that none before had");
    assert_eq!(carried("inference-interval=2"), ([0, 0, 0, 0, 1, 1, 1, 1].map(Some).to_vec(), 2));
}

#[test]
fn the_last_window_is_padded_or_left_out() {
    for (partial, windows) in [("pad", 4), ("drop", 3)] {
        let line = BOTH.replace("CLASSIFY", &format!("CLASSIFY result-policy=aligned partial-window={partial}"));
        let fed = Fed::new(&line);
        fed.feed("video", frames().into_iter().take(7).collect::<Vec<_>>());
        fed.feed("audio", chunks(SAMPLES).into_iter().take(7).collect::<Vec<_>>());
        assert_eq!(fed.carried("out").len(), 7);
        assert_eq!((fed.stat("windows-out"), fed.results().len()), (windows, windows as usize), "{partial}");
    }
}

#[test]
fn sound_of_another_rate_is_refused_with_the_one_that_would_do() {
    let fed = Fed::new("VIDEO ! CLASSIFY ! fakesink");
    let pad = fed.element().request_pad_simple("audio_sink").unwrap();
    let caps = pad.query_caps(None);
    assert_eq!(caps.structure(0).unwrap().get::<i32>("rate").unwrap(), RATE as i32);
    let accepted = |caps: &str| pad.query_accept_caps(&caps.parse().unwrap());
    assert!(accepted("audio/x-raw,format=S16LE,layout=interleaved,channels=2,rate=800"));
    assert!(!accepted("audio/x-raw,format=S16LE,layout=interleaved,channels=2,rate=44100"));
    fed.element().release_request_pad(&pad);
}

#[test]
fn a_seek_while_playing_begins_anew_there() {
    crate::stage::init();
    let line = format!(
        "videotestsrc ! video/x-raw,width=16,height=16,framerate=25/1 ! queue ! perceiverclassify name=classify device=cpu model={} \
         result-policy=aligned ! appsink name=out sync=false max-buffers=2  audiotestsrc samplesperbuffer=20 ! audio/x-raw,rate={RATE} \
         ! queue max-size-buffers=4 ! classify.audio_sink",
        crate::clip::model()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    (0..10).for_each(|_| drop(sink.pull_sample().unwrap()));
    for start in [gst::ClockTime::from_seconds(2), gst::ClockTime::ZERO, gst::ClockTime::from_seconds(1)] {
        pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, start).unwrap();
        for number in 0..6 {
            let sample = sink.pull_sample().unwrap();
            let buffer = sample.buffer().unwrap();
            assert_eq!(buffer.pts(), Some(start + PERIOD * number));
            let window = LabelsMeta::of(buffer).unwrap().window;
            assert_eq!(window.stream_time, Some(start + PERIOD * (number / WINDOW * WINDOW)));
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn sound_does_not_run_ahead_of_a_slow_picture() {
    crate::stage::init();
    // Sixteen seconds of both: more than one stream waits for the other before it gives up.
    let line = format!(
        "videotestsrc num-buffers=400 ! video/x-raw,format=RGB,width=8,height=8,framerate=25/1 ! classify.sink \
         audiotestsrc num-buffers=400 samplesperbuffer={SAMPLES} ! audio/x-raw,rate={RATE} ! queue ! classify.audio_sink \
         perceiverclassify name=classify device=cpu model={} ! identity sleep-time=2000 ! fakesink",
        crate::clip::model()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let classify = pipeline.by_name("classify").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
    let stats = classify.property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    for name in ["late-frames", "missing-pictures", "missing-samples", "late-samples"] {
        assert_eq!(stats.get::<u64>(name).unwrap(), 0, "{name}: {stats}");
    }
}

#[test]
fn the_built_in_model_knows_black_and_leaves_out_what_does_not_hold() {
    gst::init().unwrap();
    gstperceiverflow::plugin_register_static().unwrap();
    let line = "videotestsrc num-buffers=40 pattern=black ! video/x-raw,width=64,height=48,framerate=25/1 ! perceiverclassify name=labels \
                ! fakesink sync=false async=false  labels.text_src ! appsink name=out sync=false async=false";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let told = out.pull_sample().unwrap();
    let text = String::from_utf8(told.buffer().unwrap().map_readable().unwrap().to_vec()).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(text.contains("black") && !text.contains("colour-bars"), "{text}");
}
