//! An archive of real clips, some of them damaged. Skipped, and says so, where `PERCEIVERFLOW_TEST_MEDIA` is not set or there is no `ffmpeg`.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::{
    place::Place,
    recordings::{Recording, recordings},
};

const CLIPS: usize = 300;

/// Cuts a recording into clips of about a quarter of a second in the folder; tells whether there is an `ffmpeg`.
fn cut(recording: &Recording, folder: &Path) -> bool {
    let stem = recording.path.file_stem().unwrap().to_string_lossy();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&recording.path);
    command.args([
        "-vf",
        "scale=96:-2",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-force_key_frames",
        "expr:gte(t,n_forced*0.25)",
    ]);
    command
        .args(["-f", "segment", "-segment_time", "0.25", "-reset_timestamps", "1"])
        .arg(folder.join(format!("{stem}-%03d.mp4")));
    command.status().is_ok_and(|status| status.success())
}

/// Damages a clip in the `way`-th way; what its failure says then.
fn damage(clip: &Path, way: usize) -> &'static str {
    let content = std::fs::read(clip).unwrap();
    let (content, cause) = match way {
        0 => (Vec::new(), "the file is empty"),
        1 => (content[..content.len() / 2].to_vec(), "FFmpeg"),
        2 => (b"no video at all".to_vec(), "FFmpeg"),
        3 => (vec![0; content.len()], "FFmpeg"),
        _ => return std::fs::remove_file(clip).map(|()| "No such file").unwrap(),
    };
    std::fs::write(clip, content).unwrap();
    cause
}

#[test]
fn of_three_hundred_clips_with_fifteen_damaged_all_good_ones_are_done() {
    let place = Place::new(&[]);
    let videos = recordings().into_iter().filter(|recording| recording.stream("video").is_some());
    for recording in videos {
        if !cut(&recording, &place.path("in")) {
            eprintln!("skipped: there is no ffmpeg to cut clips with");
            return;
        }
    }
    let entries = std::fs::read_dir(place.path("in")).unwrap().map(|entry| entry.unwrap().path());
    let mut clips: Vec<_> = entries.collect();
    if clips.is_empty() {
        return;
    }
    clips.sort();
    assert!(clips.len() >= CLIPS, "{} clips", clips.len());
    clips.drain(CLIPS..).for_each(|clip| std::fs::remove_file(clip).unwrap());
    let list: String = clips.iter().map(|clip| format!("{{\"path\":{clip:?}}}\n")).collect();
    std::fs::write(place.path("list.jsonl"), list).unwrap();
    let damaged: BTreeMap<String, &str> = clips
        .iter()
        .step_by(CLIPS / 15)
        .enumerate()
        .map(|(at, clip)| (clip.display().to_string(), damage(clip, at % 5)))
        .collect();

    place.ends(3, &["batch", "--task", "classify", "list.jsonl", "--out", "out", "-q"]);
    let report = place.report("out");
    assert_eq!((&report["files"]["done"], &report["files"]["failed"]), (&285.into(), &15.into()), "{report}");
    for failure in report["failures"].as_array().unwrap() {
        let (file, detail) = (failure["file"].as_str().unwrap(), failure["detail"].as_str().unwrap());
        assert!(damaged.get(file).is_some_and(|cause| detail.contains(cause)), "{failure}");
        assert!(failure["cause"].as_str().is_some_and(|cause| !cause.is_empty()));
    }
    println!("{} windows, failed by cause: {}", report["windows"], report["failures_by_cause"]);
}
