//! The cache's folders, as `huggingface_hub` lays them out:
//!
//! ```text
//! models--owner--name/refs/main                  the commit a branch or tag stood at when it was last fetched
//!                     snapshots/COMMIT/NAME      links to
//!                     blobs/HASH                 the contents: SHA-256 for large files, git's own hash for small ones
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    checkpoint::files,
    error::{Error, Result},
};

const PREFIX: &str = "models--";

/// The cached part of a repository.
#[derive(Debug)]
pub(super) struct Repository {
    folder: PathBuf,
    #[cfg(feature = "hub")]
    locks: PathBuf,
}

impl Repository {
    /// Of `owner/name`.
    pub(super) fn new(cache: &Path, repository: &str) -> Self {
        let name = format!("{PREFIX}{}", repository.replace('/', "--"));
        Self {
            #[cfg(feature = "hub")]
            locks: cache.join(".locks").join(&name),
            folder: cache.join(name),
        }
    }

    /// The commit that a branch, tag or commit means here.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = std::fs::read_to_string(self.reference(revision)).ok()?.trim().to_owned();
        is_commit(&commit).then_some(commit)
    }

    pub(super) fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }
}

#[cfg(feature = "hub")]
impl Repository {
    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    /// Waits until no other process writes this blob. The lock ends with the file. `huggingface_hub` locks the same file the same way.
    pub(super) fn lock(&self, hash: &str) -> Result<std::fs::File> {
        let path = self.locks.join(format!("{hash}.lock"));
        std::fs::create_dir_all(&self.locks).map_err(Error::io(&self.locks))?;
        let file = std::fs::File::create(&path).map_err(Error::io(&path))?;
        file.lock().map_err(Error::io(&path))?;
        Ok(file)
    }

    /// Lets a snapshot's file be a blob. Another process may have done the same meanwhile.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &str) -> Result<()> {
        let folder = self.snapshot(commit);
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let path = folder.join(name);
        #[cfg(unix)]
        let linked = std::os::unix::fs::symlink(Path::new("../../blobs").join(hash), &path);
        // Symbolic links need a privilege on Windows.
        #[cfg(not(unix))]
        let linked = std::fs::hard_link(self.blob(hash), &path);
        match linked {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io(&path)(e)),
            _ => Ok(()),
        }
    }

    /// Notes which commit a branch or tag stands at.
    pub(super) fn refer(&self, revision: &str, commit: &str) -> Result<()> {
        use std::io::Write;
        let path = self.reference(revision);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        crate::formats::write_beside(&path, |file| file.write_all(commit.as_bytes()))
    }
}

/// A model whose configuration and weights are all in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedModel {
    /// `owner/name`, with `@revision` unless that is `main`: what opens it.
    pub id: String,
    /// The commit.
    pub commit: String,
    /// Its snapshot.
    pub folder: PathBuf,
    /// Bytes of its files.
    pub size: u64,
}

pub(super) fn models(cache: &Path) -> Vec<CachedModel> {
    let mut models = Vec::new();
    for folder in entries(cache) {
        let Some(repository) = name(&folder).strip_prefix(PREFIX).map(|name| name.replacen("--", "/", 1)) else { continue };
        let mut references: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (revision, commit) in revisions(&folder.join("refs"), "") {
            references.entry(commit).or_default().push(revision);
        }
        for snapshot in entries(&folder.join("snapshots")) {
            let commit = name(&snapshot);
            if !is_commit(&commit) || !files::is_complete(&snapshot) || !files::is_perceiver(&snapshot) {
                continue;
            }
            let size = entries(&snapshot).iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum();
            for revision in references.get(&commit).unwrap_or(&vec![commit.clone()]) {
                let id = if revision == "main" { repository.clone() } else { format!("{repository}@{revision}") };
                models.push(CachedModel { id, commit: commit.clone(), folder: snapshot.clone(), size });
            }
        }
    }
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models
}

/// The branches and tags below a folder of references, `refs/pr/1` being a folder of folders, and their commits.
fn revisions(folder: &Path, prefix: &str) -> Vec<(String, String)> {
    let revision = |path: PathBuf| {
        let revision = format!("{prefix}{}", name(&path));
        match std::fs::read_to_string(&path) {
            Ok(commit) => vec![(revision, commit.trim().to_owned())],
            Err(_) => revisions(&path, &format!("{revision}/")),
        }
    };
    entries(folder).into_iter().flat_map(revision).collect()
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files of a folder that are links to blobs, each with its blob.
pub(super) fn blobs(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut blobs = Vec::new();
    for path in entries(folder).into_iter().filter(|path| path.is_symlink()) {
        let blob = path.canonicalize().map_err(Error::io(&path))?;
        if blob.parent().is_some_and(|parent| name(parent) == "blobs") {
            blobs.push((path, blob));
        }
    }
    Ok(blobs)
}

pub(super) fn is_sha256(text: &str) -> bool {
    is_hexadecimal(text, 64)
}

pub(super) fn is_commit(text: &str) -> bool {
    is_hexadecimal(text, 40)
}

fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
