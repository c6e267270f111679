//! False labels: what a model finds wrong with files that nothing is wrong with.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use perceiverflow::{Result, scene::faults::Fault, tasks::Autoencode};
use serde_json::{Value, json};

use crate::{
    clips::{ClipArguments, Windows},
    interrupt::Interrupt,
    model::ModelArguments,
};

/// What no clean video has. How the camera moves, cuts and fades are no faults.
const OF_VIDEO: [Fault; 7] =
    [Fault::Black, Fault::Freeze, Fault::ColourBars, Fault::Snow, Fault::Macroblocks, Fault::Blur, Fault::Flash];
/// What no clean sound has.
const OF_SOUND: [Fault; 6] = [Fault::Silence, Fault::Tone, Fault::Hiss, Fault::Hum, Fault::Clipping, Fault::Dropout];

/// What was said of one file.
pub(super) struct CleanFile {
    path: PathBuf,
    seconds: f64,
    /// How often each label was said; in windows that follow each other it counts once.
    said: BTreeMap<&'static str, usize>,
}

impl CleanFile {
    /// Of a file taken for clean.
    pub(super) fn of(path: &Path, task: &Autoencode, clips: &ClipArguments, model: &ModelArguments) -> Result<Self> {
        let windows = Windows::read(path, clips, task.preprocessor(clips.framing()))?;
        let of_video = OF_VIDEO.iter().filter(|_| windows.video.is_some());
        let faults: Vec<Fault> = of_video.chain(OF_SOUND.iter().filter(|_| windows.has_sound)).copied().collect();
        let mut file = Self { path: path.to_owned(), seconds: 0.0, said: BTreeMap::new() };
        let mut before: Vec<Fault> = Vec::new();
        windows.encode(task, model, true, &Interrupt::listen(), |encoded| {
            let latents: Vec<_> = encoded.iter().map(|window| &window.latents).collect();
            let scores = task.decode(&latents, perceiverflow::tasks::Head::Labels)?;
            for (window, scores) in encoded.iter().zip(scores) {
                let (labels, thresholds) = (task.labels(&scores), task.thresholds());
                let holds = |fault: &Fault| {
                    let label = labels.as_slice().iter().find(|label| &*label.name == fault.name());
                    label.is_some_and(|label| label.confidence >= thresholds.get(fault.name()).copied().unwrap_or(0.5))
                };
                let now: Vec<Fault> = faults.iter().copied().filter(holds).collect();
                for fault in now.iter().filter(|fault| !before.contains(fault)) {
                    *file.said.entry(fault.name()).or_default() += 1;
                }
                before = now;
                file.seconds = file.seconds.max(window.end().as_secs_f64());
            }
            Ok(())
        })?;
        Ok(file)
    }

    fn count(&self) -> usize {
        self.said.values().sum()
    }
}

/// False labels in ten minutes of all files together.
fn rate(files: &[CleanFile]) -> f64 {
    let (count, seconds) =
        (files.iter().map(CleanFile::count).sum::<usize>(), files.iter().map(|file| file.seconds).sum::<f64>());
    count as f64 / (seconds / 600.0).max(f64::MIN_POSITIVE)
}

pub(super) fn json(model: &str, hash: &str, files: &[CleanFile]) -> String {
    let file = |file: &CleanFile| json!({ "input": file.path, "seconds": file.seconds, "false_labels": file.said });
    let all: Vec<Value> = files.iter().map(file).collect();
    format!("{:#}\n", json!({ "model": model, "hash": hash, "files": all, "false_labels_in_ten_minutes": rate(files) }))
}

pub(super) fn table(files: &[CleanFile]) -> String {
    let name = |file: &CleanFile| file.path.display().to_string();
    let width = files.iter().map(|file| name(file).chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("{:width$} {:>8} {:>6}  false labels\n", "file", "seconds", "false");
    for file in files {
        let said: Vec<String> = file.said.iter().map(|(name, count)| format!("{name} {count}")).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{:width$} {:8.1} {:6}  {}", name(file), file.seconds, file.count(), said.join(", "));
    }
    let _ = writeln!(text, "{:.2} false labels in ten minutes", rate(files));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_labels_are_reckoned_on_ten_minutes() {
        let file = |name: &str, seconds, said: &[(&'static str, usize)]| CleanFile {
            path: name.into(),
            seconds,
            said: said.iter().copied().collect(),
        };
        let files = [file("a.mp4", 90.0, &[("blur", 2), ("hum", 1)]), file("b.mp4", 60.0, &[])];
        assert_eq!(rate(&files), 12.0);
        let table = table(&files);
        assert!(table.contains("blur 2, hum 1") && table.ends_with("12.00 false labels in ten minutes\n"), "{table}");
        let value: Value = serde_json::from_str(&json("mine", "abc", &files)).unwrap();
        assert_eq!(
            (&value["files"][0]["false_labels"]["blur"], &value["false_labels_in_ten_minutes"]),
            (&json!(2), &json!(12.0))
        );
    }
}
