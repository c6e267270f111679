//! The overlay draws what the metadata says, where it says it, and nothing else.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use gstperceiverflow::{
    meta::{FlowMeta, LabelsMeta},
    overlay::Mode,
};
use perceiverflow::{
    media::{FlowField, Label, Labels, Picture},
    render::{draw_labels, wheel_colour},
};

use crate::stage::{frame, info, init, window};

fn overlay(info: &VideoInfo) -> (gst::Element, Harness) {
    init();
    let element = gst::ElementFactory::make("perceiveroverlay").build().unwrap();
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().unwrap());
    harness.play();
    (element, harness)
}

fn with_flow(mut buffer: gst::Buffer, field: FlowField) -> gst::Buffer {
    FlowMeta { field: field.into(), window: window(0) }.attach(buffer.get_mut().unwrap());
    buffer
}

#[test]
fn frames_without_metadata_pass_untouched() {
    for format in [VideoFormat::I420, VideoFormat::Rgba] {
        let info = info(format, 19, 13);
        let (_, mut harness) = overlay(&info);
        let out = harness.push_and_pull(frame(&info, 3)).unwrap();
        assert_eq!(*out.map_readable().unwrap(), *frame(&info, 3).map_readable().unwrap());
    }
}

#[test]
fn the_wheel_covers_the_picture_and_keeps_transparency() {
    let info = info(VideoFormat::Rgba, 8, 4);
    let (element, mut harness) = overlay(&info);
    element.set_property("mode", Mode::Wheel);
    element.set_property("max-magnitude", 2.0f32);
    let field = FlowField::from_fn(8, 4, |x, _| [x as f32 / 4.0, 0.0]);
    let out = harness.push_and_pull(with_flow(frame(&info, 0), field)).unwrap();
    let original = frame(&info, 0);
    let (drawn, original) = (out.map_readable().unwrap(), original.map_readable().unwrap());
    for x in 0..8 {
        assert_eq!(drawn[x * 4..x * 4 + 3], wheel_colour([x as f32 / 8.0, 0.0]), "column {x}");
        assert_eq!(drawn[x * 4 + 3], original[x * 4 + 3]);
    }
}

#[test]
fn properties_change_while_playing() {
    let info = info(VideoFormat::Rgb, 32, 32);
    let (element, mut harness) = overlay(&info);
    let mut drawn = |mode: Mode, alpha: f32| {
        element.set_property("mode", mode);
        element.set_property("alpha", alpha);
        let field = FlowField::from_fn(32, 32, |_, _| [3.0, 1.0]);
        harness.push_and_pull(with_flow(frame(&info, 0), field)).unwrap().map_readable().unwrap().to_vec()
    };
    let original = frame(&info, 0).map_readable().unwrap().to_vec();
    assert_eq!(drawn(Mode::Blend, 0.0), original);
    assert_eq!(drawn(Mode::Blend, 1.0), drawn(Mode::Wheel, 0.5));
    let arrows = drawn(Mode::Arrows, 0.5);
    let changed = arrows.iter().zip(&original).filter(|(a, b)| a != b).count();
    assert!(changed > 0 && changed < original.len() / 2, "{changed} of {}", original.len());
}

#[test]
fn drawing_leaves_other_holders_of_the_buffer_their_picture() {
    let info = info(VideoFormat::I420, 20, 16);
    let (element, mut harness) = overlay(&info);
    element.set_property("mode", Mode::Wheel);
    let kept = with_flow(frame(&info, 0), FlowField::from_fn(20, 16, |_, _| [1.0, 0.0]));
    let out = harness.push_and_pull(kept.clone()).unwrap();
    assert_eq!(*kept.map_readable().unwrap(), *frame(&info, 0).map_readable().unwrap());
    assert_ne!(*out.map_readable().unwrap(), *kept.map_readable().unwrap());
    assert!(FlowMeta::of(&out).is_some(), "the metadata stays for whoever comes next");
}

#[test]
fn a_scaled_frame_is_drawn_on_in_its_own_size() {
    let info = info(VideoFormat::Rgb, 20, 16);
    let (element, mut harness) = overlay(&info);
    element.set_property("mode", Mode::Wheel);
    element.set_property("max-magnitude", 8.0f32);
    let half = FlowField::from_fn(10, 8, |x, _| if x < 5 { [2.0, 0.0] } else { [0.0, 2.0] });
    let out = harness.push_and_pull(with_flow(frame(&info, 0), half)).unwrap();
    let drawn = out.map_readable().unwrap();
    for (x, vector) in [(0, [0.5, 0.0]), (9, [0.5, 0.0]), (10, [0.0, 0.5]), (19, [0.0, 0.5])] {
        assert_eq!(drawn[x * 3..x * 3 + 3], wheel_colour(vector), "column {x}");
    }
}

fn with_label(mut buffer: gst::Buffer) -> gst::Buffer {
    let labels = Labels::new(vec![Label { index: 2, name: "ball".into(), confidence: 0.5 }]);
    LabelsMeta { labels, window: window(0) }.attach(buffer.get_mut().unwrap());
    buffer
}

#[test]
fn labels_are_written_over_picture_and_flow_in_the_size_that_is_set() {
    let info = info(VideoFormat::Rgb, 96, 40);
    let (element, mut harness) = overlay(&info);
    element.set_property("mode", Mode::Wheel);
    element.set_property("max-magnitude", 1.0f32);
    let field = || FlowField::from_fn(96, 40, |_, _| [1.0, 0.0]);
    for (font_size, flow) in [(0, false), (16, false), (16, true)] {
        element.set_property("font-size", font_size as u32);
        let plain = with_label(frame(&info, 0));
        let buffer = if flow { with_flow(plain, field()) } else { plain };
        let out = harness.push_and_pull(buffer).unwrap();
        let ground = frame(&info, 0).map_readable().unwrap().to_vec();
        let ground = if flow { [255, 0, 0].repeat(96 * 40) } else { ground };
        let mut expected = Picture::new(96, 40, ground).unwrap();
        draw_labels(&mut expected, &LabelsMeta::of(&out).unwrap().labels, font_size);
        assert_eq!(*out.map_readable().unwrap(), *expected.rgb(), "size {font_size}, flow {flow}");
    }
}

#[test]
fn labels_stay_on_whatever_becomes_of_the_picture() {
    init();
    for convert in [
        "videoconvert ! capsfilter caps=video/x-raw,format=I420",
        "videoscale ! capsfilter caps=video/x-raw,width=40",
        "videocrop left=2",
    ] {
        let mut harness = Harness::new_parse(convert);
        harness.set_src_caps(info(VideoFormat::Rgb, 20, 16).to_caps().unwrap());
        harness.play();
        let out = harness.push_and_pull(with_label(frame(&info(VideoFormat::Rgb, 20, 16), 0))).unwrap();
        assert_eq!(LabelsMeta::of(&out).unwrap().labels.as_slice()[0].index, 2, "{convert}");
    }
}
