//! Whole files cut into windows, as the program does it.
#![cfg(feature = "video-file")]

mod recordings;

use std::{path::Path, sync::Arc, time::Duration};

use perceiverflow::{
    media::{Clip, ClipOptions, ClipShape, ClipStream, ClipWindow, Frame, Picture},
    video_file::{Media, MediaReader, Ratio, Sound, VideoFormat, VideoWriter, show_libav_messages},
};

use recordings::recordings;

/// The published window: 16 frames of a 25th of a second and 30 720 samples.
const SHAPE: ClipShape = ClipShape { frames: 16, samples_per_frame: 1920, sample_rate: 48_000 };

/// All windows of a file, and how many pictures and seconds of sound were held at most.
fn windows(path: &Path) -> (Vec<Clip>, usize, f64) {
    show_libav_messages(false);
    let mut reader = MediaReader::open(path, SHAPE.sample_rate).unwrap();
    let options = ClipOptions::new(&SHAPE, reader.video_format().is_some(), reader.has_sound());
    let mut window = ClipWindow::new(SHAPE, options).unwrap();
    let (mut clips, mut pictures, mut samples) = (Vec::new(), 0, 0);
    loop {
        let media = reader.next_media().unwrap();
        let ended = media.is_none();
        match media {
            Some(Media::Frame(frame)) => window.push_frame(frame).unwrap(),
            Some(Media::Audio(chunk)) => window.push_audio(chunk).unwrap(),
            None => [ClipStream::Video, ClipStream::Audio].map(|stream| window.finish(stream)).into_iter().collect(),
        }
        let held = window.held();
        (pictures, samples) = (held.pictures.max(pictures), held.samples.max(samples));
        while let Some(clip) = window.next().unwrap() {
            clips.push(clip);
        }
        if ended {
            let stats = window.stats();
            assert_eq!((stats.late_frames, stats.dropped, stats.empty), (0, 0, 0), "{}: {stats:?}", path.display());
            return (clips, pictures, samples as f64 / f64::from(SHAPE.sample_rate));
        }
    }
}

#[test]
fn a_file_becomes_windows_of_its_pictures_and_sound() {
    show_libav_messages(false);
    let folder = tempfile::tempdir().unwrap();
    let sound: Vec<f32> = (0..96_000).map(|n| (n as f32 * 0.02).sin() * 0.5).collect();
    for extension in ["mp4", "mkv"] {
        let path = folder.path().join("clip").with_extension(extension);
        let format = VideoFormat::new(32, 16, Ratio { numerator: 25, denominator: 1 }).unwrap();
        let mut writer = VideoWriter::create(&path, &format, Sound::Samples { rate: 48_000, channels: 1 }).unwrap();
        for number in 2..50_u64 {
            let picture = Arc::new(Picture::from_fn(32, 16, |_, _| [number as u8 * 5; 3]));
            writer.write(&Frame { picture, time: Duration::from_millis(number * 40), duration: None }).unwrap();
        }
        writer.write_sound(&sound).unwrap();
        writer.finish().unwrap();
        let (clips, ..) = windows(&path);
        let starts: Vec<u128> = clips.iter().map(|clip| clip.time.as_millis()).collect();
        assert_eq!(starts, [80, 720, 1360], "{extension}");
        for (window, clip) in clips.iter().enumerate() {
            for (slot, picture) in clip.pictures.iter().enumerate() {
                let [grey, ..] = picture.as_ref().unwrap().pixel(8, 8);
                let number = 2 + window * 16 + slot;
                assert!(grey.abs_diff(number as u8 * 5) < 3, "{extension}: window {window} shows {grey} at {slot}");
            }
            assert_eq!(clip.missing_samples, 0, "{extension}");
        }
    }
}

/// Every clip and sound of the folder that the variable names.
#[test]
fn real_files_are_covered_from_their_first_frame_to_their_end() {
    for file in recordings() {
        let name = &file.name;
        let whole: f64 = file.probe["format"]["duration"].as_str().unwrap().parse().unwrap();
        let (clips, pictures, seconds) = windows(&file.path);
        let last = clips.last().unwrap();
        let end = (last.time + last.duration).as_secs_f64();
        assert!((end - whole).abs() < 0.15, "{name} ends at {end} of {whole} s");
        assert!(clips.windows(2).all(|pair| pair[1].time.abs_diff(pair[0].time + pair[0].duration) < Duration::from_nanos(2)));
        let full = &clips[..clips.len() - 1];
        assert!(
            full.iter().all(|clip| clip.pictures.iter().all(|picture| picture.is_some() == file.stream("video").is_some())),
            "{name}"
        );
        let missing: usize = full.iter().map(|clip| clip.missing_samples).sum();
        match file.stream("audio") {
            Some(_) => assert!(missing < 5000, "{name} lacks {missing} samples"),
            None => assert_eq!(missing, full.len() * SHAPE.samples(), "{name}"),
        }
        assert!(pictures < 64 && seconds < 3.0, "{name} holds {pictures} pictures and {seconds} s of sound");
    }
}
