//! What earlier runs left in a folder: which files are done or have failed, and which windows of the others are there.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

use super::{
    Input, folder,
    intervals::Intervals,
    journal::{History, Known, State},
    lines,
    row::{Row, RowLabel},
};
use crate::error::Result;

/// The last word of an earlier run on a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Done { windows: u64, damaged: u64 },
    Failed { cause: String, detail: String },
}

/// What is kept of a window until its file is done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) time: Duration,
    pub(super) duration: Duration,
    pub(super) labels: Vec<RowLabel>,
}

/// Windows of a file that is not done.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) windows: Intervals,
    /// What the file's media or cues are made of; of earlier runs every window.
    pub(super) kept: BTreeMap<u64, Kept>,
    /// When the last of its windows ends.
    pub(super) end: Duration,
}

impl Progress {
    /// Notes a window; keeps it where the file becomes more than rows.
    pub(super) fn add(&mut self, window: u64, kept: Kept, keep: bool) {
        self.windows.insert(window);
        self.end = self.end.max(kept.time + kept.duration);
        if keep {
            self.kept.insert(window, kept);
        }
    }
}

/// Whether all of a file is there.
fn is_whole(known: &Known) -> bool {
    known.share.is_whole() && matches!(known.state, State::Done { .. })
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) history: History,
    progress: HashMap<String, Progress>,
    retry_failed: bool,
    /// Whether there are rows that do not count any more.
    pub(super) stale_rows: bool,
}

impl Earlier {
    /// Looks at a folder. `retry_failed` says whether what failed is to be tried again.
    ///
    /// # Errors
    /// When its journal or its rows cannot be read.
    pub(super) fn of(folder: &Path, retry_failed: bool) -> Result<Self> {
        let history = History::read(&folder::journal(folder))?;
        let mut progress: HashMap<String, Progress> = HashMap::new();
        let mut stale_rows = false;
        lines::read(&folder::results(folder), |row: Row, _| {
            if !history.counts(&row.file, &row.key) {
                stale_rows = true;
            } else if history.files.get(&row.file).is_none_or(|known| !is_whole(known)) {
                let kept = Kept { time: row.time(), duration: row.lasts(), labels: row.labels.unwrap_or_default() };
                progress.entry(row.file).or_default().add(row.window, kept, true);
            }
            Ok(())
        })?;
        Ok(Self { history, progress, retry_failed, stale_rows })
    }

    /// The verdict on a file that stays whatever its content is now: one whose content could never be looked at.
    pub(super) fn without_content(&self, input: &Input) -> Option<Verdict> {
        let known = self.history.files.get(&input.id).filter(|known| known.key.is_none())?;
        self.verdict(&known.state)
    }

    /// The verdict on a file with this key.
    pub(super) fn of_content(&self, input: &Input, key: &str) -> Option<Verdict> {
        let known = self.history.files.get(&input.id)?;
        let same = known.key.as_deref() == Some(key) && known.share == input.share;
        same.then(|| self.verdict(&known.state))?
    }

    /// The verdict on a file that is done, whatever became of it since.
    pub(super) fn done(&self, input: &Input) -> Option<Verdict> {
        let known = self.history.files.get(&input.id).filter(|known| known.share == input.share)?;
        self.verdict(&known.state).filter(|verdict| matches!(verdict, Verdict::Done { .. }))
    }

    fn verdict(&self, state: &State) -> Option<Verdict> {
        match state {
            &State::Done { windows, damaged, .. } => Some(Verdict::Done { windows, damaged }),
            State::Failed { cause, detail } if !self.retry_failed => {
                Some(Verdict::Failed { cause: cause.clone(), detail: detail.clone() })
            }
            State::Failed { .. } | State::Begun => None,
        }
    }

    /// Whether a file had other content, of which there may be rows.
    pub(super) fn had_other_content(&self, input: &Input, key: &str) -> bool {
        let known = self.history.files.get(&input.id).and_then(|known| known.key.as_deref());
        known.is_some_and(|known| known != key)
    }

    /// A window of a file with this key, if it is there.
    pub(super) fn window(&self, input: &Input, key: &str, window: u64) -> Option<&Kept> {
        self.progress_of(input, key)?.kept.get(&window)
    }

    /// The first window from `from` on of a file with this key that is not there.
    pub(super) fn first_missing(&self, input: &Input, key: &str, from: u64) -> u64 {
        self.progress_of(input, key).map_or(from, |progress| progress.windows.first_missing(from))
    }

    /// What is there of a file with this key that is not done.
    pub(super) fn progress_of(&self, input: &Input, key: &str) -> Option<&Progress> {
        self.progress.get(&input.id).filter(|_| self.history.counts(&input.id, key))
    }
}
