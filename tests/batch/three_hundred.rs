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

/// What is said of a damaged clip.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    /// It fails, and its message has these words.
    Failed(&'static str),
    /// It is done, as far as it can be decoded, and damaged packets are counted.
    Damaged,
}

/// Damages a clip in the `way`-th of [`WAYS`] ways; what is said of it then.
fn damage(clip: &Path, way: usize) -> Said {
    let content = std::fs::read(clip).unwrap();
    let (content, said) = match way {
        0 => (Vec::new(), Said::Failed("the file is empty")),
        1 => (content[..content.len() / 2].to_vec(), Said::Failed("FFmpeg")),
        2 => (b"no video at all".to_vec(), Said::Failed("FFmpeg")),
        3 => (vec![0; content.len()], Said::Failed("FFmpeg")),
        4 => return std::fs::remove_file(clip).map(|()| Said::Failed("No such file")).unwrap(),
        _ => (flipped(content), Said::Damaged),
    };
    std::fs::write(clip, content).unwrap();
    said
}

const WAYS: usize = 6;

/// Flips bytes in the second half of what `mdat` holds: pictures and sound, and nothing that says where they are.
fn flipped(mut content: Vec<u8>) -> Vec<u8> {
    let kind = content.windows(4).position(|bytes| bytes == b"mdat").unwrap();
    let length = u32::from_be_bytes(content[kind - 4..kind].try_into().unwrap()) as usize;
    let held = kind + 4..(kind - 4 + length).min(content.len());
    content[held.start + held.len() / 2..held.end].iter_mut().step_by(16).for_each(|byte| *byte ^= 0x55);
    content
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
    let damaged: BTreeMap<String, Said> = clips
        .iter()
        .step_by(CLIPS / 15)
        .enumerate()
        .map(|(at, clip)| (clip.display().to_string(), damage(clip, at % WAYS)))
        .collect();

    let (stdout, _) = place.ends(3, &["batch", "--task", "classify", "list.jsonl", "--out", "out", "-q"]);
    let report = place.report("out");
    let flips = damaged.values().filter(|said| **said == Said::Damaged).count();
    let (done, failed) = (CLIPS - damaged.len() + flips, damaged.len() - flips);
    assert_eq!((&report["files"]["done"], &report["files"]["failed"]), (&done.into(), &failed.into()), "{report}");
    for failure in report["failures"].as_array().unwrap() {
        let (file, detail) = (failure["file"].as_str().unwrap(), failure["detail"].as_str().unwrap());
        let said = damaged.get(file).is_some_and(|said| matches!(said, Said::Failed(cause) if detail.contains(cause)));
        assert!(said, "{failure}");
        assert!(failure["cause"].as_str().is_some_and(|cause| !cause.is_empty()));
    }
    let counted = report["damaged"].as_array().unwrap();
    let flipped = |file: &str| damaged.get(file) == Some(&Said::Damaged);
    assert!(counted.len() == flips && counted.iter().all(|one| flipped(one["file"].as_str().unwrap())), "{counted:?}");
    assert!(counted.iter().all(|one| one["packets"].as_u64() > Some(0)), "{counted:?}");
    assert!(stdout.contains(&format!(" packets or pictures of {flips} files that are done\n")), "{stdout}");
    println!("{} windows, damaged: {counted:?}, failed by cause: {}", report["windows"], report["failures_by_cause"]);
}
