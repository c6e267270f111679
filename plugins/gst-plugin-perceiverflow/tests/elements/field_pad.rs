//! The raw field on `flow_src`, in both its forms.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstperceiverflow::{ResultPolicy, meta::FlowMeta};
use perceiverflow::formats::flo;

use crate::stage::{PERIOD, Stage, element, info};

/// The element with a harness on `flow_src` that takes `accepted`.
fn with_fields(accepted: &str) -> (gst::Element, Harness) {
    let element = element();
    let mut fields = Harness::with_element(&element, None, Some("flow_src"));
    fields.set_sink_caps_str(accepted);
    (element, fields)
}

/// The same, with a second harness for the video.
fn stages(accepted: &str) -> (Stage, Harness) {
    let (element, fields) = with_fields(accepted);
    (Stage::new(&element, &info(VideoFormat::Rgb, 20, 16)), fields)
}

#[test]
fn tensors_are_the_field_row_by_row() {
    let (mut stage, mut fields) = stages("other/tensors");
    (0..3).for_each(|number| stage.push(number));
    let frames = stage.pull();
    for window in 0..2u32 {
        let buffer = fields.pull().unwrap();
        let field = FlowMeta::of(&frames[window as usize + 1]).unwrap().field;
        let expected: Vec<u8> = field.uv().as_flattened().iter().flat_map(|value| value.to_ne_bytes()).collect();
        assert_eq!(*buffer.map_readable().unwrap(), *expected);
        assert_eq!((buffer.pts(), buffer.duration()), (Some(PERIOD * u64::from(window)), Some(PERIOD)));
        assert_eq!(buffer.offset(), u64::from(window));
    }
    let caps = fields.sinkpad().unwrap().current_caps().unwrap();
    let expected = "other/tensors, format=static, num_tensors=1, types=float32, dimensions=(string)2:20:16, framerate=25/1";
    assert_eq!(caps, expected.parse::<gst::Caps>().unwrap());
}

#[test]
fn flo_files_are_whole() {
    let (mut stage, mut fields) = stages("image/x-flo");
    (0..2).for_each(|number| stage.push(number));
    let buffer = fields.pull().unwrap();
    let field = flo::decode(&buffer.map_readable().unwrap(), "window").unwrap();
    assert_eq!(field, *FlowMeta::of(&stage.pull()[1]).unwrap().field);
    let caps = fields.sinkpad().unwrap().current_caps().unwrap();
    assert_eq!(caps, "image/x-flo, width=20, height=16, framerate=25/1".parse::<gst::Caps>().unwrap());
}

#[test]
fn a_new_size_renegotiates_and_eos_arrives() {
    let (mut stage, mut fields) = stages("other/tensors");
    (0..2).for_each(|number| stage.push(number));
    let next = info(VideoFormat::Rgb, 33, 27);
    stage.harness.set_src_caps(next.to_caps().unwrap());
    stage.info = next;
    (2..4).for_each(|number| stage.push(number));
    stage.eos();
    let sizes: Vec<usize> = (0..2).map(|_| fields.pull().unwrap().size()).collect();
    assert_eq!(sizes, [20 * 16 * 8, 33 * 27 * 8]);
    let events: Vec<_> = std::iter::from_fn(|| fields.try_pull_event()).map(|event| event.type_()).collect();
    use gst::EventType::{Caps, Eos, Segment, StreamStart};
    assert_eq!(events, [StreamStart, Caps, Segment, Caps, Segment, Eos], "the harness sends a segment with its caps");
}

#[test]
fn fields_go_out_under_the_name_of_their_own_stream() {
    let (element, mut fields) = with_fields("other/tensors");
    element.set_property("result-policy", ResultPolicy::Aligned);
    let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
    (0..3).for_each(|number| stage.push(number));
    let caps = stage.info.to_caps().unwrap();
    assert!(stage.harness.push_event(gst::event::StreamStart::new("another")));
    assert!(stage.harness.push_event(gst::event::Caps::new(&caps)));
    assert!(stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    (3..6).for_each(|number| stage.push(number));
    stage.eos();
    assert_eq!(fields.buffers_received(), 4, "two windows of each stream");
    let names: Vec<String> = std::iter::from_fn(|| fields.try_pull_event())
        .filter_map(|event| match event.view() {
            gst::EventView::StreamStart(start) => Some(start.stream_id().to_owned()),
            _ => None,
        })
        .collect();
    assert!(names.len() == 2 && names[0] != names[1] && names[1] == "another/flow", "{names:?}");
}

#[test]
fn windows_left_out_become_a_gap() {
    let (mut stage, mut fields) = stages("other/tensors");
    (0..2).for_each(|number| stage.push(number));
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, PERIOD.nseconds() as i64 / 2).timestamp(PERIOD).build();
    // Nobody upstream of the harness takes it further.
    stage.harness.push_upstream_event(late);
    (2..4).for_each(|number| stage.push(number));
    let gap = std::iter::from_fn(|| fields.try_pull_event()).find(|event| event.type_() == gst::EventType::Gap).unwrap();
    let gst::EventView::Gap(gap) = gap.view() else { unreachable!() };
    assert_eq!(gap.get(), (PERIOD, Some(PERIOD)), "window 1 was too late");
}

#[test]
fn caps_that_are_neither_are_not_negotiated() {
    let (mut stage, _fields) = stages("image/x-flo, width=99");
    stage.push(0);
    let second = crate::stage::frame(&stage.info, 1);
    assert_eq!(stage.harness.push(second), Err(gst::FlowError::NotNegotiated));
}

#[test]
fn the_pad_comes_and_goes_once_at_a_time() {
    let element = element();
    let pad = element.request_pad_simple("flow_src").unwrap();
    let template = element.pad_template("flow_src").unwrap();
    assert!(element.request_pad(&template, None, None).is_none());
    element.release_request_pad(&pad);
    assert!(element.static_pad("flow_src").is_none());
    let again = element.request_pad_simple("flow_src").unwrap();
    element.release_request_pad(&again);
}
