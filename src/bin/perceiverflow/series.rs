//! Numbered files.

use std::path::{Path, PathBuf};

use perceiverflow::{Error, Result};

/// Many small files in one folder, named after their origin and numbered. Dropped before [`Series::keep`], it takes back what it wrote.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    folder: &'a Path,
    name: String,
    made_folder: bool,
    written: Vec<PathBuf>,
}

impl<'a> Series<'a> {
    /// Makes the folder where it is missing, and refuses one with files of this series unless `overwrite`.
    pub(crate) fn begin(folder: &'a Path, origin: &Path, overwrite: bool) -> Result<Self> {
        let name = origin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let made_folder = !folder.is_dir();
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let series = Self { folder, name, made_folder, written: Vec::new() };
        let first = series.path(0, ".flo");
        if first.exists() && !overwrite {
            return Err(Error::format(first, "the file exists; give -y to overwrite it and those after it"));
        }
        Ok(series)
    }

    /// Writes the file of this number, `FOLDER/NAME_000012ENDING`, by `write`.
    pub(crate) fn write(&mut self, number: u64, ending: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let path = self.path(number, ending);
        write(&path)?;
        self.written.push(path);
        Ok(())
    }

    /// All went well: the files stay.
    pub(crate) fn keep(mut self) {
        self.written.clear();
        self.made_folder = false;
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("{}_{number:06}{ending}", self.name))
    }
}

impl Drop for Series<'_> {
    fn drop(&mut self) {
        // The reason for dropping is reported already; what cannot be removed is complete, and stays.
        for path in &self.written {
            let _ = std::fs::remove_file(path);
        }
        if self.made_folder {
            let _ = std::fs::remove_dir(self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_takes_back_what_it_wrote_and_only_that() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        std::fs::create_dir(&old).unwrap();
        std::fs::write(old.join("clip_000001.flo"), "mine").unwrap();
        let write = |path: &Path| std::fs::write(path, "").map_err(Error::io(path));
        for folder in [&new, &old] {
            let mut series = Series::begin(folder, Path::new("a/clip.mp4"), false).unwrap();
            series.write(0, ".flo", write).unwrap();
            assert!(folder.join("clip_000000.flo").is_file());
        }
        assert!(!new.exists() && old.join("clip_000001.flo").exists() && !old.join("clip_000000.flo").exists());

        let mut series = Series::begin(&new, Path::new("clip.mp4"), false).unwrap();
        series.write(0, ".flo", write).unwrap();
        series.keep();
        let message = Series::begin(&new, Path::new("clip.mp4"), false).unwrap_err().to_string();
        assert!(message.contains("clip_000000.flo") && message.contains("-y"), "{message}");
        assert!(new.join("clip_000000.flo").exists());
    }
}
