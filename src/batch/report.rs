//! `report.json`: what a run did, how fast, and what failed.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::{folder, journal::Header};
use crate::{
    error::{Error, Result},
    formats::write_beside,
};

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the rows.
    pub schema: u32,
    /// `flow`, `classify`, `encode` or `reconstruct`.
    pub task: String,
    /// SHA-256 of the model.
    pub model: String,
    /// The options that the results hang on, in words.
    pub options: String,
    /// What became of the files.
    pub files: FileCounts,
    /// Windows that this run made.
    pub windows: u64,
    /// Seconds of media that they stand for.
    pub media_seconds: f64,
    /// Seconds that the run took, without loading the model.
    pub elapsed_seconds: f64,
    /// Hours of media in an hour.
    pub media_hours_per_hour: f64,
    /// How busy the stages were, from the first to the last.
    pub stages: Vec<StageUse>,
    /// Mean number of windows in a model call.
    pub mean_batch: f64,
    /// How many files failed, by what they failed of.
    pub failures_by_cause: BTreeMap<String, u64>,
    /// Every file that failed.
    pub failures: Vec<Failure>,
    /// Every file that is done although packets or pictures of it are damaged: its windows show what could be decoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Of merged runs, the shards that were planned and not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<String>,
    /// Of merged runs, the files that were planned or begun and are neither done nor failed, as far as a plan or a journal names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
    /// Why the run ended before all files had their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

/// What became of the files of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    /// All of them.
    pub total: u64,
    /// Done, in this run or an earlier one.
    pub done: u64,
    /// Of those, done in an earlier run.
    pub done_earlier: u64,
    /// Failed, in this run or an earlier one.
    pub failed: u64,
    /// Neither done nor failed.
    pub unfinished: u64,
}

/// How busy a stage was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageUse {
    /// `decode`, `windows`, `model` or `write`.
    pub stage: String,
    /// How many threads it has.
    pub threads: usize,
    /// Seconds that they were at work, together.
    pub busy_seconds: f64,
    /// The share of the run that a thread of it was at work, in the mean: 0 to 1.
    pub utilisation: f64,
}

/// A file that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Its id.
    pub file: String,
    /// What failures like it are counted under.
    pub cause: String,
    /// The whole message.
    pub detail: String,
}

/// A file that is done although not all of it could be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Its id.
    pub file: String,
    /// Packets and pictures that could not be decoded, or only in part.
    pub packets: u64,
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// Somebody asked for it.
    Interrupted,
    /// Too many files failed.
    TooManyFailures,
}

/// What is counted while a run goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) files: FileCounts,
    pub(super) windows: u64,
    pub(super) media: Duration,
    pub(super) failures: Vec<Failure>,
    pub(super) damaged: Vec<Damaged>,
    pub(super) stopped: Option<Stopped>,
    /// Whether there are rows that do not count any more.
    pub(super) stale_rows: bool,
}

impl Report {
    /// The report of a run that took `elapsed`. Each stage comes with its threads and the time that they were at work.
    pub(super) fn new(
        header: Header,
        tally: Tally,
        elapsed: Duration,
        stages: &[(&str, usize, Duration)],
        mean_batch: f64,
    ) -> Self {
        let seconds = elapsed.as_secs_f64();
        let share = |part: f64| if seconds > 0.0 { part / seconds } else { 0.0 };
        let stage = |&(stage, threads, busy): &(&str, usize, Duration)| StageUse {
            stage: stage.to_owned(),
            threads,
            busy_seconds: busy.as_secs_f64(),
            utilisation: share(busy.as_secs_f64() / threads.max(1) as f64),
        };
        let Tally { files, windows, media, mut failures, mut damaged, stopped, .. } = tally;
        failures.sort_by(|a, b| a.file.cmp(&b.file));
        damaged.sort_by(|a, b| a.file.cmp(&b.file));
        let Header { schema, task, model, options } = header;
        Self {
            schema,
            task,
            model,
            options,
            files: FileCounts { unfinished: files.total - files.done - files.failed, ..files },
            windows,
            media_seconds: media.as_secs_f64(),
            elapsed_seconds: seconds,
            media_hours_per_hour: share(media.as_secs_f64()),
            stages: stages.iter().map(stage).collect(),
            mean_batch,
            failures_by_cause: by_cause(&failures),
            failures,
            damaged,
            missing_shards: Vec::new(),
            unfinished: Vec::new(),
            stopped,
        }
    }

    /// Whether every file has had its turn.
    pub fn is_complete(&self) -> bool {
        self.files.unfinished == 0 && self.missing_shards.is_empty()
    }

    /// Reads the report of a folder.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder::report(folder);
        let text = std::fs::read(&path).map_err(Error::io(&path))?;
        serde_json::from_slice(&text).map_err(|error| Error::format(&path, error.to_string()))
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_beside(folder::report(folder), |file| Ok(serde_json::to_writer_pretty(file, self)?))
    }
}

/// How many files failed of what.
pub(super) fn by_cause(failures: &[Failure]) -> BTreeMap<String, u64> {
    failures.iter().fold(BTreeMap::new(), |mut counts, failure| {
        *counts.entry(failure.cause.clone()).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_speeds_follow_from_times() {
        let header = Header { schema: 1, task: "flow".into(), model: "m".into(), options: "o".into() };
        let failure = |file: &str, cause: &str| Failure { file: file.into(), cause: cause.into(), detail: String::new() };
        let tally = Tally {
            files: FileCounts { total: 10, done: 6, done_earlier: 1, failed: 3, unfinished: 0 },
            windows: 100,
            media: Duration::from_secs(50),
            failures: vec![failure("c", "x"), failure("a", "y"), failure("b", "x")],
            damaged: vec![Damaged { file: "d".into(), packets: 2 }],
            stopped: None,
            stale_rows: false,
        };
        let stages = [("decode", 2, Duration::from_secs(5)), ("model", 1, Duration::from_secs(9))];
        let report = Report::new(header, tally, Duration::from_secs(10), &stages, 2.0);
        assert_eq!((report.files.unfinished, report.media_hours_per_hour), (1, 5.0));
        assert_eq!(report.stages.iter().map(|stage| stage.utilisation).collect::<Vec<_>>(), [0.25, 0.9]);
        assert_eq!(report.failures_by_cause.into_iter().collect::<Vec<_>>(), [("x".to_owned(), 2), ("y".to_owned(), 1)]);
        assert_eq!(report.failures[0].file, "a");
    }
}
