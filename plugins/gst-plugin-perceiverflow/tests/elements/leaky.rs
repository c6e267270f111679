//! When the model cannot keep up: frames pass, windows drop, and everything is counted and said.

use gst::prelude::*;
use gst_video::VideoFormat;
use gstperceiverflow::{Leaky, ResultPolicy};

use crate::stage::{PERIOD, Stage, busy, element, info, number};

#[test]
fn every_frame_passes_and_every_dropped_window_is_counted_and_warned_of() {
    for (leaky, policy) in [
        (Leaky::Downstream, ResultPolicy::Persist),
        (Leaky::Upstream, ResultPolicy::Persist),
        (Leaky::Downstream, ResultPolicy::Aligned),
        (Leaky::Upstream, ResultPolicy::Aligned),
    ] {
        let (element, info) = busy();
        element.set_property("leaky", leaky);
        element.set_property("result-policy", policy);
        element.set_property("max-size-buffers", 1u32);
        let mut stage = Stage::new(&element, &info);
        (0..8).for_each(|number| stage.push(number));
        stage.eos();
        let out: Vec<u64> = stage.pull().iter().map(|buffer| number(buffer)).collect();
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7], "{leaky:?} {policy:?}");
        let warnings = stage.messages(gst::MessageType::Warning);
        let dropped = stage.stat("windows-dropped");
        assert!(dropped >= 4, "{leaky:?} {policy:?}: the model kept up, only {dropped} dropped");
        assert_eq!((stage.stat("windows-in"), stage.stat("windows-out")), (7, 7 - dropped), "{leaky:?} {policy:?}");
        let told: u64 = warnings.iter().map(warned).sum();
        assert_eq!(told, dropped, "{leaky:?} {policy:?}");
    }
}

/// How many leaked windows a warning tells of.
fn warned(message: &gst::Message) -> u64 {
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
    assert!(warning.error().matches(gst::CoreError::Clock));
    warning.details().unwrap().get("leaked").unwrap()
}

#[test]
fn which_window_goes() {
    let last_window = |leaky| {
        let (element, info) = busy();
        element.set_property("leaky", leaky);
        element.set_property("max-size-buffers", 1u32);
        let mut stage = Stage::new(&element, &info);
        (0..8).for_each(|number| stage.push(number));
        stage.eos();
        let results = stage.messages(gst::MessageType::Element);
        let windows: Vec<u64> = results.iter().map(|message| message.structure().unwrap().get("window-id").unwrap()).collect();
        assert!(windows.is_sorted(), "{windows:?}");
        windows.last().copied().unwrap()
    };
    assert_eq!(last_window(Leaky::Downstream), 6, "the newest stays");
    assert!(last_window(Leaky::Upstream) < 6, "the newest goes");
}

#[test]
fn windows_too_late_for_downstream_are_left_out_and_counted() {
    for qos in [true, false] {
        let element = element();
        element.set_property("qos", qos);
        let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
        stage.push(0);
        stage.push(1);
        let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, PERIOD.nseconds() as i64).timestamp(PERIOD).build();
        // Nobody upstream of the harness takes it further.
        stage.harness.push_upstream_event(late);
        (2..6).for_each(|number| stage.push(number));
        stage.eos();
        // Late by one frame at frame 1: recovered at frame 3.
        assert_eq!(stage.stat("windows-dropped"), if qos { 2 } else { 0 }, "windows 1 and 2");
        assert_eq!(stage.pull().len(), 6);
        assert_eq!(stage.messages(gst::MessageType::Warning).is_empty(), !qos);
    }
}

#[test]
fn the_policy_may_change_while_playing() {
    let mut stage = Stage::new(&element(), &info(VideoFormat::Rgb, 20, 16));
    stage.push(0);
    stage.element.set_property("leaky", Leaky::Downstream);
    (1..4).for_each(|number| stage.push(number));
    stage.element.set_property("leaky", Leaky::No);
    stage.push(4);
    assert_eq!(stage.carried().last(), Some(&(4, Some(3))), "waited for again");
}

#[test]
fn a_live_stream_that_waits_for_the_model_is_warned_of_with_the_numbers() {
    for is_live in [true, false] {
        let (element, info) = busy();
        let mut stage = Stage::prepared(&element, &info, |harness| harness.set_live(is_live));
        stage.harness.query_latency();
        (0..2).for_each(|number| stage.push(number));
        let warnings = stage.messages(gst::MessageType::Warning);
        assert_eq!(warnings.len(), usize::from(is_live));
        if let Some(gst::MessageView::Warning(warning)) = warnings.first().map(|message| message.view()) {
            assert!(warning.debug().unwrap().contains("comes every 40.0ms"), "{:?}", warning.debug());
        }
    }
}
