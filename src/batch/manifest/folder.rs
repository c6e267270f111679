//! The media files of a folder.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Endings of files that are taken for video or sound.
const MEDIA: [&str; 28] = [
    "3g2", "3gp", "aac", "avi", "flac", "flv", "m2ts", "m4a", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "mts",
    "mxf", "oga", "ogg", "ogv", "opus", "ts", "vob", "wav", "webm", "wma", "wmv",
];

/// The media files in `folder` and the folders below it, by name; hidden ones and what lies below `except` are left out.
pub(super) fn media_files(folder: &Path, except: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        let ending = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        if ending.is_some_and(|ending| MEDIA.contains(&ending.as_str())) && !path.starts_with(except) {
            found.push(path);
        }
    })?;
    Ok(found)
}

/// Shows every file in `folder` and below to `see`, by name.
pub(super) fn walk(folder: &Path, see: &mut impl FnMut(PathBuf)) -> Result<()> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(Error::io(folder))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        match path.is_dir() {
            _ if hidden => {}
            // A link to a folder above would never end.
            true if path.is_symlink() => {}
            true => walk(&path, see)?,
            false => see(path),
        }
    }
    Ok(())
}
