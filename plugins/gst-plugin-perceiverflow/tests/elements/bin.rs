//! The bin, as a user writes it.

use gst::prelude::*;
use gstperceiverflow::{Leaky, meta::FlowMeta, perceiverbin::Task};

use crate::stage::{MODEL, init};

/// Runs a pipeline to its end; the buffers that arrive at `name`.
fn run(line: &str, name: &str) -> Vec<gst::Sample> {
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples: Vec<_> = std::iter::from_fn(|| sink.pull_sample().ok()).collect();
    let bus = pipeline.bus().unwrap();
    if let Some(error) = bus.pop_filtered(&[gst::MessageType::Error]) {
        panic!("{error:?}");
    }
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

fn source() -> String {
    init();
    "videotestsrc pattern=ball num-buffers=5 ! video/x-raw,format=I420,width=40,height=30,framerate=25/1".into()
}

#[test]
fn a_plain_link_draws_the_flow() {
    let line = |element: &str| format!("{} ! {element} ! appsink name=out sync=false", source());
    let plain = run(&line("identity"), "out");
    let drawn = run(&line(&format!("perceiverflow task=optical-flow model={MODEL} tile-overlap=2 mode=wheel")), "out");
    assert_eq!((plain.len(), drawn.len()), (5, 5));
    for (number, (plain, drawn)) in plain.iter().zip(&drawn).enumerate() {
        let (plain, drawn) = (plain.buffer().unwrap(), drawn.buffer().unwrap());
        assert_eq!(plain.pts(), drawn.pts());
        let same = *plain.map_readable().unwrap() == *drawn.map_readable().unwrap();
        assert_eq!(same, number == 0, "frame {number}: the first completes no window");
    }
}

#[test]
fn the_raw_field_is_a_pad_of_the_bin() {
    let line = format!(
        "{} ! perceiverflow name=flow model={MODEL} tile-overlap=2 ! queue ! fakesink flow.flow_src ! queue ! other/tensors \
         ! appsink name=out sync=false",
        source()
    );
    let fields = run(&line, "out");
    assert_eq!(fields.len(), 4);
    assert_eq!(fields[0].buffer().unwrap().size(), 40 * 30 * 2 * 4);
}

#[test]
fn the_field_alone_needs_no_video_behind_the_bin() {
    let line = format!(
        "{} ! perceiverflow name=flow model={MODEL} tile-overlap=2 flow.flow_src ! image/x-flo ! appsink name=out sync=false",
        source()
    );
    assert_eq!(run(&line, "out").len(), 4);
}

#[test]
fn a_seek_while_playing_begins_anew_there() {
    let line =
        format!("{} ! perceiverflow model={MODEL} tile-overlap=2 result-policy=aligned ! appsink name=out sync=false", source());
    let line = line.replace("num-buffers=5", "num-buffers=100");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    (0..10).for_each(|_| drop(sink.pull_sample().unwrap()));
    for start in [gst::ClockTime::from_seconds(2), gst::ClockTime::ZERO] {
        pipeline.set_state(gst::State::Paused).unwrap();
        pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, start).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        for number in 0..5 {
            let sample = sink.pull_sample().unwrap();
            let buffer = sample.buffer().unwrap();
            assert_eq!(buffer.pts(), Some(start + gst::ClockTime::from_mseconds(40) * number));
            assert_eq!(FlowMeta::of(buffer).unwrap().window.stream_time, buffer.pts(), "each result on its own frame");
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn properties_reach_the_elements_inside() {
    init();
    let bin = gst::ElementFactory::make("perceiverflow").property("task", Task::OpticalFlow).build().unwrap();
    let inside = |name: &str| bin.downcast_ref::<gst::Bin>().unwrap().by_name(name).unwrap();
    bin.set_property_from_str("model", "some/where");
    bin.set_property_from_str("leaky", "downstream");
    bin.set_property_from_str("mode", "arrows");
    bin.set_property_from_str("arrow-step", "24");
    assert_eq!(inside("flow").property::<String>("model"), "some/where");
    assert_eq!(inside("flow").property::<Leaky>("leaky"), Leaky::Downstream);
    assert_eq!(bin.property::<Leaky>("leaky"), Leaky::Downstream);
    assert_eq!(inside("overlay").property::<u32>("arrow-step"), 24);
    assert_eq!(bin.property::<gst::Structure>("stats").get::<u64>("windows-in").unwrap(), 0);
    assert!(!bin.emit_by_name::<bool>("reload-model", &[]));
    for child in ["flow", "overlay"] {
        for property in
            inside(child).list_properties().iter().filter(|property| !["name", "parent", "qos"].contains(&property.name()))
        {
            assert!(bin.find_property(property.name()).is_some(), "{} of {child} is not forwarded", property.name());
        }
    }
}

#[test]
fn each_pad_is_there_once_and_goes_when_released() {
    init();
    let bin = gst::ElementFactory::make("perceiverflow").build().unwrap();
    for name in ["video_sink", "video_src", "flow_src"] {
        let pad = bin.request_pad_simple(name).unwrap();
        let template = bin.pad_template(name).unwrap();
        assert!(bin.request_pad(&template, None, None).is_none(), "{name}");
        bin.release_request_pad(&pad);
        assert!(bin.static_pad(name).is_none(), "{name}");
        assert!(bin.request_pad_simple(name).is_some(), "{name}");
    }
}

#[test]
fn an_error_inside_stops_the_bin_and_not_the_process() {
    init();
    let bin = gst::ElementFactory::make("perceiverflow").property("model", "/nowhere").build().unwrap();
    assert!(bin.set_state(gst::State::Paused).is_err());
    bin.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_task_has_its_own_elements_and_pads() {
    init();
    let bin = gst::ElementFactory::make("perceiverflow").build().unwrap();
    assert!(bin.request_pad_simple("text_src").is_none(), "optical flow has no labels");
    bin.set_property("task", Task::Classify);
    bin.set_property_from_str("model", "some/where");
    bin.set_property_from_str("top-k", "3");
    bin.set_property_from_str("font-size", "24");
    let inside = |name: &str| bin.downcast_ref::<gst::Bin>().unwrap().by_name(name);
    assert!(inside("flow").is_none());
    assert_eq!(inside("classify").unwrap().property::<String>("model"), "some/where");
    assert_eq!((inside("classify").unwrap().property::<u32>("top-k"), bin.property::<u32>("top-k")), (3, 3));
    assert_eq!(inside("overlay").unwrap().property::<u32>("font-size"), 24);
    for name in ["video_sink", "video_src", "audio_sink", "text_src"] {
        let pad = bin.request_pad_simple(name).unwrap();
        bin.set_property("task", Task::OpticalFlow);
        assert_eq!(bin.property::<Task>("task"), Task::Classify, "it is chosen before the first pad");
        bin.release_request_pad(&pad);
        assert!(bin.static_pad(name).is_none(), "{name}");
    }
    assert!(bin.request_pad_simple("flow_src").is_none());
    bin.set_property("task", Task::OpticalFlow);
    assert!(inside("classify").is_none() && bin.request_pad_simple("flow_src").is_some());
}

#[test]
fn labels_are_written_on_the_picture() {
    let line = format!(
        "{} ! tee name=clip  clip. ! queue ! perceiverflow name=labels task=classify model={} result-policy=aligned top-k=1 \
         ! appsink name=out sync=false  audiotestsrc num-buffers=10 samplesperbuffer=16 ! audio/x-raw,rate=800 ! queue \
         ! labels.audio_sink  labels.text_src ! queue ! text/x-raw ! fakesink  clip. ! queue ! fakesink",
        source(),
        crate::clip::model()
    );
    let plain = run(&format!("{} ! appsink name=out sync=false", source()), "out");
    let drawn = run(&line, "out");
    assert_eq!((plain.len(), drawn.len()), (5, 5));
    for (plain, drawn) in plain.iter().zip(&drawn) {
        assert_ne!(*plain.buffer().unwrap().map_readable().unwrap(), *drawn.buffer().unwrap().map_readable().unwrap());
    }
}

#[test]
fn what_the_model_remembers_comes_out_of_each_pad() {
    let line = |pad: &str| {
        format!(
            "{} ! queue ! memory.video_sink  audiotestsrc num-buffers=10 samplesperbuffer=16 ! audio/x-raw,rate=800 ! queue \
             ! memory.audio_sink  perceiverflow name=memory task=autoencode model={} \
             memory.video_src ! queue ! appsink name=video_src sync=false  memory.audio_src ! queue ! appsink name=audio_src sync=false \
             memory.text_src ! queue ! text/x-raw ! appsink name=text_src sync=false",
            source(),
            crate::clip::model()
        )
        .replace(&format!("appsink name={pad}"), "appsink name=out")
        .replace("appsink name=video_src", "fakesink")
        .replace("appsink name=audio_src", "fakesink")
        .replace("appsink name=text_src", "fakesink")
    };
    let pictures = run(&line("video_src"), "out");
    assert!((5..=6).contains(&pictures.len()) && pictures[0].buffer().unwrap().size() == 8 * 8 * 3, "{}", pictures.len());
    let samples: usize = run(&line("audio_src"), "out").iter().map(|sample| sample.buffer().unwrap().size() / 4).sum();
    assert!((160..=192).contains(&samples), "{samples}");
    assert_eq!(run(&line("text_src"), "out").len(), 3);
}

#[test]
fn heads_come_and_go_with_their_pads() {
    init();
    let bin = gst::ElementFactory::make("perceiverflow").property("task", Task::Autoencode).build().unwrap();
    bin.set_property_from_str("query-stride", "2");
    for (name, head) in [("video_src", "video_head"), ("audio_src", "audio_head"), ("text_src", "text_head")] {
        let inside = |name: &str| bin.downcast_ref::<gst::Bin>().unwrap().by_name(name);
        assert!(inside(head).is_none());
        for _ in 0..2 {
            let pad = bin.request_pad_simple(name).unwrap();
            assert_eq!(inside(head).unwrap().property::<u32>("query-stride"), 2);
            bin.release_request_pad(&pad);
            assert!(inside(head).is_none() && bin.downcast_ref::<gst::Bin>().unwrap().children().len() == 3, "{name}");
        }
    }
    for name in ["video_sink", "audio_sink"] {
        let pad = bin.request_pad_simple(name).unwrap();
        bin.release_request_pad(&pad);
        assert!(bin.static_pad(name).is_none());
    }
    assert!(bin.request_pad_simple("flow_src").is_none());
}

#[test]
fn heads_come_and_go_while_the_bin_plays() {
    let line = format!(
        "{} ! queue ! memory.video_sink  perceiverflow name=memory task=autoencode model={} \
         memory.video_src ! queue max-size-buffers=2 ! appsink name=video sync=false max-buffers=2",
        source().replace("num-buffers=5", ""),
        crate::clip::model()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let bin = pipeline.by_name("memory").unwrap();
    let sink = |name: &str| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut last = sink("video").pull_sample().unwrap().buffer().unwrap().pts().unwrap();
    for head in ["text_src", "audio_src", "text_src"] {
        let taken =
            gst::parse::bin_from_description("queue ! appsink name=head sync=false async=false max-buffers=2 drop=true", true);
        let taken = taken.unwrap();
        pipeline.add(&taken).unwrap();
        taken.sync_state_with_parent().unwrap();
        let pad = bin.request_pad_simple(head).unwrap();
        pad.link(&taken.static_pad("sink").unwrap()).unwrap();
        let mut heard = false;
        for _ in 0..20 {
            let pts = sink("video").pull_sample().unwrap().buffer().unwrap().pts().unwrap();
            assert!(pts > last, "no picture is lost or comes again: {pts} behind {last}");
            last = pts;
            heard |= sink("head").try_pull_sample(gst::ClockTime::from_mseconds(500)).is_some();
        }
        assert!(heard, "{head} says nothing");
        bin.release_request_pad(&pad);
        taken.set_state(gst::State::Null).unwrap();
        pipeline.remove(&taken).unwrap();
    }
    (0..4).for_each(|_| drop(sink("video").pull_sample().unwrap()));
    let trouble = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error, gst::MessageType::Warning]);
    assert!(trouble.is_none(), "{trouble:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn gaps_of_subtitles_are_filled() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/masked_lm");
    init();
    let bin = gst::ElementFactory::make("perceiverflow").property("task", Task::FillMask).build().unwrap();
    bin.set_property_from_str("model", model);
    assert!(["video_sink", "audio_sink", "flow_src"].iter().all(|pad| bin.request_pad_simple(pad).is_none()));
    let mut harness = gst_check::Harness::with_element(&bin, Some("text_sink"), Some("text_src"));
    harness.set_src_caps_str("text/x-raw,format=utf8");
    harness.play();
    let mut cue = gst::Buffer::from_slice("g[MASK]p");
    cue.get_mut().unwrap().set_pts(gst::ClockTime::from_seconds(1));
    let filled = harness.push_and_pull(cue).unwrap();
    let text = String::from_utf8(filled.map_readable().unwrap().to_vec()).unwrap();
    assert!(text.starts_with('g') && text.ends_with('p') && !text.contains("MASK"), "{text}");
    assert_eq!(filled.pts(), Some(gst::ClockTime::from_seconds(1)));
}
