//! Scripts of latents and what heads say of them.

use crate::launch::{FRAMES, clip, run_labels, times};

pub(crate) const SCRIPTS: &[&str] = &["latents-record.sh", "latents-to-json.sh", "reconstruct.sh", "three-heads.sh"];

/// The labels of each line, without what names the input.
fn labels(path: &str) -> Vec<String> {
    let written = std::fs::read_to_string(path).unwrap();
    written.lines().map(|line| line.split("\"labels\":").nth(1).unwrap().to_owned()).collect()
}

#[test]
fn recorded_latents_have_the_labels_of_the_clip() {
    let (folder, clip) = clip();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    run_labels("latents-record.sh", &[("INPUT", &clip), ("OUTPUT", &path("clip.latents"))]);
    run_labels("latents-to-json.sh", &[("INPUT", &path("clip.latents")), ("OUTPUT", &path("replayed.jsonl"))]);
    run_labels("labels-to-json.sh", &[("INPUT", &clip), ("OUTPUT", &path("live.jsonl"))]);
    let replayed = labels(&path("replayed.jsonl"));
    assert_eq!(replayed.len(), FRAMES / 2);
    assert_eq!(replayed, labels(&path("live.jsonl")));
}

#[test]
fn a_reconstruction_is_as_long_as_the_clip() {
    let (folder, clip) = clip();
    let output = folder.path().join("out.mkv").to_str().unwrap().to_owned();
    for stride in ["1", "2"] {
        run_labels("reconstruct.sh", &[("INPUT", &clip), ("OUTPUT", &output), ("STRIDE", stride)]);
        assert_eq!(times(&output, "videoconvert").len(), FRAMES, "stride {stride}");
        assert!(!times(&output, "audioconvert").is_empty());
    }
}

#[test]
fn three_heads_lie_side_by_side() {
    let (folder, clip) = clip();
    let output = folder.path().join("out.mkv").to_str().unwrap().to_owned();
    run_labels("three-heads.sh", &[("INPUT", &clip), ("OUTPUT", &output)]);
    assert_eq!(times(&output, "videoconvert").len(), FRAMES);
    assert!(!times(&output, "audioconvert").is_empty());
    let bytes = std::fs::read(&output).unwrap();
    let lines = bytes.windows(6).filter(|bytes| *bytes == b"LABEL_").count();
    assert_eq!(lines, FRAMES / 2, "a subtitle for each window");
}
