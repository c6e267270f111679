//! `journal.jsonl`: what happened to every file, in the order in which it happened. Together with the rows it says where to go on.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Shard,
    lines::{self, Lines},
};
use crate::error::{Error, Result};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Entry {
    /// The first line: what the folder is for.
    Run(Header),
    /// A file was begun, or begun again because its content has changed. Rows with another key do not count any more.
    Begun {
        file: String,
        key: String,
        /// The part of its windows that this run does, where others do the rest.
        #[serde(default, skip_serializing_if = "Shard::is_whole")]
        share: Shard,
    },
    /// All of its windows, or those of its part, are there, and what is made of them.
    Done {
        file: String,
        windows: u64,
        seconds: f64,
        /// Packets and pictures that were damaged, as far as this run read the file; what several parts of it met, each counts.
        #[serde(default, skip_serializing_if = "is_zero")]
        damaged: u64,
    },
    /// It failed.
    Failed { file: String, cause: String, detail: String },
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Entry {
    /// The line, its end included.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("text and numbers are always JSON") + "\n"
    }
}

/// What the results in a folder hang on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) schema: u32,
    pub(super) task: String,
    pub(super) model: String,
    pub(super) options: String,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// None where it failed before its content could be looked at.
    pub(super) key: Option<String>,
    /// The part of its windows that this is about.
    pub(super) share: Shard,
    pub(super) state: State,
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Some of its windows may be there.
    Begun,
    Done {
        windows: u64,
        seconds: f64,
        damaged: u64,
    },
    Failed {
        cause: String,
        detail: String,
    },
}

/// What a journal says, line after line.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) header: Option<Header>,
    pub(super) files: HashMap<String, Known>,
}

impl History {
    /// Reads a journal; a missing one says nothing.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut history = Self::default();
        lines::read(path, |entry, _| {
            history.take(entry);
            Ok(())
        })?;
        Ok(history)
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Run(header) => self.header = Some(header),
            Entry::Begun { file, key, share } => {
                self.files.insert(file, Known { key: Some(key), share, state: State::Begun });
            }
            Entry::Done { file, windows, seconds, damaged } => self.end(file, State::Done { windows, seconds, damaged }),
            Entry::Failed { file, cause, detail } => self.end(file, State::Failed { cause, detail }),
        }
    }

    fn end(&mut self, file: String, state: State) {
        self.files.entry(file).or_insert(Known { key: None, share: Shard::default(), state: State::Begun }).state = state;
    }

    /// Whether a row of a file counts: it was made of the content that was begun last.
    pub(super) fn counts(&self, file: &str, key: &str) -> bool {
        self.files.get(file).is_some_and(|known| known.key.as_deref() == Some(key))
    }
}

/// The journal of a run, open for more.
#[derive(Debug)]
pub(super) struct Journal(Lines);

impl Journal {
    /// Opens the journal of a run like `header`; `history` is what it says so far.
    ///
    /// # Errors
    /// When the folder is of another task, model or options.
    pub(super) fn open(path: &Path, header: Header, history: &History) -> Result<Self> {
        let mut journal = Self(Lines::open(path)?);
        match &history.header {
            None => journal.write(&Entry::Run(header))?,
            Some(earlier) if *earlier == header => {}
            Some(earlier) => return Err(Error::format(path, difference(earlier, &header))),
        }
        Ok(journal)
    }

    /// Adds a line.
    pub(super) fn write(&mut self, entry: &Entry) -> Result<()> {
        self.0.append(&entry.line())
    }

    /// Makes sure that all lines are on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.0.sync()
    }
}

/// What is different between the run that began a folder and this one.
pub(super) fn difference(earlier: &Header, now: &Header) -> String {
    let parts = [
        ("schema", earlier.schema.to_string(), now.schema.to_string()),
        ("task", earlier.task.clone(), now.task.clone()),
        ("model", earlier.model.clone(), now.model.clone()),
        ("options", earlier.options.clone(), now.options.clone()),
    ];
    let differs = parts.iter().find(|(_, earlier, now)| earlier != now);
    let (name, earlier, now) = differs.unwrap_or(&parts[0]);
    format!("the folder holds results of another {name}, {earlier}; this is {now}: take the same, or another folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(model: &str) -> Header {
        Header { schema: 1, task: "flow".into(), model: model.into(), options: "o".into() }
    }

    #[test]
    fn the_last_word_on_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path, header("m"), &History::default()).unwrap();
        let begun = |file: &str, key: &str| Entry::Begun { file: file.into(), key: key.into(), share: Shard::default() };
        let failed = |file: &str| Entry::Failed { file: file.into(), cause: "c".into(), detail: "d".into() };
        let done = Entry::Done { file: "a".into(), windows: 3, seconds: 1.5, damaged: 2 };
        for entry in [begun("a", "1"), failed("a"), begun("b", "1"), begun("a", "2"), done, failed("gone")] {
            journal.write(&entry).unwrap();
        }
        let history = History::read(&path).unwrap();
        let known = |file: &str| history.files[file].clone();
        assert_eq!(
            known("a"),
            Known { key: Some("2".into()), share: Shard::default(), state: State::Done { windows: 3, seconds: 1.5, damaged: 2 } }
        );
        assert_eq!(known("b").state, State::Begun);
        assert_eq!(known("gone").key, None);
        assert!(history.counts("a", "2") && !history.counts("a", "1") && !history.counts("c", "1"));

        assert!(Journal::open(&path, header("m"), &history).is_ok());
        let message = Journal::open(&path, header("other"), &history).unwrap_err().to_string();
        assert!(message.contains("journal.jsonl") && message.contains("model, m; this is other"), "{message}");
    }
}
