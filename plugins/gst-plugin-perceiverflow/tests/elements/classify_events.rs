//! Flush, stop, end of stream, discontinuities, new caps, and an audio pad that comes and goes: nothing hangs, nothing mixes.

use std::thread::JoinHandle;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use gstperceiverflow::{Leaky, ResultPolicy, meta::LabelsMeta};

use crate::{
    clip::{CLASSES, RATE, SAMPLES, chunks, model},
    stage::{PERIOD, frame, info, init, number},
};

/// The element with video on a harness, and with sound if a test gives some.
struct Stage {
    harness: Harness,
    element: gst::Element,
    info: VideoInfo,
}

/// A source of sound, linked to the element.
struct Sound {
    pad: gst::Pad,
    sink: gst::Pad,
}

impl Stage {
    fn new(policy: ResultPolicy) -> Self {
        Self::prepared(policy, |_| ())
    }

    fn prepared(policy: ResultPolicy, prepare: impl FnOnce(&gst::Element)) -> Self {
        init();
        let element = gst::ElementFactory::make("perceiverclassify")
            .property("model", model())
            .property("device", "cpu")
            .property("top-k", CLASSES as u32)
            .property("result-policy", policy)
            .build()
            .unwrap();
        // A harness starts its element at once.
        prepare(&element);
        let info = info(VideoFormat::Rgb, 16, 12);
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        // A harness is live unless it is told otherwise, and then neither stream waits for the other.
        harness.set_live(false);
        harness.set_src_caps(info.to_caps().unwrap());
        harness.play();
        Self { harness, element, info }
    }

    fn push(&mut self, number: u64) {
        self.harness.push(frame(&self.info, number)).unwrap();
    }

    /// Pushes a frame from a thread of its own, which may wait.
    fn pushing(&self, number: u64) -> JoinHandle<Result<gst::FlowSuccess, gst::FlowError>> {
        let (sink, buffer) = (self.element.static_pad("sink").unwrap(), frame(&self.info, number));
        std::thread::spawn(move || sink.chain(buffer))
    }

    /// What came out: the frame's number, and the window that it carries.
    fn carried(&mut self) -> Vec<(u64, Option<u64>)> {
        let out = std::iter::from_fn(|| self.harness.try_pull());
        out.map(|buffer| (number(&buffer), LabelsMeta::of(&buffer).map(|meta| meta.window.id))).collect()
    }

    fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }

    fn eos(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    /// Ends the video from a thread of its own, which may wait; says whether the end was passed on.
    fn ending(&self) -> JoinHandle<bool> {
        let sink = self.element.static_pad("sink").unwrap();
        std::thread::spawn(move || sink.send_event(gst::event::Eos::new()))
    }

    fn flush(&mut self) {
        assert!(self.harness.push_event(gst::event::FlushStart::new()));
        assert!(self.harness.push_event(gst::event::FlushStop::new(true)));
        self.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
}

impl Sound {
    fn join(element: &gst::Element) -> Self {
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        pad.set_active(true).unwrap();
        let sink = element.request_pad_simple("audio_sink").unwrap();
        pad.link(&sink).unwrap();
        Self { pad, sink }
    }

    fn begin(self) -> Self {
        assert!(self.pad.push_event(gst::event::StreamStart::new("sound")));
        let caps = format!("audio/x-raw,format=F32LE,layout=interleaved,channels=1,rate={RATE}");
        assert!(self.pad.push_event(gst::event::Caps::new(&caps.parse().unwrap())));
        assert!(self.pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
        self
    }

    /// Pushes the sound of some frames from a thread of its own, which may wait; says what came of the last.
    fn pushing(&self, frames: std::ops::Range<usize>) -> JoinHandle<Result<gst::FlowSuccess, gst::FlowError>> {
        let pad = self.pad.clone();
        std::thread::spawn(move || {
            chunks(SAMPLES)[frames].iter().try_fold(gst::FlowSuccess::Ok, |_, chunk| pad.push(chunk.clone()))
        })
    }
}

fn stop(element: &gst::Element) {
    element.set_state(gst::State::Null).unwrap();
}

/// Video that waits for sound, and what makes it go on.
fn video_waits(end: impl FnOnce(&mut Stage, &Sound)) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut sound = None;
    let mut stage = Stage::prepared(ResultPolicy::Persist, |element| sound = Some(Sound::join(element)));
    let sound = sound.unwrap().begin();
    (0..2).for_each(|number| stage.push(number));
    let pushing = stage.pushing(2);
    end(&mut stage, &sound);
    pushing.join().unwrap()
}

#[test]
fn a_flush_or_stop_wakes_video_that_waits_for_sound() {
    let flushed = video_waits(|stage, _| assert!(stage.harness.push_event(gst::event::FlushStart::new())));
    assert_eq!(flushed, Err(gst::FlowError::Flushing));
    let stopped = video_waits(|stage, _| stop(&stage.element));
    assert_eq!(stopped, Err(gst::FlowError::Flushing));
}

#[test]
fn video_does_not_wait_for_sound_that_has_ended_or_gone() {
    let ended = video_waits(|_, sound| assert!(sound.pad.push_event(gst::event::Eos::new())));
    assert_eq!(ended, Ok(gst::FlowSuccess::Ok));
    let unlinked = video_waits(|_, sound| sound.pad.unlink(&sound.sink).unwrap());
    assert_eq!(unlinked, Ok(gst::FlowSuccess::Ok));
    let released = video_waits(|stage, sound| stage.element.release_request_pad(&sound.sink));
    assert_eq!(released, Ok(gst::FlowSuccess::Ok));
    let gap = gst::event::Gap::builder(gst::ClockTime::ZERO).duration(PERIOD * 4).build();
    assert_eq!(video_waits(|_, sound| assert!(sound.pad.push_event(gap))), Ok(gst::FlowSuccess::Ok));
}

/// Sound that waits for video, and what makes it go on.
fn sound_waits(end: impl FnOnce(&mut Stage, &Sound)) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut stage = Stage::new(ResultPolicy::Persist);
    let sound = Sound::join(&stage.element).begin();
    let pushing = sound.pushing(0..5);
    end(&mut stage, &sound);
    pushing.join().unwrap()
}

#[test]
fn a_flush_stop_or_release_wakes_sound_that_waits_for_video() {
    let flushed = sound_waits(|_, sound| assert!(sound.pad.push_event(gst::event::FlushStart::new())));
    assert_eq!(flushed, Err(gst::FlowError::Flushing));
    let stopped = sound_waits(|stage, _| stop(&stage.element));
    assert_eq!(stopped, Err(gst::FlowError::Flushing));
    assert!(sound_waits(|stage, sound| stage.element.release_request_pad(&sound.sink)).is_err());
}

#[test]
fn sound_goes_on_when_the_video_has_come_or_ended() {
    let come = sound_waits(|stage, _| (0..6).for_each(|number| stage.push(number)));
    assert_eq!(come, Ok(gst::FlowSuccess::Ok));
}

#[test]
fn sound_goes_on_when_the_video_has_ended_and_so_do_windows() {
    let stage = Stage::new(ResultPolicy::Persist);
    let sound = Sound::join(&stage.element).begin();
    let pushing = sound.pushing(0..5);
    let ending = stage.ending();
    assert_eq!(pushing.join().unwrap(), Ok(gst::FlowSuccess::Ok));
    assert!(sound.pad.push_event(gst::event::Eos::new()));
    assert!(ending.join().unwrap());
    assert_eq!((stage.stat("windows-out"), stage.stat("missing-samples")), (3, SAMPLES as u64), "the last is half empty");
}

/// An end of the video that waits for the sound's, and what makes it go on.
fn end_waits(end: impl FnOnce(&mut Stage, &Sound)) -> (Stage, bool) {
    let mut stage = Stage::new(ResultPolicy::Persist);
    let sound = Sound::join(&stage.element).begin();
    let pushing = sound.pushing(0..1);
    (0..2).for_each(|number| stage.push(number));
    assert_eq!(pushing.join().unwrap(), Ok(gst::FlowSuccess::Ok));
    let ending = stage.ending();
    end(&mut stage, &sound);
    let ended = ending.join().unwrap();
    (stage, ended)
}

#[test]
fn the_end_waits_for_the_sound_until_that_ends_or_goes_or_a_flush_or_stop() {
    let (stage, ended) = end_waits(|_, sound| {
        assert!(sound.pushing(1..6).join().unwrap().is_ok(), "nothing holds it back");
        assert!(sound.pad.push_event(gst::event::Eos::new()));
    });
    assert_eq!((ended, stage.stat("windows-out"), stage.stat("missing-pictures")), (true, 3, 0), "a picture stays for a second");
    let (stage, ended) = end_waits(|_, sound| sound.pad.unlink(&sound.sink).unwrap());
    assert_eq!((ended, stage.stat("windows-out")), (true, 1));
    assert!(end_waits(|stage, sound| stage.element.release_request_pad(&sound.sink)).1);
    assert!(!end_waits(|stage, _| assert!(stage.harness.push_event(gst::event::FlushStart::new()))).1);
    assert!(!end_waits(|stage, _| stop(&stage.element)).1);
}

#[test]
fn a_flush_drops_the_frames_that_are_held_and_numbers_go_on() {
    let mut stage = Stage::new(ResultPolicy::Aligned);
    (0..3).for_each(|number| stage.push(number));
    assert!(stage.carried().len() <= 2, "one is held");
    stage.flush();
    (20..24).for_each(|number| stage.push(number));
    stage.eos();
    assert_eq!(stage.carried(), [(20, Some(1)), (21, Some(1)), (22, Some(2)), (23, Some(2))]);
}

#[test]
fn no_window_spans_a_discontinuity_and_nothing_is_carried_over_it() {
    for policy in [ResultPolicy::Persist, ResultPolicy::Aligned] {
        let mut stage = Stage::new(policy);
        for number in 0..8 {
            let mut buffer = frame(&stage.info, number);
            if number == 3 {
                buffer.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
            }
            stage.harness.push(buffer).unwrap();
        }
        stage.eos();
        // Windows: 0 and 1; 2 alone, padded; 3 and 4; 5 and 6; 7 alone, padded.
        let expected = match policy {
            ResultPolicy::Persist => [None, None, Some(0), None, None, Some(2), Some(2), Some(3)],
            ResultPolicy::Aligned => [Some(0), Some(0), Some(1), Some(2), Some(2), Some(3), Some(3), Some(4)],
        };
        assert_eq!(stage.carried().into_iter().map(|(_, window)| window).collect::<Vec<_>>(), expected, "{policy:?}");
    }
}

#[test]
fn another_size_while_running() {
    for policy in [ResultPolicy::Persist, ResultPolicy::Aligned] {
        let mut stage = Stage::new(policy);
        (0..3).for_each(|number| stage.push(number));
        let next = info(VideoFormat::I420, 33, 27);
        stage.harness.set_src_caps(next.to_caps().unwrap());
        stage.info = next.clone();
        (3..6).for_each(|number| stage.push(number));
        stage.eos();
        let carried = stage.carried();
        assert_eq!(carried.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5], "{policy:?}");
        assert_eq!((stage.stat("windows-in"), stage.stat("windows-out")), (4, 4), "{policy:?}: {carried:?}");
        assert_eq!(stage.harness.sinkpad().unwrap().current_caps(), Some(next.to_caps().unwrap()));
    }
}

#[test]
fn a_gap_is_a_window_without_pictures_and_keeps_its_place() {
    let mut stage = Stage::new(ResultPolicy::Aligned);
    (0..2).for_each(|number| stage.push(number));
    assert!(stage.harness.push_event(gst::event::Gap::builder(PERIOD * 2).duration(PERIOD * 2).build()));
    (4..6).for_each(|number| stage.push(number));
    stage.eos();
    let carried = stage.carried();
    assert_eq!(carried.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 4, 5]);
    assert!(carried.iter().all(|(_, window)| window.is_some()), "{carried:?}");
    let gaps = std::iter::from_fn(|| stage.harness.try_pull_event()).filter(|event| event.type_() == gst::EventType::Gap);
    assert_eq!(gaps.count(), 1);
}

#[test]
fn a_timeline_that_begins_again_is_followed() {
    let mut stage = Stage::new(ResultPolicy::Aligned);
    (10..14).for_each(|number| stage.push(number));
    stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    (0..4).for_each(|number| stage.push(number));
    stage.eos();
    let carried = stage.carried();
    assert_eq!(carried.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [10, 11, 12, 13, 0, 1, 2, 3]);
    assert_eq!((stage.stat("windows-out"), stage.stat("late-frames")), (4, 0));
}

#[test]
fn sound_that_joins_late_is_heard_from_there_on() {
    let mut stage = Stage::new(ResultPolicy::Aligned);
    (0..4).for_each(|number| stage.push(number));
    let sound = Sound::join(&stage.element).begin();
    let pushing = sound.pushing(4..8);
    (4..8).for_each(|number| stage.push(number));
    let ending = stage.ending();
    assert_eq!(pushing.join().unwrap(), Ok(gst::FlowSuccess::Ok));
    assert!(sound.pad.push_event(gst::event::Eos::new()));
    assert!(ending.join().unwrap());
    assert_eq!(stage.carried().len(), 8);
    assert_eq!(stage.stat("missing-samples"), 4 * SAMPLES as u64, "the first two windows had none");
}

#[test]
fn a_restarted_element_begins_anew() {
    let mut stage = Stage::new(ResultPolicy::Aligned);
    for _ in 0..2 {
        (0..4).for_each(|number| stage.push(number));
        stage.eos();
        assert_eq!(stage.carried(), [(0, Some(0)), (1, Some(0)), (2, Some(1)), (3, Some(1))]);
        stage.element.set_state(gst::State::Null).unwrap();
        let element = stage.element.clone();
        drop(stage);
        let info = info(VideoFormat::Rgb, 16, 12);
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(info.to_caps().unwrap());
        harness.play();
        stage = Stage { harness, element, info };
    }
}

#[test]
fn a_reloaded_model_goes_on_where_the_one_before_was_and_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(format!("{}/{file}", model()), folder.path().join(file)).unwrap();
    }
    let rewrite = |from: &str, to: &str| {
        let path = folder.path().join("config.json");
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace(from, to)).unwrap();
    };
    let bus = gst::Bus::new();
    let mut stage = Stage::prepared(ResultPolicy::Persist, |element| {
        element.set_property("model", folder.path().to_str().unwrap());
        element.set_bus(Some(&bus));
        assert!(!element.emit_by_name::<bool>("reload-model", &[]), "nothing is loaded yet");
    });
    (0..3).for_each(|number| stage.push(number));
    rewrite("LABEL_", "NAME_");
    assert!(stage.element.emit_by_name::<bool>("reload-model", &[]));
    (3..5).for_each(|number| stage.push(number));
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_none());
    rewrite("\"sample_rate\": 800", "\"sample_rate\": 1600");
    assert!(!stage.element.emit_by_name::<bool>("reload-model", &[]), "its windows are others");
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_some());
    (5..7).for_each(|number| stage.push(number));
    let out = std::iter::from_fn(|| stage.harness.try_pull());
    let named = |buffer: gst::Buffer| LabelsMeta::of(&buffer).map(|meta| meta.labels.as_slice()[0].name.starts_with("NAME_"));
    assert_eq!(out.map(named).collect::<Vec<_>>(), [None, None, Some(false), Some(false), Some(true), Some(true), Some(true)]);
}

#[test]
fn delays_are_what_the_policy_says() {
    let latency = |policy| {
        let stage = Stage::new(policy);
        stage.element.set_property("processing-latency", gst::ClockTime::from_mseconds(30).nseconds());
        let mut query = gst::query::Latency::new();
        assert!(stage.element.static_pad("src").unwrap().query(&mut query));
        query.result().1
    };
    assert_eq!(latency(ResultPolicy::Persist), gst::ClockTime::from_mseconds(30));
    // A window of two frames, the frame behind it, and two windows that may wait.
    assert_eq!(latency(ResultPolicy::Aligned), PERIOD * (2 + 1 + 4));
}

#[test]
fn a_leaky_aligned_element_never_holds_more_than_it_says() {
    for (leaky, model) in [(Leaky::Upstream, format!("{}/././.", model())), (Leaky::Downstream, format!("{}/./././.", model()))] {
        let mut stage = Stage::prepared(ResultPolicy::Aligned, |element| {
            // A worker of its own, whose batch waits for longer than the test takes, as if its model were slow.
            element.set_property("model", model);
            element.set_property("batch-size", 64u32);
            element.set_property("batch-timeout", gst::ClockTime::from_seconds(2).nseconds());
            element.set_property("max-size-buffers", 2u32);
            element.set_property("leaky", leaky);
        });
        for pushed in 1..=40 {
            stage.push(pushed - 1);
            // A window of two frames, the frame behind it, and two windows that may wait, as the latency says.
            assert!(stage.harness.buffers_received() as u64 + 2 + 1 + 4 >= pushed, "{leaky:?}: frame {pushed}");
        }
        assert!(stage.stat("windows-dropped") >= 10, "{leaky:?}: the model kept up");
    }
}

#[test]
fn every_frame_passes_and_every_dropped_window_is_counted_and_warned_of() {
    for leaky in [Leaky::Upstream, Leaky::Downstream] {
        let bus = gst::Bus::new();
        let mut stage = Stage::prepared(ResultPolicy::Persist, |element| {
            // A worker of its own that waits for more windows than may wait for it, as if its model were slow.
            element.set_property("model", format!("{}/{}", model(), if leaky == Leaky::Upstream { "." } else { "./." }));
            element.set_property("batch-size", 8u32);
            element.set_property("batch-timeout", gst::ClockTime::from_seconds(2).nseconds());
            element.set_property("max-size-buffers", 1u32);
            element.set_property("leaky", leaky);
            element.set_bus(Some(&bus));
        });
        (0..12).for_each(|number| stage.push(number));
        stage.eos();
        assert_eq!(stage.carried().len(), 12);
        let dropped = stage.stat("windows-dropped");
        assert_eq!((stage.stat("windows-in"), stage.stat("windows-out")), (6, 6 - dropped), "{leaky:?}");
        assert!(dropped >= 3, "{leaky:?}: {dropped}");
        let warnings = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]));
        let told: u64 = warnings
            .map(|message| match message.view() {
                gst::MessageView::Warning(warning) => warning.details().unwrap().get::<u64>("leaked").unwrap(),
                _ => unreachable!("only warnings are asked for"),
            })
            .sum();
        assert_eq!(told, dropped, "{leaky:?}");
    }
}

#[test]
fn windows_too_late_for_downstream_are_left_out_and_their_frames_pass() {
    for qos in [true, false] {
        let mut stage = Stage::prepared(ResultPolicy::Aligned, |element| element.set_property("qos", qos));
        (0..3).for_each(|number| stage.push(number));
        let jitter = (PERIOD * 2).nseconds() as i64;
        let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, jitter).timestamp(gst::ClockTime::ZERO).build();
        // Nobody upstream of the harness takes it further.
        stage.harness.push_upstream_event(late);
        (3..8).for_each(|number| stage.push(number));
        stage.eos();
        // Late by one window at window 0: recovered at window 2.
        assert_eq!((stage.stat("windows-in"), stage.stat("windows-dropped")), (4, u64::from(qos)));
        let carried: Vec<_> = stage.carried().into_iter().map(|(_, window)| window).collect();
        let second = if qos { 0 } else { 1 };
        assert_eq!(carried, [0, 0, second, second, 2, 2, 3, 3].map(Some));
    }
}
