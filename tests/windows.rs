//! Windows of pictures and sound, each rule with plain numbers: 4 frames of 40 ms, 40 samples each.

use std::{sync::Arc, time::Duration};

use perceiverflow::media::{
    AudioChunk, Clip, ClipOptions, ClipShape, ClipStream, ClipWindow, Frame, MissingAudio, PartialWindow, Picture,
};

const SHAPE: ClipShape = ClipShape { frames: 4, samples_per_frame: 40, sample_rate: 1000 };

fn window(video: bool, audio: bool, change: impl FnOnce(&mut ClipOptions)) -> ClipWindow {
    let mut options = ClipOptions::new(&SHAPE, video, audio);
    change(&mut options);
    ClipWindow::new(SHAPE, options).unwrap()
}

fn both() -> ClipWindow {
    window(true, true, |_| {})
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A frame every 40 ms from `first` on; the picture's red tells its number, from 1.
fn push_frames(window: &mut ClipWindow, first: u64, numbers: std::ops::RangeInclusive<u8>) {
    for number in numbers {
        push_frame(window, first + u64::from(number - 1) * 40, number, 1);
    }
}

fn push_frame(window: &mut ClipWindow, at: u64, number: u8, width: usize) {
    let picture = Arc::new(Picture::from_fn(width, 1, |_, _| [number; 3]));
    window.push_frame(Frame { picture, time: ms(at), duration: Some(ms(40)) }).unwrap();
}

/// Samples that tell their places, in one chunk.
fn push_audio(window: &mut ClipWindow, places: std::ops::Range<u64>) {
    let samples = places.clone().map(|place| place as f32).collect();
    window.push_audio(AudioChunk { samples, rate: 1000, time: ms(places.start) }).unwrap();
}

fn drain(window: &mut ClipWindow) -> Vec<Clip> {
    std::iter::from_fn(|| window.next().unwrap()).collect()
}

fn end(window: &mut ClipWindow) -> Vec<Clip> {
    window.finish(ClipStream::Video);
    window.finish(ClipStream::Audio);
    drain(window)
}

fn starts(clips: &[Clip]) -> Vec<u64> {
    clips.iter().map(|clip| clip.time.as_millis() as u64).collect()
}

/// The numbers of a window's pictures, 0 where there is none.
fn numbers(clip: &Clip) -> Vec<u8> {
    clip.pictures.iter().map(|picture| picture.as_ref().map_or(0, |picture| picture.rgb()[0])).collect()
}

/// The first place of a window's sound and how many follow it without a hole from the window's start.
fn sound(clip: &Clip) -> (u64, usize) {
    let first = clip.samples[0];
    let follows = |&(offset, &sample): &(usize, &f32)| sample == first + offset as f32;
    (first as u64, clip.samples.iter().enumerate().take_while(follows).count())
}

#[test]
fn windows_begin_with_the_first_frame_and_follow_each_other() {
    let mut window = both();
    push_audio(&mut window, 0..500);
    push_frames(&mut window, 100, 1..=9);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), [100, 260]);
    assert_eq!((numbers(&clips[0]), numbers(&clips[1])), (vec![1, 2, 3, 4], vec![5, 6, 7, 8]));
    assert_eq!((sound(&clips[0]), sound(&clips[1])), ((100, 160), (260, 160)));
    assert_eq!((clips[1].index, clips[1].duration, clips[1].missing_samples), (1, ms(160), 0));
    assert_eq!(window.stats().windows, 2);
}

#[test]
fn a_window_waits_for_a_frame_after_its_last_picture_and_for_all_its_sound() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=4);
    push_audio(&mut window, 0..159);
    assert!(drain(&mut window).is_empty());
    assert!(window.wants(ClipStream::Video) && window.wants(ClipStream::Audio));
    push_audio(&mut window, 159..160);
    assert!(drain(&mut window).is_empty() && !window.wants(ClipStream::Audio));
    push_frame(&mut window, 160, 5, 1);
    assert_eq!(starts(&drain(&mut window)), [0]);
    assert!(window.wants(ClipStream::Video) && window.wants(ClipStream::Audio));
}

#[test]
fn strides_overlap_or_leave_media_out() {
    for (stride, expected) in [(1, vec![0, 40, 80, 120, 160, 200]), (4, vec![0, 160]), (5, vec![0, 200]), (7, vec![0])] {
        let mut window = window(true, true, |options| options.stride_frames = stride);
        push_frames(&mut window, 0, 1..=10);
        push_audio(&mut window, 0..360);
        let clips = drain(&mut window);
        assert_eq!(starts(&clips), expected, "stride {stride}");
        for clip in &clips {
            let start = clip.time.as_millis() as u64;
            assert_eq!(sound(clip), (start, 160));
            assert_eq!(u64::from(numbers(clip)[3]), start / 40 + 4);
        }
        let stats = window.stats();
        assert_eq!((stats.dropped, stats.late_samples, stats.missing_samples), (0, 0, 0), "stride {stride}");
    }
}

#[test]
fn uneven_strides_are_exact_after_long_times() {
    // A third of a second has no whole number of nanoseconds; its millionth multiple is right all the same.
    let shape = ClipShape { frames: 1, samples_per_frame: 1, sample_rate: 3 };
    let mut window = ClipWindow::new(shape, ClipOptions::new(&shape, false, true)).unwrap();
    for second in 0..400_000 {
        let time = Duration::from_secs(second);
        window.push_audio(AudioChunk { samples: vec![1.0; 3], rate: 3, time }).unwrap();
        let clips = drain(&mut window);
        assert_eq!(clips[0].time, time);
        assert_eq!(clips[2].time, time + Duration::from_nanos(666_666_666));
    }
}

#[test]
fn sound_alone_begins_with_its_first_sample() {
    let mut window = window(false, true, |_| {});
    push_audio(&mut window, 30..300);
    window.finish(ClipStream::Audio);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), [30, 190]);
    assert_eq!((sound(&clips[0]), sound(&clips[1]), numbers(&clips[1])), ((30, 160), (190, 110), vec![0; 4]));
    assert_eq!((clips[1].missing_samples, clips[1].duration), (50, ms(110)));
}

#[test]
fn missing_audio_is_silence_left_out_or_an_error() {
    for hole in [false, true] {
        for choice in [MissingAudio::Silence, MissingAudio::Drop, MissingAudio::Error] {
            let mut window = window(true, hole, |options| options.missing_audio = choice);
            push_frames(&mut window, 0, 1..=13);
            if hole {
                // More than half of the second window.
                push_audio(&mut window, 0..239);
                push_audio(&mut window, 330..480);
            }
            let mut results: Vec<_> = Vec::new();
            (0..3).for_each(|_| results.push(window.next()));
            let made: Vec<u64> = results.iter().flatten().flatten().map(|clip| clip.time.as_millis() as u64).collect();
            let errors: Vec<String> =
                results.iter().filter_map(|result| result.as_ref().err()).map(ToString::to_string).collect();
            let (expected, dropped, failed) = match (choice, hole) {
                (MissingAudio::Silence, _) => (vec![0, 160, 320], 0, 0),
                (MissingAudio::Drop, true) => (vec![0, 320], 1, 0),
                (MissingAudio::Drop, false) => (vec![], 3, 0),
                (MissingAudio::Error, true) => (vec![0, 320], 0, 1),
                (MissingAudio::Error, false) => (vec![], 0, 3),
            };
            assert_eq!((made, window.stats().dropped, errors.len()), (expected, dropped, failed), "{choice:?}, hole {hole}");
            assert!(
                errors.iter().all(|error| error.contains("of 160 samples at 0.") && error.contains("missing-audio = silence"))
            );
        }
    }
}

#[test]
fn a_small_hole_is_silence_whatever_is_chosen() {
    let mut window = window(true, true, |options| options.missing_audio = MissingAudio::Error);
    push_frames(&mut window, 0, 1..=5);
    push_audio(&mut window, 0..50);
    push_audio(&mut window, 120..160);
    let clip = window.next().unwrap().unwrap();
    assert_eq!((sound(&clip), clip.samples[119], clip.samples[120], clip.missing_samples), ((0, 50), 0.0, 120.0, 70));
    assert_eq!((window.stats().missing_samples, window.stats().resyncs), (70, 1));
}

#[test]
fn without_video_for_a_while_windows_have_no_pictures_and_go_on() {
    let mut window = both();
    push_audio(&mut window, 0..3200);
    push_frame(&mut window, 0, 1, 1);
    push_frames(&mut window, 2240, 1..=5);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), (0..15).map(|k| k * 160).collect::<Vec<_>>());
    // The picture stands for a second.
    assert_eq!((numbers(&clips[5]), numbers(&clips[6]), numbers(&clips[7])), (vec![1; 4], vec![1, 0, 0, 0], vec![0; 4]));
    assert_eq!((numbers(&clips[14]), sound(&clips[7])), (vec![1, 2, 3, 4], (1120, 160)));
    assert_eq!(window.stats().missing_pictures, 3 + 7 * 4);
}

#[test]
fn a_gap_is_known_at_once() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=2);
    push_audio(&mut window, 0..80);
    window.gap(ClipStream::Video, ms(80), ms(160));
    window.gap(ClipStream::Audio, ms(80), ms(120));
    assert!(drain(&mut window).is_empty());
    push_audio(&mut window, 120..160);
    let clip = window.next().unwrap().unwrap();
    assert_eq!((numbers(&clip), clip.missing_samples, clip.samples[120]), (vec![1, 2, 0, 0], 40, 120.0));
}

#[test]
fn media_of_neither_kind_make_no_windows() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=4);
    push_audio(&mut window, 0..160);
    let away = Duration::from_secs(1_000_000);
    window.gap(ClipStream::Video, ms(160), away);
    window.gap(ClipStream::Audio, ms(160), away);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), [0]);
    let stats = window.stats();
    assert_eq!((stats.empty, stats.windows), (1_000_000_000 / 160 - 1, 1));
}

#[test]
fn late_media_are_counted_and_used_as_far_as_they_can() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=5);
    push_audio(&mut window, 0..100);
    window.give_up_before(ms(160));
    let clip = window.next().unwrap().unwrap();
    assert_eq!((sound(&clip), clip.missing_samples), ((0, 100), 60));
    push_audio(&mut window, 100..330);
    push_frame(&mut window, 120, 99, 1);
    assert_eq!((window.stats().late_samples, window.stats().late_frames), (60, 1));
    push_frames(&mut window, 0, 6..=9);
    assert_eq!(drain(&mut window).iter().map(sound).collect::<Vec<_>>(), [(160, 160)]);
}

#[test]
fn a_stream_that_stalls_is_waited_for_as_long_as_the_patience_lasts() {
    let mut window = window(true, true, |options| options.patience = ms(400));
    push_audio(&mut window, 0..160);
    push_frames(&mut window, 0, 1..=14);
    assert_eq!(drain(&mut window).len(), 1);
    push_frames(&mut window, 0, 15..=19);
    let clips = drain(&mut window);
    assert_eq!((starts(&clips), clips[0].missing_samples), (vec![160], 160));
    // Sound that waits for the first frame is kept as long.
    let mut window = self::window(true, true, |options| options.patience = ms(400));
    (0..100).for_each(|chunk| {
        push_audio(&mut window, chunk * 20..chunk * 20 + 20);
        drain(&mut window);
    });
    assert!(window.held().samples <= 420, "{:?}", window.held());
}

#[test]
fn a_discontinuity_of_the_video_closes_the_window() {
    for (partial, expected) in [(PartialWindow::Pad, vec![0, 160, 300]), (PartialWindow::Drop, vec![0, 300])] {
        let mut window = window(true, true, |options| options.partial = partial);
        push_frames(&mut window, 0, 1..=6);
        push_audio(&mut window, 0..600);
        window.discontinuity(ClipStream::Video);
        push_frames(&mut window, 300, 1..=5);
        let clips = drain(&mut window);
        assert_eq!(starts(&clips), expected);
        assert_eq!(sound(clips.last().unwrap()), (300, 160));
        if partial == PartialWindow::Pad {
            assert_eq!((numbers(&clips[1]), sound(&clips[1]), clips[1].duration), (vec![5, 6, 6, 6], (160, 80), ms(80)));
        }
        assert_eq!(window.stats().dropped, u64::from(partial == PartialWindow::Drop));
    }
}

#[test]
fn pictures_of_another_size_and_long_jumps_begin_anew() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=2);
    push_frame(&mut window, 90, 1, 2);
    push_frame(&mut window, 130, 2, 2);
    push_frame(&mut window, 60_000, 3, 2);
    push_audio(&mut window, 0..200);
    push_audio(&mut window, 60_000..60_040);
    let clips = end(&mut window);
    assert_eq!(starts(&clips), [0, 90, 60_000]);
    assert_eq!(clips.iter().map(|clip| clip.duration).collect::<Vec<_>>(), [ms(80), ms(80), ms(40)]);
    assert_eq!(clips.iter().map(sound).collect::<Vec<_>>(), [(0, 80), (90, 80), (60_000, 40)]);
    assert!(clips[1].pictures.iter().flatten().all(|picture| picture.width() == 2));
}

#[test]
fn sound_alone_begins_anew_after_its_discontinuities() {
    let mut window = window(false, true, |_| {});
    push_audio(&mut window, 0..200);
    window.discontinuity(ClipStream::Audio);
    push_audio(&mut window, 300..470);
    push_audio(&mut window, 90_000..90_160);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), [0, 160, 300, 90_000]);
    assert_eq!(clips.iter().map(sound).collect::<Vec<_>>(), [(0, 160), (160, 40), (300, 160), (90_000, 160)]);
}

#[test]
fn frame_rates_may_change() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=4);
    (0..16).for_each(|n| push_frame(&mut window, 160 + n * 10, 10 + n as u8, 1));
    push_frame(&mut window, 320, 50, 1);
    push_frame(&mut window, 480, 60, 1);
    push_audio(&mut window, 0..480);
    let clips = drain(&mut window);
    assert_eq!(clips.iter().map(numbers).collect::<Vec<_>>(), [vec![1, 2, 3, 4], vec![10, 14, 18, 22], vec![50; 4]]);
}

#[test]
fn the_last_window_is_padded_or_left_out_and_made_only_for_something_new() {
    // Frames, samples and stride; starts with padding and without.
    for (frames, samples, stride, padded, dropped) in [
        (6, 240, 4, vec![0, 160], vec![0]),
        (4, 160, 4, vec![0], vec![0]),
        (4, 179, 4, vec![0], vec![0]),
        (4, 180, 4, vec![0, 160], vec![0]),
        (1, 10, 4, vec![0], vec![]),
        (6, 240, 2, vec![0, 80], vec![0, 80]),
        (7, 280, 2, vec![0, 80, 160], vec![0, 80]),
        (5, 200, 6, vec![0], vec![0]),
        (7, 280, 6, vec![0, 240], vec![0]),
    ] {
        for (partial, expected) in [(PartialWindow::Pad, padded), (PartialWindow::Drop, dropped)] {
            let mut window = window(true, true, |options| (options.partial, options.stride_frames) = (partial, stride));
            push_frames(&mut window, 0, 1..=frames);
            push_audio(&mut window, 0..samples);
            assert_eq!(starts(&end(&mut window)), expected, "{frames} frames, {samples} samples, stride {stride}");
            assert_eq!(window.held().samples, 0);
        }
    }
}

#[test]
fn windows_go_on_with_the_stream_that_lasts_longer() {
    let mut window = both();
    push_frames(&mut window, 0, 1..=4);
    window.finish(ClipStream::Video);
    push_audio(&mut window, 0..2000);
    window.finish(ClipStream::Audio);
    let clips = drain(&mut window);
    assert_eq!((clips.len(), numbers(&clips[12]), sound(&clips[12])), (13, vec![0; 4], (1920, 80)));

    let mut window = both();
    push_audio(&mut window, 0..40);
    window.finish(ClipStream::Audio);
    push_frames(&mut window, 0, 1..=9);
    assert_eq!(drain(&mut window).iter().map(|clip| clip.missing_samples).collect::<Vec<_>>(), [120, 160]);
}

#[test]
fn video_without_a_single_frame_leaves_the_sound() {
    let mut window = both();
    push_audio(&mut window, 50..250);
    assert!(drain(&mut window).is_empty());
    window.finish(ClipStream::Video);
    assert_eq!(starts(&drain(&mut window)), [50]);
    assert_eq!(starts(&end(&mut window)), [210]);
    assert!(end(&mut both()).is_empty(), "nothing at all");
}

#[test]
fn streams_join_and_leave() {
    let mut window = window(false, true, |_| {});
    push_audio(&mut window, 0..200);
    assert_eq!(starts(&drain(&mut window)), [0]);
    window.open(ClipStream::Video);
    assert!(window.wants(ClipStream::Video));
    push_frames(&mut window, 220, 1..=5);
    push_audio(&mut window, 200..380);
    let clips = drain(&mut window);
    assert_eq!(starts(&clips), [160, 220]);
    assert_eq!((clips[0].duration, sound(&clips[1]), clips[1].index), (ms(60), (220, 160), 2));
    window.finish(ClipStream::Audio);
    push_frames(&mut window, 220, 6..=9);
    assert_eq!(starts(&drain(&mut window)), [380]);
    window.open(ClipStream::Audio);
    push_audio(&mut window, 560..700);
    push_frames(&mut window, 220, 10..=13);
    let clip = drain(&mut window).remove(0);
    assert_eq!((clip.time, clip.missing_samples, clip.samples[20]), (ms(540), 20, 560.0));
}

#[test]
fn a_reset_forgets_media_and_begins_to_number_anew() {
    let mut window = both();
    push_frames(&mut window, 1000, 1..=7);
    push_audio(&mut window, 1000..1250);
    assert_eq!(drain(&mut window).len(), 1);
    window.reset();
    assert_eq!((window.held().pictures, window.held().samples), (0, 0));
    push_frames(&mut window, 40, 1..=5);
    push_audio(&mut window, 0..200);
    let clip = drain(&mut window).remove(0);
    assert_eq!((clip.index, clip.time, sound(&clip), window.stats().windows), (0, ms(40), (40, 160), 2));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut options = ClipOptions::new(&SHAPE, true, false);
    options.stride_frames = 0;
    assert_eq!(ClipWindow::new(SHAPE, options).unwrap_err().to_string(), "stride-frames = 0: accepted is 1 or more");
    assert!(ClipWindow::new(ClipShape { frames: 0, ..SHAPE }, ClipOptions::new(&SHAPE, true, true)).is_err());
    let mut window = both();
    let message = window.push_audio(AudioChunk { samples: vec![0.0], rate: 44_100, time: ms(0) }).unwrap_err().to_string();
    assert!(message.contains("44100") && message.contains("1000"), "{message}");
    window.finish(ClipStream::Audio);
    let message = window.push_audio(AudioChunk { samples: vec![0.0], rate: 1000, time: ms(0) }).unwrap_err().to_string();
    assert!(message.contains("stream = audio"), "{message}");
}
