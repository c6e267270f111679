//! Streams that are missing, come late, or go.

use gst::prelude::*;
use gst_base::prelude::*;

use crate::stage::{PERIOD, Recorded, Run, audio_source, line, model, numbers, times, video_source};

#[test]
fn video_alone_has_silent_windows_and_audio_alone_black_ones() {
    for (source, sink) in [(video_source(), "video"), (audio_source(), "audio")] {
        let run = Run::new(&format!(
            "perceiverpreprocess name=windows model={} ! appsink name=out sync=false {source} ! windows.{sink}_sink",
            model()
        ));
        let recorded = Recorded::open();
        for number in 0..4 {
            let buffer = if sink == "video" { recorded.frame(number) } else { recorded.sound(number) };
            run.source(sink).push_buffer(buffer).unwrap();
        }
        run.end();
        let windows = run.pull("out");
        assert_eq!(times(&windows), [(0, 80), (80, 80)], "{sink}");
        for window in &windows {
            let numbers = numbers(window);
            let (image, audio) = numbers.split_at(2 * 3 * 8 * 8);
            let is_there = |numbers: &[f32]| numbers.iter().any(|&number| number != 0.0);
            assert_eq!((is_there(image), is_there(audio)), (sink == "video", sink == "audio"));
        }
    }
}

#[test]
fn missing_sound_is_silence_a_dropped_window_or_an_error() {
    for missing in ["silence", "drop", "error"] {
        let run = Run::new(&line(&format!("missing-audio={missing}"), "appsink name=out sync=false"));
        let recorded = Recorded::open();
        run.push(&recorded, 0..2);
        for number in 2..4 {
            run.source("video").push_buffer(recorded.frame(number)).unwrap();
        }
        run.end();
        match missing {
            "silence" => assert_eq!(times(&run.pull("out")), [(0, 80), (80, 80)]),
            "drop" => {
                assert_eq!(times(&run.pull("out")), [(0, 80)]);
                assert_eq!(run.stat("windows", "windows-dropped"), 1);
            }
            _ => assert!(run.error().contains("missing-audio"), "the error names the property"),
        }
    }
}

#[test]
fn windows_left_out_in_the_last_second_are_told_of_at_the_end() {
    let run = Run::new(&format!(
        "perceiverpreprocess name=windows model={} missing-audio=drop ! appsink name=out sync=false {} ! windows.video_sink",
        model(),
        video_source()
    ));
    let warning = || {
        let message =
            run.pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Warning]);
        let message = message.expect("a warning");
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
        warning.debug().unwrap().to_string()
    };
    let (recorded, video) = (Recorded::open(), run.source("video"));
    (0..3).for_each(|number| assert!(video.push_buffer(recorded.frame(number)).is_ok()));
    let first = warning();
    assert!(first.contains("1 windows were left out"), "{first}");
    (3..6).for_each(|number| assert!(video.push_buffer(recorded.frame(number)).is_ok()));
    run.end();
    assert!(run.pull("out").is_empty());
    let last = warning();
    assert!(last.contains("3 windows were left out"), "{last}");
    assert_eq!(run.stat("windows", "windows-dropped"), 3);
}

#[test]
fn a_gap_in_the_sound_advances_time() {
    let run = Run::new(&line("", "appsink name=out sync=false"));
    let recorded = Recorded::open();
    for number in 0..4 {
        run.source("video").push_buffer(recorded.frame(number)).unwrap();
    }
    (0..2).for_each(|number| assert!(run.source("audio").push_buffer(recorded.sound(number)).is_ok()));
    for number in 2..5 {
        let gap = gst::event::Gap::builder(PERIOD * number).duration(PERIOD).build();
        assert!(run.source("audio").send_event(gap), "in its place behind the sound");
    }
    run.source("video").push_buffer(recorded.frame(4)).unwrap();
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    let windows = [(); 2].map(|()| out.pull_sample().unwrap());
    assert_eq!(times(&windows), [(0, 80), (80, 80)], "nobody waited for sound that will not come");
}

#[test]
fn a_pad_that_comes_late_is_heard_from_there_on() {
    let source = video_source();
    let line =
        format!("perceiverpreprocess name=windows model={} ! appsink name=out sync=false {source} ! windows.video_sink", model());
    let (run, recorded) = (Run::new(&line), Recorded::open());
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    for number in 0..3 {
        run.source("video").push_buffer(recorded.frame(number)).unwrap();
    }
    let silent = out.pull_sample().unwrap();
    let audio = gst::parse::bin_from_description(&audio_source(), true).unwrap();
    run.pipeline.add(&audio).unwrap();
    let pad = run.element("windows").request_pad_simple("audio_sink").unwrap();
    audio.static_pad("src").unwrap().link(&pad).unwrap();
    audio.sync_state_with_parent().unwrap();
    run.push(&recorded, 3..6);
    run.end();
    let windows: Vec<_> = [silent].into_iter().chain(run.pull("out")).collect();
    assert_eq!(times(&windows), [(0, 80), (80, 80), (160, 80)]);
    let is_heard = |window: &gst::Sample| numbers(window)[2 * 3 * 8 * 8..].iter().any(|&sample| sample != 0.0);
    assert_eq!(windows.iter().map(is_heard).collect::<Vec<_>>(), [false, true, true]);
}

#[test]
fn a_pad_that_is_removed_is_not_waited_for() {
    let run = Run::new(&line("", "appsink name=out sync=false"));
    let recorded = Recorded::open();
    run.push(&recorded, 0..3);
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    assert_eq!(times(&[out.pull_sample().unwrap()]), [(0, 80)]);
    let (windows, audio) = (run.element("windows"), run.element("audio"));
    let pad = windows.static_pad("audio_sink").unwrap();
    audio.static_pad("src").unwrap().unlink(&pad).unwrap();
    windows.release_request_pad(&pad);
    for number in 3..6 {
        run.source("video").push_buffer(recorded.frame(number)).unwrap();
    }
    run.source("video").end_of_stream().unwrap();
    assert_eq!(times(&run.pull("out")), [(80, 80), (160, 80)]);
}

#[test]
fn video_that_comes_late_ends_the_windows_that_began_with_the_sound() {
    let source = audio_source();
    let line =
        format!("perceiverpreprocess name=windows model={} ! appsink name=out sync=false {source} ! windows.audio_sink", model());
    let (run, recorded) = (Run::new(&line), Recorded::open());
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    for number in 0..3 {
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    let black = out.pull_sample().unwrap();
    let video = gst::parse::bin_from_description(&video_source(), true).unwrap();
    run.pipeline.add(&video).unwrap();
    let pad = run.element("windows").request_pad_simple("video_sink").unwrap();
    video.static_pad("src").unwrap().link(&pad).unwrap();
    video.sync_state_with_parent().unwrap();
    run.source("video").push_buffer(recorded.frame(3)).unwrap();
    let pad = pad.downcast::<gst_base::AggregatorPad>().unwrap();
    while !pad.has_buffer() {
        std::thread::yield_now();
    }
    run.source("audio").push_buffer(recorded.sound(3)).unwrap();
    run.push(&recorded, 4..7);
    run.end();
    let windows: Vec<_> = [black].into_iter().chain(run.pull("out")).collect();
    assert_eq!(times(&windows), [(0, 80), (80, 40), (120, 80), (200, 80)]);
    let is_seen = |window: &gst::Sample| numbers(window)[..2 * 3 * 8 * 8].iter().any(|&level| level != 0.0);
    assert_eq!(windows.iter().map(is_seen).collect::<Vec<_>>(), [false, false, true, true]);
}

#[test]
fn windows_go_on_with_the_sound_when_the_video_is_removed() {
    let run = Run::new(&line("", "appsink name=out sync=false"));
    let recorded = Recorded::open();
    run.push(&recorded, 0..3);
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    assert_eq!(times(&[out.pull_sample().unwrap()]), [(0, 80)]);
    let (windows, video) = (run.element("windows"), run.element("video"));
    let pad = windows.static_pad("video_sink").unwrap();
    video.static_pad("src").unwrap().unlink(&pad).unwrap();
    windows.release_request_pad(&pad);
    for number in 3..6 {
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    run.source("audio").end_of_stream().unwrap();
    let windows = run.pull("out");
    assert_eq!(times(&windows), [(80, 80), (160, 80)]);
    let is_heard = |window: &gst::Sample| numbers(window)[2 * 3 * 8 * 8..].iter().all(|&sample| sample != 0.0);
    assert!(windows.iter().all(is_heard));
}
