//! Files that appear only once they are whole.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file being written beside the one it is to become, under a hidden name with the same ending.
///
/// [`publish`](Self::publish) puts it in place in one step; dropped before that, it vanishes and leaves what was there untouched.
#[derive(Debug)]
pub struct PendingFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// Starts an empty file that is to become `path`. The folder must exist.
    ///
    /// # Errors
    /// When `path` has no file name or is a folder, or the system refuses a file in its folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(Error::option("output file", path.display(), "the name of a file, not of a folder"));
        };
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut suffix = OsString::new();
        if let Some(extension) = path.extension() {
            suffix.push(".");
            suffix.push(extension);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(&suffix);
        #[cfg(unix)]
        {
            // Temporary files are private; this one is to end up like any other, and the system takes the umask off.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(Error::io(&path))?;
        Ok(Self { file, path })
    }

    /// What to write into.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Where it is while it is pending, for writers that open files by name.
    pub fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// What it is to become.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place, over whatever was there.
    ///
    /// # Errors
    /// When the system refuses; the pending file is gone then.
    pub fn publish(self) -> Result<()> {
        let Self { file, path } = self;
        file.persist(&path).map(drop).map_err(|e| Error::io(&path)(e.error))
    }

    /// Puts it in place unless something is there already; then it vanishes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn publish_first(self) -> Result<()> {
        let Self { file, path } = self;
        match file.persist_noclobber(&path) {
            Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io(&path)(refused.error)),
            _ => Ok(()),
        }
    }
}

/// Writes `path` by `write`, in one step for whoever looks at it.
///
/// # Errors
/// When the file cannot be created, written or put in place; nothing is left behind then, and what was there is untouched.
pub fn write_beside(path: impl AsRef<Path>, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let mut pending = PendingFile::create(path)?;
    write(pending.file()).map_err(Error::io(pending.path()))?;
    pending.publish()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_failed_write_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.flo");
        write_beside(&path, |file| file.write_all(b"first")).unwrap();
        let failed = write_beside(&path, |file| {
            file.write_all(b"sec")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.unwrap_err().to_string().contains("out.flo: the disk is full"));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["out.flo"]);
    }

    #[test]
    fn a_dropped_file_vanishes_and_a_published_one_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        let pending = PendingFile::create(&path).unwrap();
        assert_eq!(pending.temporary_path().extension().unwrap(), "mp4");
        drop(pending);
        assert!(names(folder.path()).is_empty());
        for content in [b"one", b"two"] {
            let mut pending = PendingFile::create(&path).unwrap();
            pending.file().write_all(content).unwrap();
            pending.publish().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
        let mut late = PendingFile::create(&path).unwrap();
        late.file().write_all(b"three").unwrap();
        late.publish_first().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two", "who comes first stays");
        assert_eq!(names(folder.path()), ["clip.mp4"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        std::fs::write(folder.path().join("plain"), "").unwrap();
        write_beside(folder.path().join("beside"), |_| Ok(())).unwrap();
        assert_eq!(mode("beside"), mode("plain"));
    }

    #[test]
    fn folders_and_missing_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PendingFile::create(folder.path()).unwrap_err().to_string().contains("not of a folder"));
        let message = PendingFile::create(folder.path().join("no/out.flo")).unwrap_err().to_string();
        assert!(message.contains("no/out.flo"), "{message}");
    }
}
