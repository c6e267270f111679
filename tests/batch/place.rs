//! A folder with clips and models, and the program in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A published flow architecture in miniature with random weights.
pub(crate) const FLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/optical_flow");

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With a clip in the folder `in` for each of `frames`, `clip-0.mp4` and on, of 25 frames a second with sound.
    pub(crate) fn new(frames: &[usize]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("in")).unwrap();
        for (number, frames) in frames.iter().enumerate() {
            place.render(&format!("in/clip-{number}.mp4"), *frames);
        }
        place
    }

    pub(crate) fn render(&self, name: &str, frames: usize) {
        self.well(&["scene", name, "--size", "64x48", "--frames", &frames.to_string(), "-q"]);
    }

    /// The same with a key frame every 12 frames, where there is an `ffmpeg` to make some.
    pub(crate) fn render_with_key_frames(&self, name: &str, frames: usize) {
        self.render(name, frames);
        let again = self.path("again.mp4");
        let mut command = Command::new("ffmpeg");
        command
            .args(["-v", "error", "-i"])
            .arg(self.path(name))
            .args(["-c:v", "libx264", "-g", "12", "-bf", "2", "-c:a", "copy"]);
        if command.arg(&again).status().is_ok_and(|status| status.success()) {
            std::fs::rename(again, self.path(name)).unwrap();
        } else {
            println!("skipped: there is no ffmpeg to make key frames with");
        }
    }

    /// A folder `model` with the tiny multimodal model of the fixtures: 2 frames of 8 x 8 and 640 samples at 8 kHz in a window, 80 ms.
    pub(crate) fn with_multimodal_model(self) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/multimodal_autoencoding");
        std::fs::create_dir(self.path("model")).unwrap();
        std::fs::copy(fixture.join("model.safetensors"), self.path("model/model.safetensors")).unwrap();
        let mut config: Value = serde_json::from_slice(&std::fs::read(fixture.join("config.json")).unwrap()).unwrap();
        config["audio_samples_per_frame"] = 320.into();
        config["multimodal"] = serde_json::json!({ "sample_rate": 8000 });
        std::fs::write(self.path("model/config.json"), config.to_string()).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        // A scheduler that runs the tests is not one that shares their work.
        command.env_remove("JOB_COMPLETION_INDEX").env_remove("SLURM_ARRAY_TASK_ID");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what succeeds; its standard output.
    pub(crate) fn well(&self, arguments: &[&str]) -> String {
        self.ends(0, arguments).0
    }

    /// Runs what ends with this exit code; its standard output and error.
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
        (stdout, stderr)
    }

    /// The rows of a run, sorted.
    pub(crate) fn rows(&self, out: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(out).join("results.jsonl")).unwrap();
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }

    pub(crate) fn report(&self, out: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(out).join("report.json")).unwrap()).unwrap()
    }

    /// Two runs made the same files with the same bytes; where not, the files are named, not shown.
    pub(crate) fn same_products(&self, one: &str, other: &str) {
        let (one_made, other_made) = (self.products(one), self.products(other));
        let differ: Vec<_> = one_made
            .keys()
            .chain(other_made.keys())
            .filter(|path| one_made.get(*path) != other_made.get(*path))
            .map(|path| (path, one_made.get(path).map(Vec::len), other_made.get(path).map(Vec::len)))
            .collect();
        assert!(differ.is_empty(), "{one} and {other}: a file and its bytes in each, {differ:?}");
    }

    /// What the task made: every file below the run's folders and its content.
    pub(crate) fn products(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for folder in ["flow", "latents", "media", "labels"] {
            collect(&self.path(out).join(folder), &self.path(out), &mut found);
        }
        found
    }
}

fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
        }
    }
}

/// The arguments of a run of the tiny flow model on `in`.
pub(crate) fn flow<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["batch", "--task", "flow", "--model", FLOW, "--scale", "fit", "in", "--out", out, "-q"][..], more].concat()
}

/// The arguments of a run of the multimodal model on `in`.
pub(crate) fn clips<'a>(task: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["batch", "--task", task, "--model", "model", "in", "--out", out, "-q"][..], more].concat()
}
