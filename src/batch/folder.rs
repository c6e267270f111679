//! The folder of a run: who may write to it, and what lies where.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::Input;
use crate::error::{Error, Result};

/// What a file becomes, besides rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Artefact {
    Flow,
    Latents,
    Media,
    Cues,
}

impl Artefact {
    /// The folders of all of them.
    pub(super) const FOLDERS: [&str; 4] = ["flow", "latents", "media", "labels"];

    fn folder(self) -> &'static str {
        Self::FOLDERS[match self {
            Self::Flow => 0,
            Self::Latents => 1,
            Self::Media => 2,
            Self::Cues => 3,
        }]
    }
}

/// A folder that this process alone writes to. The lock is the system's: it goes with the process, however that ends.
#[derive(Debug)]
pub(super) struct OutputFolder {
    path: PathBuf,
    _lock: File,
}

impl OutputFolder {
    /// Takes possession of a folder, made if it is missing, and removes files that a killed run was still writing.
    ///
    /// # Errors
    /// When it cannot be written to, or another process has it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io(path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path).map_err(Error::io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::format(path, "another run is writing to the folder; wait for it, or take another folder"));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&lock_path)(error)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        remove_unfinished(path, false)?;
        for kind in Artefact::FOLDERS {
            remove_unfinished(&path.join(kind), true)?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What an input becomes: the name of the file below the folder.
    pub(super) fn name(kind: Artefact, input: &Input, ending: &str) -> String {
        let mut name = PathBuf::from(kind.folder()).join(input.place()).into_os_string();
        name.push(ending);
        name.to_string_lossy().into_owned()
    }

    /// Where a file of this name lies; the folder for it is made.
    pub(super) fn place(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        Ok(path)
    }

    /// Whether an error in writing one input's files will meet all others too: the storage is full, over its quota or read-only, or the
    /// folder takes no files any more. All else, such as a name that is too long, is that input's own.
    pub(super) fn ends_run(&self, error: &Error) -> bool {
        let Error::Io { source, .. } = error else { return false };
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => true,
            ErrorKind::PermissionDenied => tempfile::tempfile_in(&self.path).is_err(),
            _ => false,
        }
    }
}

/// The parts of a run's folder that are not one input's.
pub(super) fn results(folder: &Path) -> PathBuf {
    folder.join("results.jsonl")
}

pub(super) fn journal(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

pub(super) fn report(folder: &Path) -> PathBuf {
    folder.join("report.json")
}

/// Whether a hidden file beside a run's own is one of its own in the making.
fn is_ours(name: &str) -> bool {
    [".results.", ".report."].iter().any(|begin| name.starts_with(begin))
}

/// Files being written have hidden names. Spools are hidden too, and stay: they hold finished windows.
fn remove_unfinished(folder: &Path, below: bool) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io(folder))?,
    };
    for entry in entries {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if below {
                remove_unfinished(&path, true)?;
            }
        } else if name.starts_with('.') && !name.ends_with(super::spool::ENDING) && (below || is_ours(&name)) {
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_files_will_meet_ends_a_run() {
        let root = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(root.path()).unwrap();
        let ends = |kind: ErrorKind| folder.ends_run(&Error::io("out/a.flo")(kind.into()));
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem] {
            assert!(ends(kind), "{kind}");
        }
        // The folder itself takes files: what is closed is one input's place in it.
        for kind in [ErrorKind::InvalidFilename, ErrorKind::NotADirectory, ErrorKind::PermissionDenied] {
            assert!(!ends(kind), "{kind}");
        }
        assert!(!folder.ends_run(&Error::format("out/a.mp4", "the encoder refuses the video")));
    }

    #[test]
    fn one_process_at_a_time_and_what_was_left_half_written_goes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/out");
        let folder = OutputFolder::open(&path).unwrap();
        let message = OutputFolder::open(&path).unwrap_err().to_string();
        assert!(message.contains("another run"), "{message}");
        let place = folder.place("latents/a/clip.safetensors").unwrap();
        drop(folder);
        for name in [".clip.safetensors.x1.safetensors", ".clip.spool", "clip.safetensors"] {
            std::fs::write(place.with_file_name(name), "").unwrap();
        }
        OutputFolder::open(&path).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(place.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".clip.spool", "clip.safetensors"]);
    }
}
