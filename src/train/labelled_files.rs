//! Files and their classes: what a classifier is trained on and measured with.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    error::{Error, Result},
    formats::write_beside,
};

/// Files, each of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFiles {
    /// The classes' names by their numbers, in the order of the alphabet.
    pub classes: Vec<String>,
    /// Each file with the number of its class.
    pub files: Vec<(PathBuf, usize)>,
}

const HEADER: &str = "path,label";

impl LabelledFiles {
    /// The files of `source`: a folder with a folder for each class, in which files count that end in one of `extensions`; or a CSV file
    /// of lines `path,label`, in which paths may hold commas and stand relative to it.
    ///
    /// # Errors
    /// When there are none, a line is none of `path,label`, or a file has two labels.
    pub fn find(source: &Path, extensions: &[&str]) -> Result<Self> {
        let labelled = if source.is_dir() { in_folders(source, extensions)? } else { in_list(source)? };
        let classes: BTreeSet<&String> = labelled.values().collect();
        if classes.is_empty() {
            let accepted = format!(
                "no file of a class found; accepted are CLASS/NAME with an ending of {}, or a CSV file of lines {HEADER}",
                extensions.join(", ")
            );
            return Err(Error::format(source, accepted));
        }
        let numbers: BTreeMap<&String, usize> = classes.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        let files = labelled.iter().map(|(path, label)| (path.clone(), numbers[label])).collect();
        Ok(Self { classes: classes.into_iter().cloned().collect(), files })
    }

    /// Parts each class by chance into files to train on and files to validate with, `share` of them but one at least. The same seed parts
    /// the same files alike.
    ///
    /// # Errors
    /// When there are fewer than two classes, a class has fewer than two files, or the share is not between 0 and 1.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::option("validation", share, "more than 0 and less than 1"));
        }
        if self.classes.len() < 2 {
            return Err(Error::option("classes", self.classes.join(", "), "two or more"));
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut training, mut validation) = (Vec::new(), Vec::new());
        for (class, name) in self.classes.iter().enumerate() {
            let mut files: Vec<_> = self.files.iter().filter(|(_, of)| *of == class).cloned().collect();
            if files.len() < 2 {
                let given = format!("{} file of {name}", files.len());
                return Err(Error::option("classes", given, "two or more files of each: one is kept for validation"));
            }
            files.shuffle(&mut random);
            let held_out = ((files.len() as f64 * share).round() as usize).clamp(1, files.len() - 1);
            validation.extend(files.drain(..held_out));
            training.extend(files);
        }
        let of = |files| Self { classes: self.classes.clone(), files };
        Ok((of(training), of(validation)))
    }

    /// Writes a CSV file that [`find`](Self::find) reads, with whole paths.
    ///
    /// # Errors
    /// When a path is no text, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let line = |(file, class): &(PathBuf, usize)| -> Result<String> {
            let whole = file.canonicalize().map_err(Error::io(file))?;
            let whole = whole.to_str().ok_or_else(|| Error::format(file, "its path is no UTF-8 text"))?;
            Ok(format!("{whole},{}\n", self.classes[*class]))
        };
        let lines = self.files.iter().map(line).collect::<Result<String>>()?;
        write_beside(path, |file| write!(file, "{HEADER}\n{lines}"))
    }
}

fn in_folders(source: &Path, extensions: &[&str]) -> Result<BTreeMap<PathBuf, String>> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(Error::io(folder))).collect()
    };
    let counts = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        path.is_file() && extensions.contains(&extension.as_str())
    };
    let mut labelled = BTreeMap::new();
    for folder in entries(source)?.into_iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::format(&folder, "its name is no UTF-8 text"))?.to_owned();
        labelled.extend(entries(&folder)?.into_iter().filter(counts).map(|file| (file, name.clone())));
    }
    Ok(labelled)
}

fn in_list(list: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let text = std::fs::read_to_string(list).map_err(Error::io(list))?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut labelled = BTreeMap::new();
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())) {
        if line.is_empty() || line == HEADER {
            continue;
        }
        let parts = line.rsplit_once(',').filter(|(path, label)| !path.is_empty() && !label.is_empty());
        let (path, label) =
            parts.ok_or_else(|| Error::format(list, format!("line {number}: accepted is {HEADER}, not {line}")))?;
        match labelled.insert(folder.join(path), label.to_owned()) {
            Some(other) if other != label => {
                return Err(Error::format(list, format!("line {number}: {path} is {other} and {label}: accepted is one label")));
            }
            _ => {}
        }
    }
    Ok(labelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for class in ["water", "dialogue"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            for file in ["a.mp4", "b.MP4", "c,d.mp4", "e.mp4", "notes.txt"] {
                std::fs::write(folder.path().join(class).join(file), "").unwrap();
            }
        }
        folder
    }

    #[test]
    fn folders_and_their_list_are_the_same() {
        let folder = folder();
        let found = LabelledFiles::find(folder.path(), &["mp4"]).unwrap();
        assert_eq!(found.classes, ["dialogue", "water"]);
        assert_eq!((found.files.len(), found.files[0].1, found.files[7].1), (8, 0, 1));
        let list = folder.path().join("list.csv");
        found.save(&list).unwrap();
        let listed = LabelledFiles::find(&list, &[]).unwrap();
        let names = |files: &LabelledFiles| -> Vec<_> {
            files.files.iter().map(|(path, class)| (path.file_name().unwrap().to_owned(), *class)).collect()
        };
        assert_eq!(names(&listed), names(&found));
    }

    #[test]
    fn every_class_is_on_both_sides_and_no_file_is() {
        let folder = folder();
        let found = LabelledFiles::find(folder.path(), &["mp4"]).unwrap();
        let (training, validation) = found.split(0.25, 7).unwrap();
        assert_eq!((training.files.len(), validation.files.len()), (6, 2));
        assert_eq!([validation.files[0].1, validation.files[1].1], [0, 1]);
        assert!(validation.files.iter().all(|file| !training.files.contains(file)));
        assert_eq!(found.split(0.25, 7).unwrap().1, validation);
        assert!((8..40).any(|seed| found.split(0.25, seed).unwrap().1 != validation));
        assert!(found.split(1.0, 7).unwrap_err().to_string().contains("less than 1"));
    }

    #[test]
    fn what_cannot_be_trained_on_is_named() {
        let folder = folder();
        let list = folder.path().join("list.csv");
        let found = |text: &str| {
            std::fs::write(&list, text).unwrap();
            LabelledFiles::find(&list, &["mp4"])
        };
        assert!(found("path,label\na.mp4\n").unwrap_err().to_string().contains("line 2"));
        assert!(found("a.mp4,x\na.mp4,y\n").unwrap_err().to_string().contains("x and y"));
        assert!(found("path,label\n").unwrap_err().to_string().contains("mp4"));
        assert!(found("a.mp4,x\nb.mp4,x\n").unwrap().split(0.5, 1).unwrap_err().to_string().contains("two or more"));
        assert!(found("a.mp4,x\nb.mp4,y\n").unwrap().split(0.5, 1).unwrap_err().to_string().contains("1 file of x"));
    }
}
