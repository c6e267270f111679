//! Real clips and sounds, where the environment names a folder of them.

use std::path::PathBuf;

use serde_json::Value;

/// A file, with what its probe said of it.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) probe: Value,
}

impl Recording {
    /// The probe's words about the first stream of this kind.
    pub(crate) fn stream(&self, kind: &str) -> Option<&Value> {
        self.probe["streams"].as_array()?.iter().find(|stream| stream["codec_type"] == kind)
    }
}

/// Every clip and sound of the folder that `PERCEIVERFLOW_TEST_MEDIA` names; none where it is not set.
pub(crate) fn recordings() -> Vec<Recording> {
    let Some(media) = std::env::var_os("PERCEIVERFLOW_TEST_MEDIA").map(PathBuf::from) else {
        eprintln!("skipped: PERCEIVERFLOW_TEST_MEDIA is not set");
        return Vec::new();
    };
    let manifest: Value = serde_json::from_slice(&std::fs::read(media.join("manifest.json")).unwrap()).unwrap();
    let files = manifest.as_array().unwrap().iter().map(|file| {
        let name = file["file"].as_str().unwrap().to_owned();
        Recording { path: media.join(&name), name, probe: file["probe"].clone() }
    });
    files.filter(|file| file.name.starts_with("video/") || file.name.starts_with("audio/")).collect()
}
