//! Two hours of a live stream through `perceiverpreprocess`, by timestamps alone: sound whose clock is wrong by 50 ppm, dropouts, gaps that
//! are announced and a lost connection. Every frame and every sample tells when it was taken, so each window can be held against the rule.
//! Alone in its program, so that nothing else takes memory meanwhile.

mod small_model;

use std::{ops::Range, thread::JoinHandle};

use gst::{glib, prelude::*};

const HOURS: u64 = 2;

/// Samples a second, of a chunk, and of a window of two pictures.
const RATE: u64 = small_model::RATE as u64;
const CHUNK: u64 = 32;
const WINDOW: usize = 64;

/// Numbers of a window's pictures, 8 × 8 pixels each.
const PICTURES: usize = 2 * 3 * 8 * 8;

/// What is missing, by the numbers of frames and of chunks; of the `ANNOUNCED` a GAP tells. Once both are missing for more than a second, and
/// once for five minutes.
const LOST_FRAMES: [Range<u64>; 4] = [1500..1510, 30_000..30_040, ANNOUNCED_FRAMES, 54_000..58_500];
const ANNOUNCED_FRAMES: Range<u64> = 40_000..40_075;
const LOST_CHUNKS: [Range<u64>; 4] = [2500..2505, ANNOUNCED_CHUNKS, 120_000..120_001, 90_000..97_500];
const ANNOUNCED_CHUNKS: Range<u64> = 50_000..50_250;

/// When frame `number` is taken: 15 a second, from half a second on.
fn frame_time(number: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(500) + gst::ClockTime::from_nseconds(number * 1_000_000_000 / 15)
}

/// When sample `number` is heard: the sound card's clock is slow by 50 ppm, and began after 200 ms.
fn sample_time(number: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(200) + gst::ClockTime::from_nseconds(number * 1_000_050_000 / RATE)
}

/// The same counted in samples of the right clock.
fn place(number: u64) -> f64 {
    number as f64 * (1.0 + 50e-6) + 0.2 * RATE as f64
}

fn is_lost(lost: &[Range<u64>], number: u64) -> bool {
    lost.iter().any(|lost| lost.contains(&number))
}

/// Feeds buffers, and a GAP where an announced loss begins, until the time is over.
fn feed(
    source: gst_app::AppSrc,
    lost: &'static [Range<u64>],
    announced: Range<u64>,
    time: fn(u64) -> gst::ClockTime,
    content: fn(u64) -> Vec<u8>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let whole = gst::ClockTime::from_seconds(HOURS * 3600);
        for number in (0..).take_while(|&number| time(number) < whole) {
            if number == announced.start {
                let duration = time(announced.end) - time(number);
                assert!(source.send_event(gst::event::Gap::builder(time(number)).duration(duration).build()));
            }
            if is_lost(lost, number) {
                continue;
            }
            let mut buffer = gst::Buffer::from_mut_slice(content(number));
            let stamps = buffer.get_mut().unwrap();
            stamps.set_pts(time(number));
            stamps.set_duration(time(number + 1) - time(number));
            // A single chunk is less than what sound is put right for without being told.
            if lost.iter().any(|lost| lost.end == number && lost.end - lost.start == 1) {
                stamps.set_flags(gst::BufferFlags::DISCONT);
            }
            source.push_buffer(buffer).unwrap();
        }
        source.end_of_stream().unwrap();
    })
}

/// A picture of one colour: its number, from 1 on, as 0 is black.
fn picture(number: u64) -> Vec<u8> {
    let [_, _, _, _, _, high, middle, low] = (number + 1).to_be_bytes();
    [high, middle, low].repeat(8 * 8)
}

/// Samples that are their numbers, from 1 on, as 0 is silence.
fn chunk(number: u64) -> Vec<u8> {
    (number * CHUNK..(number + 1) * CHUNK).flat_map(|sample| ((sample + 1) as f32).to_le_bytes()).collect()
}

/// Holds the sound of a window that begins at `start` against the rule; returns how many samples are missing.
fn check_sound(start: gst::ClockTime, samples: &[f32]) -> u64 {
    let first = (start.nseconds() as f64 * RATE as f64 / 1e9).round();
    for (offset, &sample) in samples.iter().enumerate().filter(|(_, sample)| **sample != 0.0) {
        let off = place(sample as u64 - 1) - (first + offset as f64);
        assert!(off.abs() <= 1.0, "sample {offset} of the window at {start} is off by {off}");
    }
    samples.iter().filter(|sample| **sample == 0.0).count() as u64
}

/// The same of its pictures.
fn check_pictures(start: gst::ClockTime, levels: &[f32]) -> u64 {
    let mut missing = 0;
    for (slot, planes) in levels.chunks_exact(PICTURES / 2).enumerate() {
        let time = start + gst::ClockTime::from_mseconds(slot as u64 * 40 + 1);
        let mut newest = ((time - frame_time(0)).nseconds() * 15 / 1_000_000_000) + 1;
        while newest > 0
            && (frame_time(newest) > time
                || frame_time(newest) >= gst::ClockTime::from_seconds(HOURS * 3600)
                || is_lost(&LOST_FRAMES, newest))
        {
            newest -= 1;
        }
        let [high, middle, low] = [0, 1, 2].map(|colour| (planes[colour * 64] * 255.0).round() as u64);
        let shown = high << 16 | middle << 8 | low;
        if shown == 0 {
            let announced = frame_time(ANNOUNCED_FRAMES.start)..=frame_time(ANNOUNCED_FRAMES.end);
            let is_old = time - frame_time(newest) >= gst::ClockTime::SECOND;
            assert!(is_old || announced.contains(&time), "picture {slot} of the window at {start} is black");
            missing += 1;
        } else {
            assert_eq!(shown, newest + 1, "picture {slot} of the window at {start}");
        }
    }
    missing
}

/// Bytes of memory that the process holds, where the system says.
fn held() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn two_hours_of_a_drifting_stream_stay_locked_in_flat_memory() {
    gst::init().unwrap();
    glib::log_set_always_fatal(glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_ERROR);
    gstperceiverflow::plugin_register_static().unwrap();
    let model = small_model::copy();
    let source = "format=time block=true max-buffers=64 max-bytes=0 caps";
    let line = format!(
        "perceiverpreprocess name=windows model={} ! appsink name=out sync=false max-buffers=64 \
         appsrc name=video {source}=video/x-raw,format=RGB,width=8,height=8,framerate=15/1 ! windows.video_sink \
         appsrc name=audio {source}=audio/x-raw,format=F32LE,rate={RATE},channels=1,layout=interleaved ! windows.audio_sink",
        model.path().display()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = |name: &str| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let feeding = [
        feed(source("video"), &LOST_FRAMES, ANNOUNCED_FRAMES, frame_time, picture),
        feed(source("audio"), &LOST_CHUNKS, ANNOUNCED_CHUNKS, |chunk| sample_time(chunk * CHUNK), chunk),
    ];

    let (mut windows, mut breaks, mut silent, mut black) = (0, 0, 0, 0);
    let mut end = None;
    let mut early = None;
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let (start, duration) = (buffer.pts().unwrap(), buffer.duration().unwrap());
        let bytes = buffer.map_readable().unwrap();
        let numbers: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect();
        let (levels, samples) = numbers.split_at(PICTURES);
        assert_eq!(samples.len(), WINDOW);
        silent += check_sound(start, samples);
        black += check_pictures(start, levels);
        breaks += u64::from(end.is_some_and(|end: gst::ClockTime| end.absdiff(start) > gst::ClockTime::from_useconds(1)));
        assert!(end.is_none_or(|end| start + gst::ClockTime::from_useconds(1) > end), "windows overlap at {start}");
        end = Some(start + duration);
        windows += 1;
        if early.is_none() && start > gst::ClockTime::from_seconds(HOURS * 360) {
            early = held();
        }
    }
    let late = held();
    feeding.into_iter().for_each(|feeding| feeding.join().unwrap());
    let errors = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error, gst::MessageType::Warning]);
    assert!(errors.is_none(), "{errors:?}");
    let stats = pipeline.by_name("windows").unwrap().property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null).unwrap();

    let said = format!("{stats}, {silent} samples silent, {black} pictures black, {breaks} breaks, memory {early:?} to {late:?}");
    println!("{said}");
    let stat = |name: &str| stats.get::<u64>(name).unwrap();
    // A window every 80 ms, but for five minutes in which the connection was lost.
    assert!(windows == stat("windows-out") && (90_000 - 3750_u64).abs_diff(windows) <= 30, "{said}");
    // Windows without a picture and without a sample are not made: for a while within the announced gap of the sound, where the picture is
    // older than a second, and while the connection was lost.
    assert_eq!(breaks, 2, "{said}");
    assert_eq!((stat("missing-samples"), stat("missing-pictures")), (silent, black), "{said}");
    // 50 ppm of the sound there was, each slip a sample.
    assert!((255..290).contains(&stat("slips")), "{said}");
    assert_eq!((stat("windows-dropped"), stat("late-frames"), stat("late-samples")), (0, 0, 0), "{said}");
    if let (Some(early), Some(late)) = (early, late) {
        assert!(late <= early + (2 << 20), "{said}");
    }
}
