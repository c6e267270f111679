//! Results sit on the right frames, say the right things, and are those of the library.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use gstperceiverflow::{ResultPolicy, meta::FlowMeta, opticalflow::Scale};
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Picture,
    tasks::{OpticalFlow, Tiling},
};

use crate::stage::{MODEL, PERIOD, Stage, element, frame, info, stamped, window};

#[test]
fn persist_puts_the_newest_window_on_the_frame_that_completes_it() {
    let mut stage = Stage::new(&element(), &info(VideoFormat::Rgb, 20, 16));
    (0..4).for_each(|number| stage.push(number));
    assert_eq!(stage.carried(), [(0, None), (1, Some(0)), (2, Some(1)), (3, Some(2))]);
}

#[test]
fn aligned_puts_each_window_on_its_first_frame_and_the_last_frames_repeat_it() {
    for distance in [1, 2] {
        let element = element();
        element.set_property("result-policy", ResultPolicy::Aligned);
        element.set_property("frame-distance", distance as u32);
        let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
        (0..6).for_each(|number| stage.push(number));
        stage.eos();
        let last = 5 - distance;
        let expected: Vec<_> = (0..6).map(|number| (number, Some(number.min(last)))).collect();
        assert_eq!(stage.carried(), expected, "distance {distance}");
    }
}

#[test]
fn frames_between_intervals_carry_the_window_before_them() {
    let element = element();
    element.set_property("result-policy", ResultPolicy::Aligned);
    element.set_property("inference-interval", 2u32);
    let mut stage = Stage::new(&element, &info(VideoFormat::Rgb, 20, 16));
    (0..5).for_each(|number| stage.push(number));
    stage.eos();
    assert_eq!(stage.carried(), [(0, Some(0)), (1, Some(0)), (2, Some(1)), (3, Some(1)), (4, Some(1))]);
    assert_eq!((stage.stat("windows-in"), stage.stat("windows-out"), stage.stat("windows-dropped")), (2, 2, 0));
}

#[test]
fn times_are_those_of_the_window_in_stream_and_running_time() {
    let info = info(VideoFormat::Rgb, 20, 16);
    let mut stage = Stage::new(&element(), &info);
    let ms = gst::ClockTime::from_mseconds;
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(ms(1000));
    segment.set_time(ms(5000));
    segment.set_base(ms(200));
    assert!(stage.harness.push_event(gst::event::Segment::new(&segment)));
    for pts in [1007, 1050, 1200] {
        let mut buffer = frame(&info, 0);
        buffer.get_mut().unwrap().set_pts(ms(pts));
        stage.harness.push(buffer).unwrap();
    }
    let out = stage.pull();
    let times: Vec<_> = out
        .iter()
        .filter_map(|buffer| FlowMeta::of(buffer))
        .map(|meta| (meta.window.stream_time.unwrap(), meta.window.running_time.unwrap(), meta.window.duration))
        .collect();
    assert_eq!(times, [(ms(5007), ms(207), ms(43)), (ms(5050), ms(250), ms(150))]);
}

#[test]
fn frames_without_timestamps_follow_one_another() {
    let info = info(VideoFormat::Rgb, 20, 16);
    let mut stage = Stage::new(&element(), &info);
    for _ in 0..2 {
        let mut buffer = frame(&info, 0);
        buffer.get_mut().unwrap().set_pts(None);
        stage.harness.push(buffer).unwrap();
    }
    let out = stage.pull();
    let meta = FlowMeta::of(&out[1]).unwrap();
    assert_eq!((meta.window.stream_time, meta.window.duration), (Some(gst::ClockTime::ZERO), PERIOD));
    assert_eq!(out[1].pts(), None);
}

#[test]
fn the_field_is_what_the_library_computes() {
    let task = OpticalFlow::open(MODEL, DeviceChoice::Cpu, Precision::Auto).unwrap();
    let info = info(VideoFormat::Rgb, 24, 18);
    for (scale, tiling) in [(Scale::Native, Tiling::Native { overlap: 2 }), (Scale::Fit, Tiling::Fit)] {
        let element = element();
        element.set_property("scale", scale);
        let mut stage = Stage::new(&element, &info);
        (0..2).for_each(|number| stage.push(number));
        let out = stage.pull();
        let meta = FlowMeta::of(&out[1]).unwrap();
        let pictures = [0, 1].map(|number| Picture::new(24, 18, frame(&info, number).map_readable().unwrap().to_vec()).unwrap());
        let expected = task.estimate(&[(&pictures[0], &pictures[1])], tiling).unwrap().remove(0);
        assert_eq!(*meta.field, expected, "{scale:?}");
        assert_eq!(&*meta.window.model_hash, task.hash());
    }
}

#[test]
fn padded_rows_give_the_same_field_as_packed_ones() {
    for format in [VideoFormat::Rgb, VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Gray8] {
        let info = info(format, 19, 13);
        let field = |pad: i32| {
            let mut stage = Stage::new(&element(), &info);
            for number in 0..2 {
                let buffer = with_stride(&info, &frame(&info, number), pad);
                stage.harness.push(stamped(buffer, number)).unwrap();
            }
            FlowMeta::of(&stage.pull()[1]).unwrap().field
        };
        assert_eq!(field(0), field(24), "{format}");
    }
}

/// The same frame with `pad` bytes more in each row.
fn with_stride(info: &VideoInfo, packed: &gst::BufferRef, pad: i32) -> gst::Buffer {
    let planes = info.n_planes() as usize;
    let rows: Vec<usize> =
        (0..planes).map(|plane| if plane == 0 { info.height() } else { info.height().div_ceil(2) } as usize).collect();
    let strides: Vec<i32> = info.stride()[..planes].iter().map(|stride| stride + pad).collect();
    let bytes = packed.map_readable().unwrap();
    let (mut padded, mut offsets) = (Vec::new(), Vec::new());
    for plane in 0..planes {
        offsets.push(padded.len());
        let stride = info.stride()[plane] as usize;
        for row in 0..rows[plane] {
            padded.extend_from_slice(&bytes[info.offset()[plane] + row * stride..][..stride]);
            padded.extend(std::iter::repeat_n(0xee, pad as usize));
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(padded);
    let flags = gst_video::VideoFrameFlags::empty();
    let meta = buffer.get_mut().unwrap();
    gst_video::VideoMeta::add_full(meta, flags, info.format(), info.width(), info.height(), &offsets, &strides).unwrap();
    buffer
}

#[test]
fn each_window_is_an_element_message_unless_switched_off() {
    let mut stage = Stage::new(&element(), &info(VideoFormat::Rgb, 20, 16));
    (0..3).for_each(|number| stage.push(number));
    stage.element.set_property("post-messages", false);
    stage.push(3);
    let field = FlowMeta::of(&stage.pull()[2]).unwrap().field;
    let messages = stage.messages(gst::MessageType::Element);
    assert_eq!(messages.len(), 2);
    let result = messages[1].structure().unwrap();
    assert_eq!(result.name(), "perceiver-result");
    assert_eq!(result.get::<u64>("window-id").unwrap(), 1);
    for (name, time) in [("stream-time", PERIOD), ("running-time", PERIOD), ("duration", PERIOD)] {
        assert_eq!(result.get::<gst::ClockTime>(name).unwrap(), time, "{name}");
    }
    assert_eq!(result.get::<f64>("mean-magnitude").unwrap(), f64::from(field.mean_magnitude()));
    assert_eq!(result.get::<f64>("max-magnitude").unwrap(), f64::from(field.max_magnitude()));
    assert_eq!(result.get::<&str>("model-hash").unwrap().len(), 64);
}

#[test]
fn conversion_and_scaling_keep_the_metadata_and_cropping_drops_it() {
    crate::stage::init();
    let carried = |convert: &str| {
        let mut harness = gst_check::Harness::new_parse(convert);
        harness.set_src_caps(info(VideoFormat::Rgb, 20, 16).to_caps().unwrap());
        harness.play();
        let mut buffer = frame(&info(VideoFormat::Rgb, 20, 16), 0);
        let meta =
            FlowMeta { field: perceiverflow::media::FlowField::from_fn(20, 16, |_, _| [1.0, 0.0]).into(), window: window(7) };
        meta.attach(buffer.get_mut().unwrap());
        let out = harness.push_and_pull(buffer).unwrap();
        FlowMeta::of(&out).map(|meta| meta.window.id)
    };
    assert_eq!(carried("videoconvert ! capsfilter caps=video/x-raw,format=I420"), Some(7));
    assert_eq!(carried("videoscale ! capsfilter caps=video/x-raw,width=40"), Some(7));
    assert_eq!(carried("tee ! queue"), Some(7));
    assert_eq!(carried("videocrop left=2"), None);
}
