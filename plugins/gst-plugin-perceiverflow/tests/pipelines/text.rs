//! Scripts of text, on subtitles written here.

use std::{path::Path, process::Command};

use perceiverflow::{
    compute::{DeviceChoice, Precision},
    perceiver::tokenizer::Truncation,
    tasks::{ClassifyText, FillMask},
};

pub(crate) const SCRIPTS: &[&str] = &["fill-subtitles.sh"];

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/fill-subtitles.sh");
const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models");
const TIMES: [&str; 2] = ["00:00:01.000 --> 00:00:02.500", "01:00:03.250 --> 01:00:04.000"];

/// The cues of the WebVTT file that the script writes, in two lines each: time and text.
fn run(model: &str, options: &str, sentences: [&str; 2]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["some gaps.srt", "out.vtt"].map(|name| folder.path().join(name));
    let cues = TIMES.iter().zip(sentences).zip(1..);
    let srt: String = cues.map(|((time, text), number)| format!("{number}\n{}\n{text}\n\n", time.replace('.', ","))).collect();
    std::fs::write(&input, srt).unwrap();
    let plugin = std::env::current_exe().unwrap().with_file_name("libgstperceiverflow.so");
    assert!(plugin.exists(), "{}: cargo builds it beside its tests", plugin.display());
    let said = Command::new(SCRIPT)
        .env("GST_PLUGIN_PATH", plugin.parent().unwrap())
        .env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("text-registry.bin"))
        .env("G_DEBUG", "fatal_warnings")
        .env("MODEL", format!("{MODELS}/{model}"))
        .env("OPTIONS", format!("device=cpu precision=f32 {options}"))
        .envs([("INPUT", &input), ("OUTPUT", &output)])
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let written = std::fs::read_to_string(output).unwrap();
    let lines = written.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "WEBVTT");
    lines.map(str::to_owned).collect()
}

#[test]
fn gaps_are_filled_at_their_times() {
    let task = FillMask::open(&format!("{MODELS}/masked_lm"), DeviceChoice::Cpu, Precision::F32).unwrap();
    let filled = task.fill(&[&"Good m[MASK]rning".into()], 1).unwrap().remove(0).text().into_owned();
    let lines = run("masked_lm", "", ["Good m[MASK]rning", "<i>Nothing is missing</i>"]);
    assert_eq!(lines, [TIMES[0], &filled, TIMES[1], "Nothing is missing"]);
}

#[test]
fn sentences_become_labels_at_their_times() {
    let task = ClassifyText::open(&format!("{MODELS}/sequence_classification"), DeviceChoice::Cpu, Precision::F32).unwrap();
    let sentences = ["A lovely film.", "A dull one."];
    let surest = task.classify(&sentences, Truncation::None).unwrap();
    let surest: Vec<String> = surest.iter().map(|labels| labels.as_slice()[0].to_string()).collect();
    let lines = run("sequence_classification", "output=labels top-k=1", sentences);
    assert_eq!(lines, [TIMES[0], &surest[0], TIMES[1], &surest[1]]);
}
