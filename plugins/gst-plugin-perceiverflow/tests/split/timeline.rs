//! Ends, breaks, flushes, overlaps: nothing hangs, nothing mixes.

use gst::prelude::*;
use gst_check::Harness;
use gstperceiverflow::meta::WindowMeta;

use crate::stage::{PERIOD, Recorded, Run, SAMPLES, copied_model, line, model, numbers, path, times};

/// Windows out of `perceiverpreprocess` alone.
fn windows(properties: &str) -> Run {
    Run::new(&line(properties, "appsink name=out sync=false"))
}

#[test]
fn the_end_pads_or_drops_the_last_window() {
    for (partial, expected) in [("pad", vec![(0, 80), (80, 40)]), ("drop", vec![(0, 80)])] {
        let run = windows(&format!("partial-window={partial}"));
        run.push(&Recorded::open(), 0..3);
        run.end();
        assert_eq!(times(&run.pull("out")), expected, "{partial}");
        assert_eq!(run.stat("windows", "windows-dropped"), u64::from(partial == "drop"));
    }
}

#[test]
fn no_window_spans_a_discontinuity() {
    let (run, recorded) = (windows(""), Recorded::open());
    run.push(&recorded, 0..3);
    for number in 10..12 {
        let mut frame = recorded.frame(number);
        if number == 10 {
            frame.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        }
        run.source("video").push_buffer(frame).unwrap();
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    run.end();
    assert_eq!(times(&run.pull("out")), [(0, 80), (80, 40), (400, 80)]);
}

#[test]
fn sound_behind_a_discontinuity_is_placed_by_its_time_and_windows_go_on() {
    /// A quarter of the sound of a frame, which is less than a clock that drifts is put right for.
    const MISSING: usize = SAMPLES / 4;
    let heard = |is_discont: bool| {
        let (run, recorded) = (windows(""), Recorded::open());
        for number in 0..6 {
            run.source("video").push_buffer(recorded.frame(number)).unwrap();
            let mut sound = recorded.sound(number);
            let buffer = sound.get_mut().unwrap();
            if number >= 3 {
                buffer.set_pts(PERIOD * number + PERIOD / 4);
            }
            if number == 3 && is_discont {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
            run.source("audio").push_buffer(sound).unwrap();
        }
        run.end();
        let windows = run.pull("out");
        assert_eq!(times(&windows), [(0, 80), (80, 80), (160, 80)], "the pictures go on");
        windows.iter().flat_map(|window| numbers(window).split_off(2 * 3 * 8 * 8)).collect::<Vec<f32>>()
    };
    let (followed, placed) = (heard(false), heard(true));
    let before = 3 * SAMPLES;
    assert_eq!(followed[..before], placed[..before]);
    assert!(placed[before..before + MISSING].iter().all(|&sample| sample == 0.0), "silence where samples are missing");
    assert_eq!(placed[before + MISSING..], followed[before..followed.len() - MISSING]);
}

#[test]
fn frames_of_another_size_begin_new_windows() {
    let (run, recorded) = (windows(""), Recorded::open());
    run.push(&recorded, 0..3);
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "GRAY8")
        .field("width", 12)
        .field("height", 9)
        .field("framerate", gst::Fraction::new(25, 1))
        .build();
    let video = run.source("video");
    for number in 3..5 {
        let frame = crate::stage::stamped(vec![99; 12 * 9], PERIOD * number, PERIOD);
        video.push_sample(&gst::Sample::builder().buffer(&frame).caps(&caps).build()).unwrap();
        run.source("audio").push_buffer(recorded.sound(number)).unwrap();
    }
    run.end();
    assert_eq!(times(&run.pull("out")), [(0, 80), (80, 40), (120, 80)]);
}

#[test]
fn overlapping_windows_come_out_as_one_stream() {
    let rest = format!(
        "perceiverencode model={0} ! tee name=latents latents. ! queue ! perceiverdecode model={0} ! video/x-raw ! appsink name=out-video \
         sync=false latents. ! queue ! perceiverdecode model={0} ! audio/x-raw ! appsink name=out-audio sync=false",
        model()
    );
    let run = Run::new(&line("stride-frames=1 partial-window=drop", &rest));
    run.push(&Recorded::open(), 0..6);
    run.end();
    let frames: Vec<(u64, u64)> = (0..6).map(|frame| (frame * 40, 40)).collect();
    assert_eq!(times(&run.pull("out-video")), frames);
    let sound = times(&run.pull("out-audio"));
    assert_eq!(sound.iter().map(|(_, duration)| duration).sum::<u64>(), 240);
    assert!(sound.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{sound:?}");
}

#[test]
fn where_windows_overlap_the_earlier_goes_as_the_later_comes() {
    /// Windows of two frames, one for each frame but the last.
    const WINDOWS: usize = 5;
    let branch = |head: &str, caps: &str, name: &str| {
        format!("latents. ! queue ! perceiverdecode model={} head={head} ! {caps} ! appsink name={name} sync=false", model())
    };
    let branches = [
        branch("video", "other/tensors", "pictures"),
        branch("video", "video/x-raw", "video-out"),
        branch("audio", "other/tensors", "samples"),
        branch("audio", "audio/x-raw", "audio-out"),
    ];
    let rest = format!("perceiverencode model={} ! tee name=latents {}", model(), branches.join(" "));
    let run = Run::new(&line("stride-frames=1 partial-window=drop", &rest));
    run.push(&Recorded::open(), 0..WINDOWS as u64 + 1);
    run.end();
    // What each window has to say, and what became of that.
    let [pictures, samples] = ["pictures", "samples"].map(|name| run.pull(name).iter().map(numbers).collect::<Vec<_>>());
    assert_eq!((pictures.len(), samples.len()), (WINDOWS, WINDOWS));
    let faded = |windows: &[Vec<f32>], unit: usize| -> Vec<f32> {
        let half = windows[0].len() / 2;
        let steps = (half / unit + 1) as f32;
        let pairs = windows.windows(2).flat_map(|pair| {
            let (earlier, later) = (&pair[0][half..], &pair[1][..half]);
            (0..half).map(move |at| {
                let weight = (at / unit + 1) as f32 / steps;
                earlier[at] * (1.0 - weight) + later[at] * weight
            })
        });
        windows[0][..half].iter().copied().chain(pairs).chain(windows[WINDOWS - 1][half..].iter().copied()).collect()
    };
    let sound: Vec<f32> = run.pull("audio-out").iter().flat_map(numbers).collect();
    crate::stage::assert_close(&sound, &faded(&samples, 1), "sound");
    assert_ne!(samples[0][SAMPLES..], samples[1][..SAMPLES], "windows say different things of what they share");
    let bytes: Vec<u8> =
        run.pull("video-out").iter().flat_map(|frame| frame.buffer().unwrap().map_readable().unwrap().to_vec()).collect();
    let levels = faded(&pictures, 8 * 8 * 3);
    assert_eq!(bytes.len(), levels.len());
    let furthest = bytes.iter().zip(levels).map(|(&byte, level)| (f32::from(byte) - (level * 255.0).clamp(0.0, 255.0)).abs());
    assert!(furthest.fold(0.0, f32::max) <= 0.51);
}

/// Windows of the recorded stream as they leave `perceiverpreprocess`.
fn recorded_windows() -> Vec<gst::Sample> {
    let run = windows("");
    run.push_all(&Recorded::open());
    run.pull("out")
}

/// `perceiverencode` on a harness that plays, with the caps of these windows. Its model makes a batch of 64 windows wait a minute, so
/// that a test can act meanwhile.
fn slow_encoder(windows: &[gst::Sample]) -> (Harness, gst::Element, tempfile::TempDir) {
    let folder = copied_model(|config| config);
    let element = gst::ElementFactory::make("perceiverencode")
        .property("model", path(folder.path()))
        .property("batch-size", 64u32)
        .property("batch-timeout", 10_000_000_000u64)
        .build()
        .unwrap();
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(windows[0].caps().unwrap().to_owned());
    harness.play();
    (harness, element, folder)
}

#[test]
fn a_flush_wakes_an_encoder_that_waits_and_forgets_its_window() {
    let windows = recorded_windows();
    let (mut harness, element, _folder) = slow_encoder(&windows);
    let sink = element.static_pad("sink").unwrap();
    let window = windows[0].buffer_owned().unwrap();
    let pushing = std::thread::spawn(move || sink.chain(window));
    let stat = |name: &str| element.property::<gst::Structure>("stats").get::<u64>(name).unwrap();
    while stat("windows-in") == 0 {
        std::thread::yield_now();
    }
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.try_pull().is_none());
    assert_eq!(stat("windows-out"), 0);
}

#[test]
fn stopping_wakes_it_too() {
    let windows = recorded_windows();
    let (_harness, element, _folder) = slow_encoder(&windows);
    let sink = element.static_pad("sink").unwrap();
    let window = windows[0].buffer_owned().unwrap();
    let pushing = std::thread::spawn(move || sink.chain(window));
    while element.property::<gst::Structure>("stats").get::<u64>("windows-in").unwrap() == 0 {
        std::thread::yield_now();
    }
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
}

#[test]
fn after_a_flush_windows_have_nothing_of_before() {
    crate::stage::init();
    let element = gst::ElementFactory::make("perceiverpreprocess").property("model", model()).build().unwrap();
    let mut harness = Harness::with_element(&element, Some("video_sink"), Some("src"));
    harness.set_src_caps_str("video/x-raw,format=RGB,width=8,height=8,framerate=25/1,pixel-aspect-ratio=1/1");
    harness.play();
    let recorded = Recorded::open();
    for number in 0..4 {
        harness.push(recorded.frame(number)).unwrap();
    }
    assert_eq!(harness.pull().unwrap().pts(), Some(gst::ClockTime::ZERO));
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(PERIOD * 10);
    segment.set_time(PERIOD * 10);
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    for number in 10..13 {
        harness.push(recorded.frame(number)).unwrap();
    }
    let window = harness.pull().unwrap();
    let meta = WindowMeta::of(&window).unwrap().window;
    assert_eq!((window.pts(), window.duration()), (Some(gst::ClockTime::ZERO), Some(PERIOD * 2)), "running time begins anew");
    assert_eq!((meta.id, meta.stream_time), (1, Some(PERIOD * 10)), "nothing was made of the third frame");
}

#[test]
fn a_reloaded_encoder_goes_on_and_its_decoders_follow() {
    let folder = copied_model(|config| config);
    let model = path(folder.path()).to_owned();
    let run = Run::new(&line(
        "",
        &format!(
            "perceiverencode name=encode model={model} ! perceiverdecode name=decode model={model} ! text/x-raw ! appsink name=out \
             sync=false"
        ),
    ));
    let recorded = Recorded::open();
    run.push(&recorded, 0..3);
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    let before = out.pull_sample().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap().replace("LABEL_", "NAME_")).unwrap();
    assert!(run.element("encode").emit_by_name::<bool>("reload-model", &[]));
    run.push(&recorded, 3..6);
    run.end();
    let after = run.pull("out");
    assert!(crate::stage::text(&before).starts_with("LABEL_"));
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|sample| crate::stage::text(sample).starts_with("NAME_")));
}
