//! Flush, end of stream, discontinuities, gaps, new caps: nothing hangs, nothing mixes.

use gst::prelude::*;
use gst_video::VideoFormat;
use gstperceiverflow::{Leaky, ResultPolicy, meta::FlowMeta};

use crate::stage::{PERIOD, Stage, busy, element, frame, info};

#[test]
fn a_flush_wakes_a_streaming_thread_that_waits_for_the_model() {
    let (element, busy) = busy();
    let mut stage = Stage::new(&element, &busy);
    stage.push(0);
    let sink = stage.element.static_pad("sink").unwrap();
    let pushing = std::thread::spawn({
        let (sink, second) = (sink.clone(), frame(&busy, 1));
        move || sink.chain(second)
    });
    while stage.stat("windows-in") == 0 {
        std::thread::yield_now();
    }
    assert!(stage.harness.push_event(gst::event::FlushStart::new()));
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing), "the window was waited for to its end");
    assert!(stage.harness.push_event(gst::event::FlushStop::new(true)));

    stage.pull();
    let small = info(VideoFormat::Gray8, 20, 16);
    stage.harness.set_src_caps(small.to_caps().unwrap());
    stage.info = small;
    stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    stage.push(10);
    stage.push(11);
    let carried = stage.carried();
    assert_eq!((carried[0], carried[1].0), ((10, None), 11), "nothing of before the flush");
    assert!(carried[1].1.is_some());
}

#[test]
fn stopping_wakes_it_too() {
    let (element, busy) = busy();
    let mut stage = Stage::new(&element, &busy);
    stage.push(0);
    let sink = stage.element.static_pad("sink").unwrap();
    let pushing = std::thread::spawn(move || sink.chain(frame(&busy, 1)));
    while stage.stat("windows-in") == 0 {
        std::thread::yield_now();
    }
    stage.element.set_state(gst::State::Null).unwrap();
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
}

#[test]
fn a_flush_drops_the_frames_that_are_held() {
    let element = element();
    element.set_property("result-policy", ResultPolicy::Aligned);
    element.set_property("frame-distance", 3u32);
    let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
    (0..3).for_each(|number| stage.push(number));
    assert!(stage.harness.push_event(gst::event::FlushStart::new()));
    assert!(stage.harness.push_event(gst::event::FlushStop::new(true)));
    stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    (20..24).for_each(|number| stage.push(number));
    stage.eos();
    assert_eq!(stage.carried(), [(20, Some(0)), (21, Some(0)), (22, Some(0)), (23, Some(0))]);
}

#[test]
fn eos_drains_windows_that_nobody_waited_for() {
    let (element, info) = busy();
    element.set_property("leaky", Leaky::Downstream);
    element.set_property("max-size-buffers", 8u32);
    let mut stage = Stage::new(&element, &info);
    (0..3).for_each(|number| stage.push(number));
    stage.eos();
    assert_eq!((stage.stat("windows-out"), stage.stat("windows-dropped")), (2, 0));
    let events: Vec<_> = std::iter::from_fn(|| stage.harness.try_pull_event()).map(|event| event.type_()).collect();
    assert_eq!(events.last(), Some(&gst::EventType::Eos));
}

#[test]
fn no_window_spans_a_discontinuity_and_nothing_is_carried_over_it() {
    for policy in [ResultPolicy::Persist, ResultPolicy::Aligned] {
        let element = element();
        element.set_property("result-policy", policy);
        let info = info(VideoFormat::Rgb, 20, 16);
        let mut stage = Stage::new(&element, &info);
        for number in 0..6 {
            let mut buffer = frame(&info, number);
            if number == 3 {
                buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
            }
            stage.harness.push(buffer).unwrap();
        }
        stage.eos();
        let expected = match policy {
            ResultPolicy::Persist => [None, Some(0), Some(1), None, Some(2), Some(3)],
            ResultPolicy::Aligned => [Some(0), Some(1), Some(1), Some(2), Some(3), Some(3)],
        };
        assert_eq!(stage.carried().into_iter().map(|(_, window)| window).collect::<Vec<_>>(), expected, "{policy:?}");
    }
}

#[test]
fn a_gap_ends_the_window_and_keeps_its_place_among_the_frames() {
    let element = element();
    element.set_property("result-policy", ResultPolicy::Aligned);
    let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
    stage.push(0);
    stage.push(1);
    let gap = gst::event::Gap::builder(PERIOD * 2).duration(PERIOD).build();
    assert!(stage.harness.push_event(gap));
    stage.push(3);
    stage.push(4);
    stage.eos();
    assert_eq!(stage.carried(), [(0, Some(0)), (1, Some(0)), (3, Some(1)), (4, Some(1))]);
    let gaps = std::iter::from_fn(|| stage.harness.try_pull_event()).filter(|event| event.type_() == gst::EventType::Gap);
    assert_eq!(gaps.count(), 1);
}

#[test]
fn another_size_while_running() {
    for policy in [ResultPolicy::Persist, ResultPolicy::Aligned] {
        let element = element();
        element.set_property("result-policy", policy);
        let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
        (0..3).for_each(|number| stage.push(number));
        let next = info(VideoFormat::I420, 33, 27);
        stage.harness.set_src_caps(next.to_caps().unwrap());
        stage.info = next.clone();
        (3..6).for_each(|number| stage.push(number));
        stage.eos();
        let out = stage.pull();
        assert_eq!(out.len(), 6, "{policy:?}");
        for (number, buffer) in out.iter().enumerate() {
            let size = if number < 3 { (20, 16) } else { (33, 27) };
            match FlowMeta::of(buffer) {
                Some(meta) => assert_eq!((meta.field.width(), meta.field.height()), size, "{policy:?} frame {number}"),
                None => assert!(policy == ResultPolicy::Persist && (number == 0 || number == 3), "{policy:?} frame {number}"),
            }
        }
        assert_eq!(stage.harness.sinkpad().unwrap().current_caps(), Some(next.to_caps().unwrap()));
        assert_eq!((stage.stat("windows-in"), stage.stat("windows-out")), (4, 4));
    }
}

#[test]
fn a_new_segment_ends_windows_in_both_ways_of_waiting() {
    for leaky in [Leaky::No, Leaky::Downstream] {
        let element = element();
        element.set_property("leaky", leaky);
        element.set_property("result-policy", ResultPolicy::Aligned);
        let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
        (0..2).for_each(|number| stage.push(number));
        stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        (2..4).for_each(|number| stage.push(number));
        stage.eos();
        let carried = stage.carried();
        assert_eq!(carried.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3], "{leaky:?}");
        assert_eq!(stage.stat("windows-in"), 2, "no window from frame 1 to frame 2");
        assert_eq!(stage.stat("windows-out") + stage.stat("windows-dropped"), 2);
    }
}

#[test]
fn a_restarted_element_begins_anew() {
    let info = info(VideoFormat::Rgb, 20, 16);
    let element = element();
    for _ in 0..2 {
        let mut stage = Stage::new(&element, &info);
        (0..2).for_each(|number| stage.push(number));
        assert_eq!(stage.carried(), [(0, None), (1, Some(0))]);
        assert_eq!(stage.stat("windows-in"), 1);
        drop(stage);
        element.set_state(gst::State::Null).unwrap();
    }
}
