//! What downstream asks for while windows and latents flow: quality of service, flushes, seeks.

use gst::prelude::*;
use gst_check::Harness;

use crate::stage::{PERIOD, Recorded, Run, WINDOWS, line, model};

/// What flows between two of the elements for the recorded stream.
fn recorded(rest: &str) -> Vec<gst::Sample> {
    let run = Run::new(&line("", rest));
    run.push_all(&Recorded::open());
    run.pull("out")
}

/// An element on a harness that plays, with the caps of what it takes.
fn playing(element: &gst::Element, inputs: &[gst::Sample]) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(inputs[0].caps().unwrap().to_owned());
    harness.play();
    harness
}

/// `perceiverencode` and `perceiverdecode`, each with what it takes.
fn stages() -> [(gst::Element, Vec<gst::Sample>); 2] {
    crate::stage::init();
    let windows = recorded("appsink name=out sync=false");
    let latents = recorded(&format!("perceiverencode model={} ! other/tensors ! appsink name=out sync=false", model()));
    let element = |name: &str| gst::ElementFactory::make(name).property("model", model()).build().unwrap();
    let decode = element("perceiverdecode");
    decode.set_property_from_str("head", "labels");
    [(element("perceiverencode"), windows), (decode, latents)]
}

fn stat(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

#[test]
fn windows_too_late_for_downstream_are_left_out_counted_and_gaps() {
    for qos in [true, false] {
        for (element, inputs) in stages() {
            element.set_property("qos", qos);
            let mut harness = playing(&element, &inputs);
            harness.push(inputs[0].buffer_owned().unwrap()).unwrap();
            let jitter = (PERIOD * 2).nseconds() as i64;
            let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, jitter).timestamp(gst::ClockTime::ZERO).build();
            // Nobody upstream of the harness takes it further.
            harness.push_upstream_event(late);
            for window in &inputs[1..] {
                harness.push(window.buffer_owned().unwrap()).unwrap();
            }
            assert!(harness.push_event(gst::event::Eos::new()));
            // Late by one window at window 0: recovered at window 2.
            let lost = u64::from(qos);
            assert_eq!(stat(&element, "windows-dropped"), lost, "{}", element.name());
            let out: Vec<_> = std::iter::from_fn(|| harness.try_pull()).map(|buffer| buffer.pts().unwrap()).collect();
            assert_eq!(out.len() as u64, WINDOWS as u64 - lost);
            assert_eq!(out.contains(&(PERIOD * 2)), !qos);
            let gaps = std::iter::from_fn(|| harness.try_pull_event()).filter(|event| event.type_() == gst::EventType::Gap);
            assert_eq!(gaps.count() as u64, lost);
        }
    }
}

#[test]
fn a_flush_forgets_and_a_restart_begins_anew() {
    for (element, inputs) in stages() {
        for _ in 0..2 {
            let mut harness = playing(&element, &inputs);
            harness.push(inputs[0].buffer_owned().unwrap()).unwrap();
            assert!(harness.push_event(gst::event::FlushStart::new()));
            assert_eq!(harness.push(inputs[1].buffer_owned().unwrap()), Err(gst::FlowError::Flushing));
            assert!(harness.push_event(gst::event::FlushStop::new(true)));
            assert!(harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
            harness.push(inputs[2].buffer_owned().unwrap()).unwrap();
            assert!(harness.push_event(gst::event::Eos::new()));
            let out: Vec<_> = std::iter::from_fn(|| harness.try_pull()).map(|buffer| buffer.pts().unwrap()).collect();
            assert_eq!(out, [gst::ClockTime::ZERO, PERIOD * 4], "{}", element.name());
            assert_eq!((stat(&element, "windows-in"), stat(&element, "windows-out")), (2, 2));
            element.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn seeks_begin_anew_there_while_playing_and_while_paused() {
    let rest = format!(
        "queue ! perceiverencode model={0} ! queue ! perceiverdecode model={0} head=video ! video/x-raw ! appsink name=out sync=false \
         max-buffers=2",
        model()
    );
    let run = Run::new(&format!(
        "perceiverpreprocess name=windows model={} ! {rest} videotestsrc ! video/x-raw,width=16,height=16,framerate=25/1 \
         ! windows.video_sink audiotestsrc samplesperbuffer=32 ! audio/x-raw,rate=800 ! windows.audio_sink",
        model()
    ));
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    (0..6).for_each(|_| drop(out.pull_sample().unwrap()));
    for (paused, start) in [(false, 2), (true, 1), (false, 0)] {
        let state = if paused { gst::State::Paused } else { gst::State::Playing };
        run.pipeline.set_state(state).unwrap();
        let start = gst::ClockTime::from_seconds(start);
        run.pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, start).unwrap();
        if paused {
            let preroll = out.pull_preroll().unwrap();
            assert_eq!(preroll.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().time(), Some(start));
            run.pipeline.set_state(gst::State::Playing).unwrap();
        }
        let frames = [(); 4].map(|()| out.pull_sample().unwrap());
        let begun = frames[0].segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap().clone();
        for (number, frame) in frames.iter().enumerate() {
            let pts = frame.buffer().unwrap().pts().unwrap();
            assert_eq!(begun.to_stream_time(pts), Some(start + PERIOD * number as u64), "{start}");
        }
    }
}
