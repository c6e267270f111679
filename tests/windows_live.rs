//! Two hours of a live stream, by a clock that is only a number: sound that drifts, dropouts, gaps and a lost connection. Every frame
//! and every sample tells when it was taken, so each window can be held against the rule.

use std::{sync::Arc, time::Duration};

use perceiverflow::media::{AudioChunk, Clip, ClipOptions, ClipShape, ClipStream, ClipWindow, Frame, Picture};

const SHAPE: ClipShape = ClipShape { frames: 16, samples_per_frame: 1920, sample_rate: 48_000 };
const HOURS: u64 = 2;
const CHUNK: u64 = 960;

/// The number of a sample in what a 32-bit float holds exactly; never 0, which is silence.
const NUMBERS: u64 = (1 << 24) - 1;

/// A live clock tells this long after a moment that everything of it has come.
const DELAY: Duration = Duration::from_millis(500);

/// Frames of 30000/1001 a second, beginning half a second late.
fn frame_time(number: u64) -> Duration {
    Duration::from_millis(500) + Duration::from_nanos(number * 1_001_000_000 / 30)
}

/// The sound card's clock is slow by 50 ppm: sample `number` is heard when the right clock counts this many samples.
fn place(number: u64) -> f64 {
    number as f64 * (1.0 + 50e-6) + 9600.0
}

fn chunk_time(number: u64) -> Duration {
    Duration::from_millis(200) + Duration::from_nanos((u128::from(number) * 1_000_050_000 / 48_000) as u64)
}

fn frame_is_lost(number: u64) -> bool {
    [3000..3020, 60_000..60_100, 108_000..117_000].iter().any(|lost| lost.contains(&number))
}

fn chunk_is_lost(number: u64) -> bool {
    [5000..5010, 100_000..100_500, 200_000..200_001, 180_200..195_200].iter().any(|lost| lost.contains(&number))
}

/// Holds a window against the rule; returns how many of its samples are silence and of its pictures are none.
fn check(clip: &Clip) -> (usize, usize) {
    let start = (clip.time.as_secs_f64() * 48_000.0).round();
    let mut silent = 0;
    for (offset, &sample) in clip.samples.iter().enumerate() {
        if sample == 0.0 {
            silent += 1;
            continue;
        }
        let expected = start + offset as f64;
        let near = ((expected - 9600.0) / (1.0 + 50e-6)) as u64;
        // The number nearest to the expected one that the sample may stand for.
        let behind = (near + NUMBERS / 2 - (sample as u64 - 1)) % NUMBERS;
        let number = near + NUMBERS / 2 - behind;
        let off = place(number) - expected;
        assert!(off.abs() <= 1.0, "sample {offset} of window {} is off by {off}", clip.index);
    }
    let mut none = 0;
    for (slot, picture) in clip.pictures.iter().enumerate() {
        let time = clip.time + SHAPE.time_of(slot as u64 * 1920) + Duration::from_millis(1);
        let mut shown = ((time - Duration::from_millis(500)).as_nanos() * 30 / 1_001_000_000) as u64 + 1;
        while frame_time(shown) > time || frame_is_lost(shown) {
            shown -= 1;
        }
        match picture {
            Some(picture) => {
                let [high, middle, low] = picture.pixel(0, 0).map(u64::from);
                assert_eq!(high << 16 | middle << 8 | low, shown, "picture {slot} of window {}", clip.index);
            }
            None => {
                assert!(time - frame_time(shown) >= Duration::from_secs(1), "picture {slot} of window {}", clip.index);
                none += 1;
            }
        }
    }
    (silent, none)
}

#[test]
fn two_hours_of_a_drifting_stream_stay_locked_in_flat_memory() {
    let mut window = ClipWindow::new(SHAPE, ClipOptions::new(&SHAPE, true, true)).unwrap();
    let (mut frame, mut chunk) = (0, 0);
    let (mut silent, mut none, mut pictures, mut samples) = (0, 0, 0, 0);
    let mut newest_window = Duration::ZERO;
    let whole = Duration::from_secs(HOURS * 3600);
    loop {
        let (frame_at, chunk_at) = (frame_time(frame), chunk_time(chunk * CHUNK));
        let now = frame_at.min(chunk_at);
        if now >= whole {
            break;
        }
        if frame_at <= chunk_at {
            if !frame_is_lost(frame) {
                let picture = Picture::from_fn(1, 1, |_, _| [(frame >> 16) as u8, (frame >> 8) as u8, frame as u8]);
                window.push_frame(Frame { picture: Arc::new(picture), time: frame_at, duration: None }).unwrap();
            }
            frame += 1;
        } else {
            if !chunk_is_lost(chunk) {
                let first = chunk * CHUNK;
                let samples = (first..first + CHUNK).map(|number| (number % NUMBERS + 1) as f32).collect();
                window.push_audio(AudioChunk { samples, rate: 48_000, time: chunk_at }).unwrap();
            } else if chunk == 200_000 {
                window.discontinuity(ClipStream::Audio);
            }
            chunk += 1;
        }
        window.give_up_before(now.saturating_sub(DELAY));
        while let Some(clip) = window.next().unwrap() {
            let (no_sound, no_pictures) = check(&clip);
            assert_eq!(no_sound, clip.missing_samples, "window {}", clip.index);
            (silent, none) = (silent + no_sound as u64, none + no_pictures as u64);
            assert!(clip.time > newest_window || clip.index == 0);
            newest_window = clip.time;
        }
        let held = window.held();
        (pictures, samples) = (held.pictures.max(pictures), held.samples.max(samples));
    }
    let stats = window.stats();
    assert_eq!((stats.missing_samples, stats.missing_pictures), (silent, none));
    // Two hours of windows, but for five minutes in which the connection was lost.
    assert!((11_250 - 480..11_250 - 465).contains(&stats.windows), "{stats:?}");
    // 50 ppm of the sound there was, each slip a sample.
    assert!((16_000..17_500).contains(&stats.slips), "{stats:?}");
    assert_eq!((stats.late_frames, stats.dropped), (0, 0));
    let second = 48_000;
    assert!(pictures <= 16 + 25 && samples <= SHAPE.samples() + second, "{pictures} pictures, {samples} samples");
}
