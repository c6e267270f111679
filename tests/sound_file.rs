//! Sound in files: what goes in comes out at its place, at any rate, alone or beside pictures.
#![cfg(feature = "video-file")]

mod recordings;

use std::{f32::consts::TAU, path::Path, sync::Arc, time::Duration};

use perceiverflow::{
    media::{AudioChunk, Frame, Picture},
    video_file::{Media, MediaReader, Ratio, Sound, SoundWriter, VideoFormat, VideoReader, VideoWriter, show_libav_messages},
};

use recordings::recordings;

const RATE: u32 = 48_000;

/// A tone that rises from 200 to 2000 Hz and repeats nowhere.
fn sweep(samples: usize, rate: u32) -> Vec<f32> {
    let length = samples as f32 / rate as f32;
    let at = |n: usize| n as f32 / rate as f32;
    (0..samples).map(|n| 0.5 * (TAU * (200.0 * at(n) + 900.0 * at(n) * at(n) / length)).sin()).collect()
}

fn write(path: &Path, samples: &[f32], rate: u32, channels: u32) {
    show_libav_messages(false);
    let mut writer = SoundWriter::create(path, rate, channels).unwrap();
    samples.chunks(3000).for_each(|samples| writer.write(samples).unwrap());
    writer.finish().unwrap();
}

fn read(path: &Path, rate: u32) -> (Vec<Frame>, Vec<AudioChunk>) {
    show_libav_messages(false);
    let mut reader = MediaReader::open(path, rate).unwrap();
    let (mut frames, mut chunks) = (Vec::new(), Vec::new());
    while let Some(media) = reader.next_media().unwrap() {
        match media {
            Media::Frame(frame) => frames.push(frame),
            Media::Audio(chunk) => chunks.push(chunk),
        }
    }
    assert_eq!((reader.damaged(), reader.has_sound()), (0, !chunks.is_empty()), "{}", path.display());
    (frames, chunks)
}

/// All samples behind each other, the first at the place its time says. The times of the others are those, but for the rounding to
/// milliseconds in Matroska.
fn lay_out(chunks: &[AudioChunk]) -> Vec<f32> {
    let mut laid = Vec::new();
    for chunk in chunks {
        let place = (chunk.time.as_secs_f64() * f64::from(chunk.rate)).round() as usize;
        if laid.is_empty() {
            laid.resize(place, 0.0);
        }
        assert!(laid.len().abs_diff(place) <= chunk.rate as usize / 900 + 1, "{} samples, then {place}", laid.len());
        laid.extend_from_slice(&chunk.samples);
    }
    laid
}

/// By how many samples `heard` is later than `said`, found by comparing them at every distance.
fn delay(heard: &[f32], said: &[f32]) -> i64 {
    let middle = said.len() / 2..said.len() / 2 + 4000;
    let likeness = |delay: i64| -> f32 {
        middle.clone().map(|n| said[n] * heard.get((n as i64 + delay) as usize).copied().unwrap_or_default()).sum()
    };
    (-1500..1500).max_by(|&a, &b| likeness(a).total_cmp(&likeness(b))).unwrap()
}

#[test]
fn sound_alone_comes_back_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let said = sweep(RATE as usize, RATE);
    for (extension, lossless) in [
        ("wav", true),
        ("m4a", false),
        ("ogg", false),
        ("opus", false),
        ("mp4", false),
        ("mov", false),
        ("mkv", false),
        ("webm", false),
    ] {
        let path = folder.path().join("sound").with_extension(extension);
        write(&path, &said, RATE, 1);
        let (frames, chunks) = read(&path, RATE);
        let heard = lay_out(&chunks);
        assert!(frames.is_empty());
        if lossless {
            assert_eq!(heard, said);
        }
        // Codecs fill their last packet; these containers tell where the sound ends in it.
        if ["m4a", "mp4", "mov"].contains(&extension) {
            assert_eq!(heard.len(), said.len(), "{extension}");
        }
        let late = delay(&heard, &said);
        assert!(late.abs() <= if extension == "mkv" || extension == "webm" { 24 } else { 0 }, "{extension}: {late} samples late");
        assert!((said.len()..said.len() + 1100).contains(&(heard.len() + 24)), "{extension}: {} samples", heard.len());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 8, "only finished files stay");
}

#[test]
fn rates_are_converted_without_a_hole_or_a_delay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    for from in [8000, 22_050, 44_100, 96_000] {
        for to in [RATE, 16_000] {
            write(&path, &sweep(from as usize * 3 / 2, from), from, 1);
            let (_, chunks) = read(&path, to);
            let mut end = 0.0;
            for chunk in &chunks {
                let time = chunk.time.as_secs_f64();
                assert!((time - end).abs() * f64::from(to) < 1.0, "{from} to {to}: {time} after {end}");
                end = time + chunk.samples.len() as f64 / f64::from(to);
            }
            let (heard, said) = (lay_out(&chunks), sweep(to as usize * 3 / 2, to));
            assert!(heard.len().abs_diff(said.len()) <= 1, "{from} to {to}: {} samples", heard.len());
            let middle = said.len() / 8..said.len() * 7 / 8;
            let furthest = middle.map(|n| (heard[n] - said[n]).abs()).fold(0.0, f32::max);
            assert!(furthest < 0.01, "{from} to {to}: off by {furthest}");
        }
    }
}

#[test]
fn channels_count_alike_and_stay_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    for ([left, right], mean) in [([1.0, 1.0], 1.0), ([0.5, -0.5], 0.0), ([0.8, 0.0], 0.4)] {
        write(&path, &[left, right].repeat(4800), RATE, 2);
        let heard = lay_out(&read(&path, RATE).1);
        assert_eq!(heard.len(), 4800);
        assert!(heard.iter().all(|sample| (sample - mean).abs() < 1e-6), "{left} and {right} became {}", heard[0]);
    }
}

/// A second of pictures that begin late, and sound from zero on.
fn write_clip(path: &Path, sound: Sound<'_>) -> Vec<Duration> {
    let format = VideoFormat::new(64, 48, Ratio { numerator: 25, denominator: 1 }).unwrap();
    let mut writer = VideoWriter::create(path, &format, sound).unwrap();
    let times: Vec<Duration> = (3..28).map(|number| Duration::from_millis(number * 40)).collect();
    for &time in &times {
        let picture = Arc::new(Picture::from_fn(64, 48, |x, y| [x as u8, y as u8, time.as_millis() as u8]));
        writer.write(&Frame { picture, time, duration: None }).unwrap();
    }
    if let Sound::Samples { rate, .. } = sound {
        writer.write_sound(&sweep(rate as usize * 28 / 25, rate)).unwrap();
    }
    writer.finish().unwrap();
    times
}

#[test]
fn pictures_that_begin_late_leave_the_sound_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["mp4", "mov", "mkv", "webm"] {
        let path = folder.path().join("clip").with_extension(extension);
        let times = write_clip(&path, Sound::Samples { rate: RATE, channels: 1 });
        let (frames, chunks) = read(&path, RATE);
        assert_eq!(frames.iter().map(|frame| frame.time).collect::<Vec<_>>(), times, "{extension}");
        let late = delay(&lay_out(&chunks), &sweep(RATE as usize * 28 / 25, RATE));
        assert!(late.abs() <= if extension == "mkv" || extension == "webm" { 24 } else { 0 }, "{extension}: {late} samples late");
        let first = chunks.first().unwrap();
        assert!(first.time < Duration::from_millis(1) && !first.samples.is_empty(), "{extension}: {:?}", first.time);
    }
}

#[test]
fn a_file_without_sound_gives_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    let times = write_clip(&path, Sound::None);
    let (frames, chunks) = read(&path, RATE);
    assert_eq!((frames.len(), chunks.len()), (times.len(), 0));
    let reader = MediaReader::open(&path, RATE).unwrap();
    assert_eq!((reader.has_sound(), reader.frames(), reader.video_format().unwrap().width), (false, Some(25), 64));
}

#[test]
fn what_cannot_be_heard_or_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("words.srt"), "1\n00:00:00,000 --> 00:00:01,000\nNothing to see or hear\n\n".repeat(20)).unwrap();
    write(&at("sound.wav"), &sweep(4800, RATE), RATE, 1);
    let errors = [
        (MediaReader::open(at("words.srt"), RATE).err(), "words.srt: the file has neither video nor sound"),
        (VideoReader::open(at("sound.wav")).err(), "sound.wav: the file has no video stream"),
        (MediaReader::open(at("sound.wav"), 0).err(), "sample rate = 0"),
        (SoundWriter::create(at("sound.txt"), RATE, 1).err(), "`txt` names no kind of sound file; accepted are mp4"),
        (SoundWriter::create(at("sound.ogg"), 44_100, 1).err(), "libopus refuses 1 channels at 44100 Hz"),
        (SoundWriter::create(at("nowhere/sound.wav"), RATE, 1).err(), "nowhere/sound.wav"),
    ];
    for (error, expected) in errors {
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{message} should say {expected}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn damaged_sound_is_counted_and_leaves_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.mp4");
    write(&whole, &sweep(RATE as usize * 4, RATE), RATE, 1);
    let mut bytes = std::fs::read(&whole).unwrap();
    let data = bytes.windows(4).position(|window| window == b"mdat").unwrap();
    let middle = data + 20_000;
    bytes[middle..middle + 1500].fill(0xff);
    let damaged = folder.path().join("damaged.mp4");
    std::fs::write(&damaged, &bytes).unwrap();
    let mut reader = MediaReader::open(&damaged, RATE).unwrap();
    let mut chunks = Vec::new();
    while let Some(media) = reader.next_media().unwrap() {
        if let Media::Audio(chunk) = media {
            chunks.push(chunk);
        }
    }
    let heard: usize = chunks.iter().map(|chunk| chunk.samples.len()).sum();
    assert!(reader.damaged() > 0 && heard < RATE as usize * 4, "{heard} samples, {} damaged", reader.damaged());
    let last = chunks.last().unwrap();
    assert!(last.time > Duration::from_millis(3900), "what follows stays at its place: {:?}", last.time);
}

/// Every clip and sound of the folder that the variable names.
#[test]
fn real_sound_has_the_length_its_file_tells() {
    for file in recordings() {
        let name = &file.name;
        let frames = file.stream("video").map_or(0, |video| video["nb_read_frames"].as_str().unwrap().parse().unwrap());
        let (pictures, chunks) = read(&file.path, RATE);
        assert_eq!(pictures.len(), frames, "{name}");
        assert!(pictures.is_sorted_by_key(|frame| frame.time), "{name}");
        let heard: usize = chunks.iter().map(|chunk| chunk.samples.len()).sum();
        let Some(audio) = file.stream("audio") else {
            assert_eq!(heard, 0, "{name}");
            continue;
        };
        let declared: f64 = audio["duration"].as_str().unwrap().parse().unwrap();
        let length = heard as f64 / f64::from(RATE);
        let end = chunks.last().map_or(0.0, |last| last.time.as_secs_f64() + last.samples.len() as f64 / f64::from(RATE));
        assert!(
            (length - declared).abs() < 0.01 && (end - declared).abs() < 0.01,
            "{name}: {length} s to {end} s of {declared} s"
        );
        assert!(chunks.iter().any(|chunk| chunk.samples.iter().any(|sample| sample.abs() > 0.005)), "{name} is silent");
        assert!(chunks.iter().all(|chunk| chunk.samples.iter().all(|sample| sample.abs() <= 1.5)), "{name} is out of range");
    }
}
