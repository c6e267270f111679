//! Video files: what goes in comes out, frame for frame and tick for tick, and what is broken is named.
#![cfg(feature = "video-file")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use perceiverflow::{
    media::{Frame, Picture},
    video_file::{Ratio, Sound, VideoFormat, VideoReader, VideoWriter, show_libav_messages},
};

const RATE: Ratio = Ratio { numerator: 16_000, denominator: 1 };

/// Moments of uneven distance, in ticks of 1/16000 s, beginning late, as telephones record.
const UNEVEN: [u64; 12] = [2048, 2592, 3664, 4208, 4400, 6384, 6912, 7456, 8528, 9072, 12_000, 12_544];

fn picture(width: usize, height: usize, number: usize) -> Arc<Picture> {
    Arc::new(Picture::from_fn(width, height, |x, y| {
        let bar = (x + 5 * number) / 8 % 2 * 120;
        [60 + bar as u8, (y * 200 / height) as u8, (x * 200 / width) as u8]
    }))
}

fn uneven_format(width: usize, height: usize) -> VideoFormat {
    VideoFormat {
        pixel_aspect: Ratio { numerator: 12, denominator: 11 },
        frame_rate: Ratio { numerator: 14, denominator: 1 },
        ..VideoFormat::new(width, height, RATE).unwrap()
    }
}

/// A clip of 12 uneven frames with sound.
fn write_uneven(path: &Path, width: usize, height: usize) {
    show_libav_messages(false);
    let format = uneven_format(width, height);
    let mut writer = VideoWriter::create(path, &format, Sound::Samples { rate: 48_000, channels: 1 }).unwrap();
    for (number, &ticks) in UNEVEN.iter().enumerate() {
        let time = format.time_base.time(ticks);
        writer.write(&Frame { picture: picture(width, height, number), time, duration: None }).unwrap();
    }
    let sound: Vec<f32> = (0..38_400).map(|n| (n as f32 * 0.05).sin() * 0.5).collect();
    writer.write_sound(&sound).unwrap();
    writer.finish().unwrap();
}

fn read(path: &Path) -> (VideoFormat, Vec<Frame>) {
    show_libav_messages(false);
    let mut reader = VideoReader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push(frame);
    }
    assert_eq!(reader.damaged(), 0, "{}", path.display());
    (reader.format(), frames)
}

/// Through reader and writer with the sound copied; the times that were read.
fn copy(from: &Path, to: &Path) -> Vec<Duration> {
    show_libav_messages(false);
    let mut reader = VideoReader::open(from).unwrap();
    let mut writer = VideoWriter::create(to, &reader.format(), Sound::Copied(from)).unwrap();
    let mut times = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        writer.write(&frame).unwrap();
        times.push(frame.time);
    }
    writer.finish().unwrap();
    times
}

fn times(frames: &[Frame]) -> Vec<Duration> {
    frames.iter().map(|frame| frame.time).collect()
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn uneven_times_survive_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["mp4", "mov", "mkv", "webm"] {
        let first = folder.path().join(format!("first.{extension}"));
        let second = folder.path().join(format!("second.{extension}"));
        write_uneven(&first, 64, 48);
        let (format, frames) = read(&first);
        let exact = |ticks: u64| format.time_base.ticks(uneven_format(64, 48).time_base.time(ticks));
        let expected: Vec<Duration> = UNEVEN.iter().map(|&ticks| format.time_base.time(exact(ticks))).collect();
        assert_eq!(times(&frames), expected, "{extension}");
        // WebM tells the shape of pixels by the whole columns they fill.
        assert!((format.pixel_aspect.value() - 12.0 / 11.0).abs() < 0.01, "{extension}: {}", format.pixel_aspect);
        assert_eq!(copy(&first, &second), expected, "{extension}");
        assert_eq!(times(&read(&second).1), expected, "{extension}");
    }
    assert_eq!(entries(folder.path()), 8, "only finished files stay");
}

#[test]
fn quicktime_files_keep_the_clock_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    write_uneven(&path, 64, 48);
    let (format, frames) = read(&path);
    let ticks: Vec<u64> = frames.iter().map(|frame| format.time_base.ticks(frame.time)).collect();
    assert_eq!((format.time_base, ticks.as_slice()), (uneven_format(64, 48).time_base, UNEVEN.as_slice()));
}

#[test]
fn odd_sides_grow_by_a_repeated_row_and_column_in_h264_and_stay_in_vp9() {
    let folder = tempfile::tempdir().unwrap();
    for (extension, size) in [("mp4", (66, 48)), ("webm", (65, 47))] {
        let path = folder.path().join(format!("odd.{extension}"));
        write_uneven(&path, 65, 47);
        let (format, frames) = read(&path);
        assert_eq!(((format.width, format.height), frames.len()), (size, UNEVEN.len()), "{extension}");
        let [edge, inside] = [(65, 20), (64, 20)].map(|(x, y)| frames[3].picture.pixel(x.min(size.0 - 1), y));
        assert!(edge.iter().zip(inside).all(|(a, b)| a.abs_diff(b) < 24), "{edge:?} {inside:?}");
    }
}

#[test]
fn colours_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 120, 40]];
    // Both sides of the border between the matrices of standard and of high definition.
    for height in [96, 592] {
        let path = folder.path().join(format!("colours{height}.mkv"));
        let format = VideoFormat::new(192, height, Ratio { numerator: 25, denominator: 1 }).unwrap();
        let stripes = Arc::new(Picture::from_fn(192, height, |x, _| colours[x / 32]));
        let mut writer = VideoWriter::create(&path, &format, Sound::None).unwrap();
        writer.write(&Frame { picture: stripes, time: Duration::ZERO, duration: None }).unwrap();
        writer.finish().unwrap();
        let frame = read(&path).1.remove(0);
        for (stripe, colour) in colours.iter().enumerate() {
            let seen = frame.picture.pixel(stripe * 32 + 16, height / 2);
            assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) <= 6), "{height}: {seen:?} for {colour:?}");
        }
    }
}

/// Small pictures too, whatever the memory that the encoder gets was used for before.
#[test]
fn the_same_pictures_give_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    let (ended, mut different) = (AtomicBool::new(false), Vec::new());
    let soil = || {
        for round in (0_usize..).take_while(|_| !ended.load(Ordering::Relaxed)) {
            let used: Vec<Vec<u8>> =
                (0..200).map(|n| (0..(round * 7919 + n * 977) % 60_000).map(|byte| (byte * n) as u8).collect()).collect();
            drop(used);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(soil);
        }
        for side in [8, 16, 48] {
            let format = VideoFormat::new(side, side, Ratio { numerator: 25, denominator: 1 }).unwrap();
            let files: BTreeSet<Vec<u8>> = (0..200)
                .map(|_| {
                    let mut writer = VideoWriter::create(&path, &format, Sound::None).unwrap();
                    for number in 0..14 {
                        let time = Duration::from_millis(40 * number as u64);
                        writer.write(&Frame { picture: picture(side, side, number), time, duration: None }).unwrap();
                    }
                    writer.finish().unwrap();
                    std::fs::read(&path).unwrap()
                })
                .collect();
            different.push((side, files.len()));
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(different, [(8, 1), (16, 1), (48, 1)], "sides and the number of different files");
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let format = uneven_format(64, 48);
    let mut writer = VideoWriter::create(folder.path().join("clip.mp4"), &format, Sound::None).unwrap();
    writer.write(&Frame { picture: picture(64, 48, 0), time: Duration::ZERO, duration: None }).unwrap();
    let other = writer.write(&Frame { picture: picture(32, 48, 0), time: Duration::from_secs(1), duration: None });
    assert!(other.unwrap_err().to_string().contains("48 rows and 64 columns"));
    drop(writer);
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = at("whole.mp4");
    write_uneven(&whole, 64, 48);
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(at("empty.mp4"), []).unwrap();
    std::fs::write(at("cut.mp4"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(at("text.mp4"), "This is no video.\n".repeat(100)).unwrap();
    std::fs::write(at("picture.txt"), picture(64, 48, 0).to_png()).unwrap();
    std::fs::create_dir(at("folder.mp4")).unwrap();
    for (name, reason) in [
        ("missing.mp4", "No such file"),
        ("empty.mp4", "empty"),
        ("cut.mp4", "not a video file"),
        ("text.mp4", "not a video file"),
        ("folder.mp4", "is a folder"),
    ] {
        let message = VideoReader::open(at(name)).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(reason), "{message}");
    }
    let single = read(&at("picture.txt")).1;
    assert_eq!(single.len(), 1, "content decides, not the name");
}

#[test]
fn a_file_that_ends_early_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.mkv");
    let format = VideoFormat::new(160, 120, Ratio { numerator: 10, denominator: 1 }).unwrap();
    let mut writer = VideoWriter::create(&whole, &format, Sound::None).unwrap();
    for number in 0..40 {
        let time = Duration::from_millis(number as u64 * 100);
        writer.write(&Frame { picture: picture(160, 120, number), time, duration: None }).unwrap();
    }
    writer.finish().unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.mkv");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut reader = VideoReader::open(&cut).unwrap();
    let error = loop {
        match reader.next_frame() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("taken for whole"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("cut.mkv"), "{error}");
}

#[test]
fn damage_in_the_middle_is_counted_and_passed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.mp4");
    write_uneven(&whole, 64, 48);
    let mut bytes = std::fs::read(&whole).unwrap();
    let data = bytes.windows(4).position(|window| window == b"mdat").unwrap();
    let index = bytes.windows(4).rposition(|window| window == b"moov").unwrap();
    // Behind the first picture, which all others refer to.
    let middle = data + (index - data) * 2 / 3;
    bytes[middle..middle + 600].fill(0xff);
    let damaged = folder.path().join("damaged.mp4");
    std::fs::write(&damaged, &bytes).unwrap();
    let mut reader = VideoReader::open(&damaged).unwrap();
    let mut frames = 0;
    while reader.next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert!(frames > 0 && frames < UNEVEN.len() && reader.damaged() > 0, "{frames} frames, {} damaged", reader.damaged());
}

#[test]
fn an_unknown_extension_or_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let format = uneven_format(64, 48);
    for (name, reason) in [("clip.gif", "mkv"), ("nowhere/clip.mp4", "nowhere/clip.mp4")] {
        let message = VideoWriter::create(folder.path().join(name), &format, Sound::None).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

/// Every clip of the folder that the variable names goes through reader and writer.
#[test]
fn real_clips_keep_their_frames_and_times() {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA").map(PathBuf::from) else {
        eprintln!("skipped: PERCEIVERFLOW_TEST_MEDIA is not set");
        return;
    };
    let manifest = std::fs::read(media.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for clip in manifest.as_array().unwrap() {
        let name = clip["file"].as_str().unwrap();
        let streams = clip["probe"]["streams"].as_array().into_iter().flatten();
        let Some(video) = streams.into_iter().find(|stream| stream["codec_type"] == "video") else { continue };
        if !name.starts_with("video/") {
            continue;
        }
        let expected: usize = video["nb_read_frames"].as_str().unwrap().parse().unwrap();
        let from = media.join(name);
        for extension in ["mp4", "mkv"] {
            let to = folder.path().join("copy").with_extension(extension);
            let read_times = copy(&from, &to);
            assert_eq!(read_times.len(), expected, "{name}");
            let (format, frames) = read(&to);
            let rounded: Vec<Duration> =
                read_times.iter().map(|&time| format.time_base.time(format.time_base.ticks(time))).collect();
            assert_eq!(times(&frames), if extension == "mp4" { read_times } else { rounded }, "{name} to {extension}");
        }
    }
}
