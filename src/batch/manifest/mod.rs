//! What a run works on: files, folders, patterns, addresses and lists of them, to inputs with an id each.

mod csv;
mod entry;
mod folder;
mod pattern;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub use entry::FileOptions;

use crossbeam_channel::bounded;
use rayon::prelude::*;

use super::Shard;
use crate::{
    error::{Error, Result},
    video_file::{MediaReader, is_address},
};

/// Who asks only how long a file lasts hears nothing of it.
const ANY_RATE: u32 = 8000;

/// One file of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Names the file wherever results go; no two of a run are alike.
    pub id: String,
    /// The file, or an address that libav reads.
    pub path: PathBuf,
    /// How long it lasts, where a list tells; so nobody has to open it for a plan.
    pub duration: Option<Duration>,
    /// What is different for this file.
    pub options: FileOptions,
    /// Which part of its windows is this run's.
    pub share: Shard,
}

impl Input {
    /// A file that is called as it was given.
    fn plain(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            id: path.to_string_lossy().into_owned(),
            path,
            duration: None,
            options: FileOptions::default(),
            share: Shard::default(),
        }
    }

    /// The id as a path below a folder, with nothing in it that leads out of there.
    pub(super) fn place(&self) -> PathBuf {
        let part = |part: &str| match part {
            "." | ".." => part.replace('.', "%2E"),
            other if other.starts_with('.') => format!("%2E{}", &other[1..]),
            other => other.replace(['\\', ':', '\0'], "_"),
        };
        let parts: PathBuf = self.id.split('/').filter(|text| !text.is_empty()).map(part).collect();
        if parts.as_os_str().is_empty() { PathBuf::from("_") } else { parts }
    }
}

/// Gathers the inputs that `given` names, in their order: a file is itself, a folder all media files below it (`except` is left out: the
/// run's own output), an address is itself, `*`, `?`, `[…]` and `**` make a pattern, and a list (`.jsonl`, `.ndjson`, `.csv`) names one
/// file in each line.
///
/// A file that does not exist is an input all the same: it fails when its turn comes, and stops nothing.
///
/// # Errors
/// When a list or a folder cannot be read, a pattern fits nothing, two inputs have one id, or there is none at all.
pub fn gather(given: &[PathBuf], except: &Path) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for given in given {
        let extension = given.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            // What looks like a pattern or a list in an address is the server's business.
            _ if is_address(given) => inputs.push(Input::plain(given)),
            _ if given.is_dir() => {
                inputs.extend(folder::media_files(given, &seen_from(given, except))?.into_iter().map(Input::plain));
            }
            Some("jsonl" | "ndjson") => inputs.extend(entry::of_json_lines(given, &text_of(given)?)?),
            Some("csv") => inputs.extend(entry::of_csv(given, &text_of(given)?)?),
            _ if !given.exists() && pattern::is_pattern(given) => {
                inputs.extend(pattern::matches(given)?.into_iter().map(Input::plain));
            }
            _ => inputs.push(Input::plain(given)),
        }
    }
    if inputs.is_empty() {
        return Err(Error::option("INPUTS", "no media file", "files, folders with media files, patterns or lists"));
    }
    distinct(inputs)
}

/// Asks every file that is there and has no duration yet how long it lasts: what makes shards last alike. What cannot be opened, or keeps
/// everybody waiting for longer than `patience`, stays without.
pub(super) fn measure(inputs: &mut [Input], patience: Duration) {
    measure_by(inputs, patience, |path| MediaReader::open(path, ANY_RATE).ok()?.duration());
}

fn measure_by(inputs: &mut [Input], patience: Duration, ask: fn(&Path) -> Option<Duration>) {
    inputs.par_iter_mut().filter(|input| input.duration.is_none() && input.path.is_file()).for_each(|input| {
        let (path, (sender, duration)) = (input.path.clone(), bounded(1));
        // On a thread of its own, which is left behind when its file hangs.
        let asked = std::thread::Builder::new().name("measure".into()).spawn(move || {
            // Nobody listens any more when this took too long.
            let _ = sender.send(ask(&path));
        });
        input.duration = asked.ok().and_then(|_| duration.recv_timeout(patience).ok()).flatten();
    });
}

/// The same file named twice the same way is one input; different files under one id are refused.
fn distinct(inputs: Vec<Input>) -> Result<Vec<Input>> {
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut kept: Vec<Input> = Vec::new();
    for input in inputs {
        match places.get(&input.place()).map(|&at| &kept[at]) {
            None => {
                places.insert(input.place(), kept.len());
                kept.push(input);
            }
            Some(other) if *other == input => {}
            Some(other) => {
                let both = format!("{} for {} and {}", input.id, other.path.display(), input.path.display());
                return Err(Error::option("id", both, "ids that differ, and not only in slashes and dots"));
            }
        }
    }
    Ok(kept)
}

/// What `except` is called below `folder`, however both were given; itself where it does not lie there.
fn seen_from(folder: &Path, except: &Path) -> PathBuf {
    let below = || Some(except.canonicalize().ok()?.strip_prefix(folder.canonicalize().ok()?).ok()?.to_owned());
    below().map_or_else(|| except.to_owned(), |below| folder.join(below))
}

fn text_of(list: &Path) -> Result<String> {
    std::fs::read_to_string(list).map_err(Error::io(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(inputs: &[Input]) -> Vec<&str> {
        inputs.iter().map(|input| input.id.as_str()).collect()
    }

    #[test]
    fn files_folders_patterns_and_lists() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["a/b", "out"] {
            std::fs::create_dir_all(path(folder)).unwrap();
        }
        for file in ["a/2.mp4", "a/b/1.MKV", "a/notes.txt", "a/.hidden.mp4", "out/seen.mp4"] {
            std::fs::write(path(file), "").unwrap();
        }
        let of = |given: &[PathBuf]| gather(given, &path("out"));
        let names = |inputs: Vec<Input>| -> Vec<String> {
            inputs.iter().map(|input| input.path.strip_prefix(root.path()).unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(of(&[root.path().into()]).unwrap()), ["a/2.mp4", "a/b/1.MKV"]);
        assert_eq!(names(of(&[path("a/*.mp4")]).unwrap()), ["a/2.mp4"]);
        assert_eq!(names(of(&[path("**/*.[mM][kK]?")]).unwrap()), ["a/b/1.MKV"]);
        assert_eq!(names(of(&[path("gone.mp4"), path("a/2.mp4"), path("a/2.mp4")]).unwrap()), ["gone.mp4", "a/2.mp4"]);
        assert!(of(&[path("a/*.avi")]).unwrap_err().to_string().contains("*.avi"));
        assert!(of(&[path("out")]).unwrap_err().to_string().contains("INPUTS"));

        std::fs::write(path("a/list.csv"), "id,path\nx,2.mp4\n\"y, z\",b/1.MKV\n").unwrap();
        let listed = of(&[path("a/list.csv")]).unwrap();
        assert_eq!(ids(&listed), ["x", "y, z"]);
        assert_eq!(listed[1].path, path("a/b/1.MKV"), "paths are relative to the list");
        std::fs::write(path("a/list.jsonl"), "{\"id\":\"x\",\"path\":\"2.mp4\"}\n\n{\"id\":\"x\",\"path\":\"b/1.MKV\"}\n")
            .unwrap();
        let message = of(&[path("a/list.jsonl")]).unwrap_err().to_string();
        assert!(message.contains("2.mp4") && message.contains("1.MKV"), "{message}");
    }

    #[test]
    fn a_file_that_hangs_is_not_measured() {
        let root = tempfile::tempdir().unwrap();
        let mut inputs = ["good", "hangs"].map(|name| Input::plain(root.path().join(name)));
        inputs.iter().for_each(|input| std::fs::write(&input.path, "").unwrap());
        measure_by(&mut inputs, Duration::from_millis(500), |path| {
            while path.ends_with("hangs") {
                std::thread::sleep(Duration::from_secs(1));
            }
            Some(Duration::from_secs(7))
        });
        assert_eq!(inputs.map(|input| input.duration), [Some(Duration::from_secs(7)), None]);
    }

    #[test]
    fn addresses_are_neither_patterns_nor_lists() {
        let given = ["http://host/a.mp4?token=x", "https://host/day[1].ts", "http://host/rows.csv", "s3+x://host/*.jsonl"];
        let inputs = gather(&given.map(PathBuf::from), Path::new("out")).unwrap();
        assert_eq!(ids(&inputs), given);
    }

    #[test]
    fn no_id_leads_out_of_a_folder() {
        let place = |id: &str| Input { id: id.into(), ..Input::plain("x") }.place().to_string_lossy().into_owned();
        assert_eq!(place("/data/../a/./b.mp4"), "data/%2E%2E/a/%2E/b.mp4");
        assert_eq!(place("a/.b.mp4"), "a/%2Eb.mp4");
        assert_eq!(place("http://host/clip.mp4"), "http_/host/clip.mp4");
        assert_eq!(place("//"), "_");
    }
}
