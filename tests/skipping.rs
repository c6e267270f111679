//! Frames behind a place within a file are those of the file read as a whole, whatever codec and container do.
//!
//! Skipped, and says so, where there is no `ffmpeg` to make the files with.
#![cfg(all(feature = "cli", feature = "video-file"))]

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use perceiverflow::{
    media::{Frame, Picture},
    video_file::{Media, MediaReader, SkipTo, VideoReader, show_libav_messages},
};

/// Files with a key frame about every 12 frames: name, what `ffmpeg` is told, whether pictures can be passed over.
const FILES: [(&str, &str, bool); 10] = [
    ("closed.mp4", "-c:v libx264 -g 12 -bf 3 -x264-params b-pyramid=normal", true),
    ("open.mp4", "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1", false),
    ("open.mkv", "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1", false),
    ("open-hevc.mkv", "-c:v libx265 -g 12 -bf 3 -x265-params open-gop=1:log-level=none", true),
    ("refresh.mp4", "-c:v libx264 -g 12 -x264-params intra-refresh=1", false),
    ("delayed.mp4", "-c:v libx264 -g 12 -bf 2 -itsoffset 0.3", true),
    ("part4.mp4", "-c:v mpeg4 -g 12 -bf 2", true),
    ("invisible.webm", "-c:v libvpx -g 12 -auto-alt-ref 1 -lag-in-frames 10", false),
    ("jpeg.mov", "-c:v mjpeg", true),
    ("stream.ts", "-c:v libx264 -g 12 -bf 2", false),
];

fn frames(mut reader: VideoReader) -> Vec<Frame> {
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

/// Makes a file of the clip; tells whether this `ffmpeg` can.
fn make(clip: &Path, file: &Path, options: &str) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(clip).args(options.split(' ')).args(["-c:a", "copy"]);
    if file.extension().is_some_and(|ending| ending == "webm") {
        command.args(["-c:a", "libopus"]);
    }
    command.arg(file).output().is_ok_and(|output| output.status.success())
}

#[test]
fn frames_behind_a_place_are_those_of_the_whole() {
    show_libav_messages(false);
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let scene = ["scene", clip.to_str().unwrap(), "--size", "64x48", "--frames", "100", "-q"];
    assert!(Command::new(env!("CARGO_BIN_EXE_perceiverflow")).args(scene).status().unwrap().success());
    let stand_in = Arc::new(Picture::from_fn(64, 48, |_, _| [0; 3]));
    let is_passed = |frame: &Frame| Arc::ptr_eq(&frame.picture, &stand_in);
    for (name, options, can) in FILES {
        let file = folder.path().join(name);
        if !make(&clip, &file, options) {
            println!("skipped: there is no ffmpeg that can make {name}");
            continue;
        }
        let whole = frames(VideoReader::open(&file).unwrap());
        for at in [0, 1, 11, 12, 45, 60, 80, 99, 500] {
            let time = whole.get(at).map_or(Duration::from_secs(500), |frame| frame.time);
            for to in [SkipTo::Frame(at as u64), SkipTo::Time(time)] {
                let mut reader = VideoReader::open(&file).unwrap();
                reader.skip_to(to, stand_in.clone());
                let behind = frames(reader);
                assert_eq!(behind.len(), whole.len(), "{name} {to:?}");
                let passed = behind.iter().take_while(|frame| is_passed(frame)).count();
                assert!(passed <= at && (passed > 0 || !can || at < 60), "{name} {to:?}: {passed} passed over");
                for (number, (frame, expected)) in behind.iter().zip(&whole).enumerate() {
                    assert_eq!((frame.time, frame.duration), (expected.time, expected.duration), "{name} {to:?}, {number}");
                    assert!(is_passed(frame) == (number < passed), "{name} {to:?}, {number}");
                    assert!(number < passed || frame.picture == expected.picture, "{name} {to:?}: frame {number} differs");
                }
            }
        }
        sound_stays(&file, name, &stand_in);
    }
}

/// All sound is there, to the sample, whatever is passed over.
fn sound_stays(file: &Path, name: &str, stand_in: &Arc<Picture>) {
    let sound = |skip: Option<SkipTo>| {
        let mut reader = MediaReader::open(file, 16_000).unwrap();
        skip.into_iter().for_each(|to| reader.skip_to(to, stand_in.clone()));
        let media = std::iter::from_fn(move || reader.next_media().unwrap());
        let chunks = media.filter_map(|media| match media {
            Media::Audio(chunk) => Some((chunk.time, chunk.samples)),
            Media::Frame(_) => None,
        });
        chunks.collect::<Vec<_>>()
    };
    let all = sound(None);
    assert!(!all.is_empty(), "{name}");
    assert_eq!(sound(Some(SkipTo::Time(Duration::from_secs(2)))), all, "{name}");
}
