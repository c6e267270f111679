//! The latency query is answered with the truth, and changes are announced.

use gst::prelude::*;
use gst_video::VideoFormat;
use gstperceiverflow::{Leaky, ResultPolicy};

use crate::stage::{PERIOD, Stage, busy, element, info};

const PROCESSING: gst::ClockTime = gst::ClockTime::from_mseconds(15);
const UPSTREAM: gst::ClockTime = gst::ClockTime::from_mseconds(5);

fn live(policy: ResultPolicy, leaky: Leaky) -> Stage {
    let element = element();
    element.set_property("processing-latency", PROCESSING.nseconds());
    element.set_property("result-policy", policy);
    element.set_property("leaky", leaky);
    element.set_property("frame-distance", 2u32);
    let mut stage = Stage::prepared(&element, &info(VideoFormat::Rgb, 20, 16), |harness| {
        harness.set_live(true);
        harness.set_upstream_latency(UPSTREAM);
    });
    stage.push(0);
    stage
}

#[test]
fn persist_adds_only_what_the_streaming_thread_waits() {
    let waits = live(ResultPolicy::Persist, Leaky::No);
    assert_eq!(waits.harness.query_latency(), Some(UPSTREAM + PROCESSING));
    let leaks = live(ResultPolicy::Persist, Leaky::Downstream);
    assert_eq!(leaks.harness.query_latency(), Some(UPSTREAM));
}

#[test]
fn aligned_adds_the_frames_it_holds() {
    for leaky in [Leaky::No, Leaky::Upstream, Leaky::Downstream] {
        let stage = live(ResultPolicy::Aligned, leaky);
        assert_eq!(stage.harness.query_latency(), Some(UPSTREAM + PERIOD * (2 + 2)), "{leaky:?}");
    }
}

#[test]
fn a_leaky_aligned_element_never_holds_more_than_it_says() {
    let (element, info) = busy();
    element.set_property("result-policy", ResultPolicy::Aligned);
    element.set_property("leaky", Leaky::Downstream);
    element.set_property("max-size-buffers", 3u32);
    let mut stage = Stage::new(&element, &info);
    for pushed in 1..=8 {
        stage.push(pushed - 1);
        assert!(stage.harness.buffers_received() + 1 + 3 >= pushed as u32, "frame {pushed}");
    }
}

#[test]
fn a_change_is_announced_once() {
    let mut stage = live(ResultPolicy::Persist, Leaky::No);
    assert!(!stage.messages(gst::MessageType::Latency).is_empty(), "the caps said how long a frame is");
    stage.push(1);
    stage.element.set_property("qos", false);
    assert!(stage.messages(gst::MessageType::Latency).is_empty());
    stage.element.set_property("processing-latency", 2 * PROCESSING.nseconds());
    assert_eq!(stage.messages(gst::MessageType::Latency).len(), 1);
    assert_eq!(stage.harness.query_latency(), Some(UPSTREAM + PROCESSING * 2));
}

#[test]
fn without_a_setting_the_latency_is_measured_at_start() {
    let stage = Stage::prepared(&element(), &info(VideoFormat::Rgb, 20, 16), |harness| harness.set_live(true));
    assert!(stage.harness.query_latency().unwrap() > gst::ClockTime::ZERO);
    assert_eq!(stage.element.property::<u64>("processing-latency"), u64::MAX);
}

#[test]
fn at_a_variable_rate_the_widest_gap_counts() {
    let element = element();
    element.set_property("result-policy", ResultPolicy::Aligned);
    element.set_property("leaky", Leaky::Downstream);
    let caps = gst_video::VideoInfo::builder(VideoFormat::Rgb, 20, 16).fps(gst::Fraction::new(0, 1)).build().unwrap();
    let mut stage = Stage::new(&element, &caps);
    for number in [0, 1, 4, 5] {
        stage.push(number);
    }
    assert_eq!(stage.harness.query_latency(), Some(PERIOD * 3 * (1 + 2)));
}
