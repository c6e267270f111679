//! Ends, breaks, flushes, overlaps: nothing hangs, nothing mixes.

use gst::prelude::*;
use gst_check::Harness;
use gstperceiverflow::meta::WindowMeta;

use crate::stage::{PERIOD, Recorded, Run, copied_model, line, model, path, times};

/// Windows out of `perceiverpreprocess` alone.
fn windows(properties: &str) -> Run {
    Run::new(&line(properties, "appsink name=out sync=false"))
}

#[test]
fn the_end_pads_or_drops_the_last_window() {
    for (partial, expected) in [("pad", vec![(0, 80), (80, 40)]), ("drop", vec![(0, 80)])] {
        let run = windows(&format!("partial-window={partial}"));
        run.push(&Recorded::open(), 0..3);
        run.end();
        assert_eq!(times(&run.pull("out")), expected, "{partial}");
        assert_eq!(run.stat("windows", "windows-dropped"), u64::from(partial == "drop"));
    }
}

#[test]
fn no_window_spans_a_discontinuity() {
    let (run, recorded) = (windows(""), Recorded::open());
    run.push(&recorded, 0..3);
    for number in 10..12 {
        let mut frame = recorded.frame(number);
        if number == 10 {
            frame.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        }
        run.source("video").push_buffer(frame).unwrap();
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    run.end();
    assert_eq!(times(&run.pull("out")), [(0, 80), (80, 40), (400, 80)]);
}

#[test]
fn frames_of_another_size_begin_new_windows() {
    let (run, recorded) = (windows(""), Recorded::open());
    run.push(&recorded, 0..3);
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "GRAY8")
        .field("width", 12)
        .field("height", 9)
        .field("framerate", gst::Fraction::new(25, 1))
        .build();
    let video = run.source("video");
    for number in 3..5 {
        let frame = crate::stage::stamped(vec![99; 12 * 9], PERIOD * number, PERIOD);
        video.push_sample(&gst::Sample::builder().buffer(&frame).caps(&caps).build()).unwrap();
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    run.end();
    assert_eq!(times(&run.pull("out")), [(0, 80), (80, 40), (120, 80)]);
}

#[test]
fn overlapping_windows_come_out_as_one_stream() {
    let rest = format!(
        "perceiverencode model={0} ! tee name=latents latents. ! queue ! perceiverdecode model={0} ! video/x-raw ! appsink name=out-video \
         sync=false latents. ! queue ! perceiverdecode model={0} ! audio/x-raw ! appsink name=out-audio sync=false",
        model()
    );
    let run = Run::new(&line("stride-frames=1 partial-window=drop", &rest));
    run.push(&Recorded::open(), 0..6);
    run.end();
    let frames: Vec<(u64, u64)> = (0..6).map(|frame| (frame * 40, 40)).collect();
    assert_eq!(times(&run.pull("out-video")), frames);
    let sound = times(&run.pull("out-audio"));
    assert_eq!(sound.iter().map(|(_, duration)| duration).sum::<u64>(), 240);
    assert!(sound.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{sound:?}");
}

/// Windows of the recorded stream as they leave `perceiverpreprocess`.
fn recorded_windows() -> Vec<gst::Sample> {
    let run = windows("");
    run.push_all(&Recorded::open());
    run.pull("out")
}

/// `perceiverencode` on a harness that plays, with the caps of these windows. Its model makes a batch of 64 windows wait a minute, so
/// that a test can act meanwhile.
fn slow_encoder(windows: &[gst::Sample]) -> (Harness, gst::Element, tempfile::TempDir) {
    let folder = copied_model(|config| config);
    let element = gst::ElementFactory::make("perceiverencode")
        .property("model", path(folder.path()))
        .property("batch-size", 64u32)
        .property("batch-timeout", 10_000_000_000u64)
        .build()
        .unwrap();
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(windows[0].caps().unwrap().to_owned());
    harness.play();
    (harness, element, folder)
}

#[test]
fn a_flush_wakes_an_encoder_that_waits_and_forgets_its_window() {
    let windows = recorded_windows();
    let (mut harness, element, _folder) = slow_encoder(&windows);
    let sink = element.static_pad("sink").unwrap();
    let window = windows[0].buffer_owned().unwrap();
    let pushing = std::thread::spawn(move || sink.chain(window));
    let stat = |name: &str| element.property::<gst::Structure>("stats").get::<u64>(name).unwrap();
    while stat("windows-in") == 0 {
        std::thread::yield_now();
    }
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.try_pull().is_none());
    assert_eq!(stat("windows-out"), 0);
}

#[test]
fn stopping_wakes_it_too() {
    let windows = recorded_windows();
    let (_harness, element, _folder) = slow_encoder(&windows);
    let sink = element.static_pad("sink").unwrap();
    let window = windows[0].buffer_owned().unwrap();
    let pushing = std::thread::spawn(move || sink.chain(window));
    while element.property::<gst::Structure>("stats").get::<u64>("windows-in").unwrap() == 0 {
        std::thread::yield_now();
    }
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
}

#[test]
fn after_a_flush_windows_have_nothing_of_before() {
    crate::stage::init();
    let element = gst::ElementFactory::make("perceiverpreprocess").property("model", model()).build().unwrap();
    let mut harness = Harness::with_element(&element, Some("video_sink"), Some("src"));
    harness.set_src_caps_str("video/x-raw,format=RGB,width=8,height=8,framerate=25/1,pixel-aspect-ratio=1/1");
    harness.play();
    let recorded = Recorded::open();
    for number in 0..4 {
        harness.push(recorded.frame(number)).unwrap();
    }
    assert_eq!(harness.pull().unwrap().pts(), Some(gst::ClockTime::ZERO));
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(PERIOD * 10);
    segment.set_time(PERIOD * 10);
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    for number in 10..13 {
        harness.push(recorded.frame(number)).unwrap();
    }
    let window = harness.pull().unwrap();
    let meta = WindowMeta::of(&window).unwrap().window;
    assert_eq!((window.pts(), window.duration()), (Some(gst::ClockTime::ZERO), Some(PERIOD * 2)), "running time begins anew");
    assert_eq!((meta.id, meta.stream_time), (1, Some(PERIOD * 10)), "nothing was made of the third frame");
}

#[test]
fn a_reloaded_encoder_goes_on_and_its_decoders_follow() {
    let folder = copied_model(|config| config);
    let model = path(folder.path()).to_owned();
    let run = Run::new(&line(
        "",
        &format!(
            "perceiverencode name=encode model={model} ! perceiverdecode name=decode model={model} ! text/x-raw ! appsink name=out \
             sync=false"
        ),
    ));
    let recorded = Recorded::open();
    run.push(&recorded, 0..3);
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    let before = out.pull_sample().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap().replace("LABEL_", "NAME_")).unwrap();
    assert!(run.element("encode").emit_by_name::<bool>("reload-model", &[]));
    run.push(&recorded, 3..6);
    run.end();
    let after = run.pull("out");
    assert!(crate::stage::text(&before).starts_with("LABEL_"));
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|sample| crate::stage::text(sample).starts_with("NAME_")));
}
