//! Frames come out as they went in.

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::stage::{Stage, element, frame, info};

#[test]
fn bytes_and_stamps_pass_unchanged_in_every_format_and_odd_size() {
    for format in [
        VideoFormat::Rgb,
        VideoFormat::Bgr,
        VideoFormat::Rgbx,
        VideoFormat::Bgrx,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Gray8,
    ] {
        for (width, height) in [(19, 13), (7, 5), (1, 1)] {
            let info = info(format, width, height);
            let mut stage = Stage::new(&element(), &info);
            (0..3).for_each(|number| stage.push(number));
            let out = stage.pull();
            assert_eq!(out.len(), 3, "{format} {width}x{height}");
            for (number, buffer) in out.iter().enumerate() {
                let pushed = frame(&info, number as u64);
                assert_eq!(*buffer.map_readable().unwrap(), *pushed.map_readable().unwrap(), "{format} {width}x{height}");
                assert_eq!((buffer.pts(), buffer.duration()), (pushed.pts(), pushed.duration()));
            }
        }
    }
}

#[test]
fn caps_and_segment_pass_unchanged() {
    let info = info(VideoFormat::I420, 20, 16);
    let mut stage = Stage::new(&element(), &info);
    stage.push(0);
    let pad = stage.harness.sinkpad().unwrap();
    assert_eq!(pad.current_caps(), Some(info.to_caps().unwrap()));
    assert!(pad.sticky_event::<gst::event::Segment>(0).is_some());
}

#[test]
fn other_formats_are_refused_at_negotiation() {
    let element = element();
    let pad = element.static_pad("sink").unwrap();
    let refused = gst_video::VideoInfo::builder(VideoFormat::I42010le, 16, 16).build().unwrap().to_caps().unwrap();
    assert!(!pad.query_accept_caps(&refused));
    assert!(pad.query_accept_caps(&info(VideoFormat::Nv12, 16, 16).to_caps().unwrap()));
}

#[test]
fn upstream_learns_what_downstream_takes() {
    let info = info(VideoFormat::I420, 20, 16);
    let stage = Stage::prepared(&element(), &info, |harness| {
        harness.add_propose_allocation_meta(gst_video::VideoMeta::meta_api(), None);
    });
    let mut query = gst::query::Allocation::new(Some(&info.to_caps().unwrap()), true);
    assert!(stage.element.static_pad("sink").unwrap().query(&mut query));
    assert!(query.find_allocation_meta::<gst_video::VideoMeta>().is_some());
}
