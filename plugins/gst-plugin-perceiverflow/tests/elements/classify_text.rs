//! Labels as text beside the stream.

use gst::prelude::*;

use crate::{
    clip::{FRAMES, Fed, chunks, frames},
    stage::PERIOD,
};

fn line(caps: &str, options: &str) -> String {
    format!(
        "VIDEO ! CLASSIFY {options} ! queue ! fakesink sync=false  AUDIO ! queue ! classify.audio_sink \
         classify.text_src ! queue ! {caps} ! appsink name=out sync=false"
    )
}

fn texts(fed: &Fed) -> Vec<(u64, u64, String)> {
    let read = |sample: &gst::Sample| {
        let buffer = sample.buffer().unwrap();
        let text = String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap();
        (buffer.pts().unwrap() / PERIOD, buffer.duration().unwrap() / PERIOD, text)
    };
    fed.pull("out").iter().map(read).collect()
}

fn played(line: &str) -> Fed {
    let fed = Fed::new(line);
    fed.feed("video", frames());
    fed.feed("audio", chunks(32));
    fed
}

#[test]
fn a_text_for_each_window_with_its_time() {
    let fed = played(&line("text/x-raw", "top-k=2"));
    let texts = texts(&fed);
    assert_eq!(texts.iter().map(|(at, long, _)| (*at, *long)).collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 2), (6, 2)]);
    for (_, _, text) in &texts {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("LABEL_") && line.ends_with('%')), "{text}");
    }
}

#[test]
fn overlapping_windows_are_shown_one_after_the_other() {
    let fed = played(&line("text/x-raw", "stride-frames=1"));
    let shown: Vec<_> = texts(&fed).iter().map(|(at, long, _)| (*at, *long)).collect();
    assert_eq!(shown, (0..FRAMES - 1).map(|at| (at, 1)).collect::<Vec<_>>());
}

#[test]
fn json_lines_say_the_window_and_the_model() {
    let fed = played(&line("application/x-json", "top-k=1"));
    for (window, (_, _, text)) in texts(&fed).iter().enumerate() {
        let start = [0.0, 0.08, 0.16, 0.24][window];
        assert!(text.contains(&format!("\"start\":{start:?},")) && text.ends_with("]}\n"), "{text}");
        assert_eq!(text.matches("\"label\":").count(), 1);
    }
}

#[test]
fn windows_without_labels_are_gaps() {
    let fed =
        Fed::new(&line("text/x-raw", "threshold=1.0").replace("appsink name=out sync=false", "fakesink name=out sync=false"));
    let pad = fed.pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    let (told, gaps) = std::sync::mpsc::channel();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
        assert!(info.buffer().is_none(), "no label is so sure");
        if let Some(gst::EventView::Gap(gap)) = info.event().map(|event| event.view()) {
            told.send(gap.get()).unwrap();
        }
        gst::PadProbeReturn::Ok
    });
    fed.feed("video", frames());
    fed.feed("audio", chunks(32));
    let end =
        fed.pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    let mut expected = vec![(gst::ClockTime::ZERO, Some(gst::ClockTime::ZERO))];
    expected.extend((0..4).map(|window| (PERIOD * 2 * window, Some(PERIOD * 2))));
    assert_eq!(gaps.try_iter().collect::<Vec<_>>(), expected, "one for what is not there yet, then one for each window");
}

#[test]
fn web_vtt_has_a_cue_for_each_window() {
    let fed = played(&line("text/x-raw", "top-k=1").replace("! text/x-raw !", "! text/x-raw ! webvttenc !"));
    let written: String = texts_of(&fed).concat();
    assert!(written.starts_with("WEBVTT\n"), "{written}");
    for cue in ["00:00:00.000 --> 00:00:00.080", "00:00:00.240 --> 00:00:00.320"] {
        assert!(written.contains(cue), "{cue} in {written}");
    }
}

fn texts_of(fed: &Fed) -> Vec<String> {
    let text = |sample: &gst::Sample| String::from_utf8(sample.buffer().unwrap().map_readable().unwrap().to_vec()).unwrap();
    fed.pull("out").iter().map(text).collect()
}
