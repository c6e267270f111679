//! Numbers of finished windows that wait for the rest of their file: a record of one size for each, at the place of its window. So windows
//! come in any order, and a run that was killed goes on where it was.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// How the names of spools end.
pub(super) const ENDING: &str = ".spool";

/// The spool of one file, beside what it is to become.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    record: usize,
}

impl Spool {
    /// Opens the spool of what is to become `target`, of records of so many bytes.
    pub(super) fn open(target: &Path, record: usize) -> Result<Self> {
        let path = path_of(target);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file, record })
    }

    /// Keeps a window's record.
    pub(super) fn write(&mut self, window: u64, record: &[u8]) -> Result<()> {
        if record.len() != self.record {
            return Err(Error::tensor("window's record", record.len(), format!("{} bytes", self.record)));
        }
        let at = SeekFrom::Start(window * self.record as u64);
        self.file.seek(at).and_then(|_| self.file.write_all(record)).map_err(Error::io(&self.path))
    }

    /// A record that was kept.
    pub(super) fn read(&mut self, window: u64) -> Result<Vec<u8>> {
        let mut record = vec![0; self.record];
        let at = SeekFrom::Start(window * self.record as u64);
        self.file.seek(at).and_then(|_| self.file.read_exact(&mut record)).map_err(Error::io(&self.path))?;
        Ok(record)
    }

    /// Removes the spool of `target`, if there is one: what it was for is there.
    pub(super) fn remove(target: &Path) -> Result<()> {
        let path = path_of(target);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(&path)(error)),
            _ => Ok(()),
        }
    }
}

fn path_of(target: &Path) -> PathBuf {
    target.with_file_name(format!(".{}{ENDING}", target.file_name().unwrap_or_default().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_any_order_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("clip.mp4");
        let mut spool = Spool::open(&target, 2).unwrap();
        spool.write(3, b"dd").unwrap();
        spool.write(0, b"aa").unwrap();
        assert!(spool.write(1, b"b").is_err());
        drop(spool);
        let mut spool = Spool::open(&target, 2).unwrap();
        assert_eq!((spool.read(0).unwrap(), spool.read(3).unwrap()), (b"aa".to_vec(), b"dd".to_vec()));
        assert!(spool.read(4).is_err());
        Spool::remove(&target).unwrap();
        Spool::remove(&target).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
