//! Several runs of one job, of several shards or machines, to one folder.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    Shard,
    folder::{self, Artefact, OutputFolder},
    gaps::Plans,
    intervals::Intervals,
    journal::{Entry, Header, History, Known, State, difference},
    lines,
    report::{Damaged, Failure, FileCounts, Report, by_cause},
    results,
    row::Row,
};
use crate::{
    error::{Error, Result},
    formats::PendingFile,
};

/// A run to be merged. It is locked, so that nobody goes on with it meanwhile.
struct Part {
    folder: OutputFolder,
    history: History,
    report: Option<Report>,
}

/// Merges the runs in `folders` into `out`: rows, journal, report and products, which are linked where the file system can, else copied.
/// A folder is a run's, or one that shards have theirs in. A file that several runs had is taken from one that did it. What is merged can
/// be gone on with like any run.
///
/// What is not there is named in the report: shards that are missing, and files that were planned or begun and are neither done nor failed.
///
/// # Errors
/// When there is no run, one is not over, runs are of different jobs, or `out` cannot be written to or holds a run unless `overwrite`.
pub fn merge(folders: &[PathBuf], out: &Path, overwrite: bool) -> Result<Report> {
    let mut runs = Vec::new();
    for given in folders {
        let found = runs_in(given)?;
        if found.is_empty() {
            return Err(Error::format(given, "neither a run nor a folder of shards: there is no journal.jsonl"));
        }
        runs.extend(found.into_iter().filter(|run| run != out));
    }
    let target = OutputFolder::open(out)?;
    if folder::journal(out).exists() && !overwrite {
        return Err(Error::format(out, "the folder holds a run; give -y to overwrite it, or take another folder"));
    }
    let parts = runs.iter().map(|run| Part::open(run)).collect::<Result<Vec<_>>>()?;
    let header = one_header(&parts)?;
    let files = merged(&parts);
    write_rows(out, &parts, &files)?;
    write_journal(out, &header, &files)?;
    for part in &parts {
        for kind in Artefact::FOLDERS {
            link_all(&part.folder.path().join(kind), &target.path().join(kind))?;
        }
    }
    results::settle(out, false)?;
    let report = report(header, &parts, &files, &Plans::of(&runs)?);
    report.write(out)?;
    Ok(report)
}

impl Part {
    fn open(path: &Path) -> Result<Self> {
        let folder = OutputFolder::open(path)?;
        // A run that was killed has none, or that of the run before.
        let report = folder::report(path).exists().then(|| Report::read(path)).transpose()?;
        Ok(Self { history: History::read(&folder::journal(path))?, folder, report })
    }
}

/// The folder itself, or those below it that hold a run.
fn runs_in(given: &Path) -> Result<Vec<PathBuf>> {
    let is_run = |path: &Path| folder::journal(path).is_file();
    let entries = std::fs::read_dir(given).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(Error::io(given))?;
    let mut below: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    below.sort();
    Ok(if below.is_empty() && is_run(given) { vec![given.to_owned()] } else { below })
}

/// What all runs are of.
fn one_header(parts: &[Part]) -> Result<Header> {
    let mut headers = parts.iter().filter_map(|part| Some((part, part.history.header.clone()?)));
    let (_, first) = headers.next().ok_or_else(|| Error::option("DIR", "runs without a beginning", "folders of runs"))?;
    match headers.find(|(_, header)| *header != first) {
        Some((part, other)) => Err(Error::format(part.folder.path(), difference(&first, &other))),
        None => Ok(first),
    }
}

/// A file in the merged folder.
struct Merged {
    /// The runs that it is taken from.
    owners: Vec<usize>,
    known: Known,
}

/// From which runs each file is taken, by its id: from the first that did all of it, else from those that share it, else from the first that
/// knows it.
fn merged(parts: &[Part]) -> BTreeMap<&str, Merged> {
    let mut knowers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        part.history.files.keys().for_each(|file| knowers.entry(file).or_default().push(number));
    }
    let merge_one = |(file, knowers): (_, Vec<usize>)| {
        let known = |number: usize| &parts[number].history.files[file];
        let is_done = |number: &&usize| matches!(known(**number).state, State::Done { .. });
        let did_all = knowers.iter().filter(is_done).find(|&&number| known(number).share.is_whole());
        let owners = match (did_all, knowers.iter().find(|&&number| !known(number).share.is_whole())) {
            (Some(&number), _) => vec![number],
            (None, Some(&sharer)) => {
                let shares = (0..known(sharer).share.count).map(|index| Shard { index, ..known(sharer).share });
                let has = |share| knowers.iter().filter(move |&&number| known(number).share == share);
                shares.filter_map(|share| has(share).find(is_done).or(has(share).next()).copied()).collect()
            }
            (None, None) => vec![knowers[0]],
        };
        let known = together(&owners.iter().map(|&number| known(number)).collect::<Vec<_>>());
        (file, Merged { owners, known })
    };
    knowers.into_iter().map(merge_one).collect()
}

/// What is known of a file by those that share it, or by the one that has it.
fn together(shares: &[&Known]) -> Known {
    let first = shares[0];
    if first.share.is_whole() {
        return first.clone();
    }
    let failed = shares.iter().find(|known| matches!(known.state, State::Failed { .. }));
    let done = |known: &&Known| match known.state {
        State::Done { windows, seconds, damaged } if known.key == first.key => Some((windows, seconds, damaged)),
        _ => None,
    };
    let all: Option<Vec<(u64, f64, u64)>> = shares.iter().map(done).collect();
    let state = match (failed, all.filter(|all| all.len() == first.share.count)) {
        (Some(failed), _) => failed.state.clone(),
        (None, Some(all)) => {
            let seconds = all.iter().map(|(_, seconds, _)| *seconds).fold(0.0, f64::max);
            let sum = |of: fn(&(u64, f64, u64)) -> u64| all.iter().map(of).sum();
            State::Done { windows: sum(|share| share.0), seconds, damaged: sum(|share| share.2) }
        }
        // What is missing is done when the merged run is gone on with.
        (None, None) => State::Begun,
    };
    Known { key: first.key.clone(), share: Shard::default(), state }
}

fn write_rows(out: &Path, parts: &[Part], files: &BTreeMap<&str, Merged>) -> Result<()> {
    let path = folder::results(out);
    let mut pending = PendingFile::create(&path)?;
    let mut rows = std::io::BufWriter::new(pending.file());
    // Where a list was changed between two runs of a shard, it may have windows that are another's share now.
    let mut shared: HashMap<String, Intervals> = HashMap::new();
    for (number, part) in parts.iter().enumerate() {
        lines::read(&folder::results(part.folder.path()), |row: Row, line| {
            let merged = files.get(row.file.as_str()).filter(|merged| merged.owners.contains(&number));
            if merged.is_some_and(|merged| {
                let counts = merged.known.key.as_ref() == Some(&row.key);
                counts && (merged.owners.len() == 1 || shared.entry(row.file).or_default().insert(row.window))
            }) {
                rows.write_all(line.as_bytes()).map_err(Error::io(&path))?;
            }
            Ok(())
        })?;
    }
    rows.flush().map_err(Error::io(&path))?;
    drop(rows);
    pending.publish()
}

fn write_journal(out: &Path, header: &Header, files: &BTreeMap<&str, Merged>) -> Result<()> {
    let path = folder::journal(out);
    let mut pending = PendingFile::create(&path)?;
    let mut text = Entry::Run(header.clone()).line();
    for (&file, Merged { known, .. }) in files {
        let file = file.to_owned();
        let share = known.share;
        text.extend(known.key.clone().map(|key| Entry::Begun { file: file.clone(), key, share }.line()));
        match known.state.clone() {
            State::Begun => {}
            State::Done { windows, seconds, damaged } => text += &Entry::Done { file, windows, seconds, damaged }.line(),
            State::Failed { cause, detail } => text += &Entry::Failed { file, cause, detail }.line(),
        }
    }
    pending.file().write_all(text.as_bytes()).map_err(Error::io(&path))?;
    pending.publish()
}

/// Puts every file below `from` also below `to`; hidden ones are unfinished, and stay.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io(from))?,
    };
    std::fs::create_dir_all(to).map_err(Error::io(to))?;
    for entry in entries {
        let source = entry.map_err(Error::io(from))?.path();
        let Some(name) = source.file_name().filter(|name| !name.to_string_lossy().starts_with('.')) else { continue };
        let target = to.join(name);
        if source.is_dir() {
            link_all(&source, &target)?;
        } else {
            let _ = std::fs::remove_file(&target);
            let linked = std::fs::hard_link(&source, &target).or_else(|_| std::fs::copy(&source, &target).map(drop));
            linked.map_err(Error::io(&target))?;
        }
    }
    Ok(())
}

/// One report of all: machines work side by side, so the longest run is how long it took.
fn report(header: Header, parts: &[Part], merged: &BTreeMap<&str, Merged>, plans: &Plans) -> Report {
    let reports: Vec<&Report> = parts.iter().filter_map(|part| part.report.as_ref()).collect();
    let named: BTreeSet<&str> = merged.keys().copied().chain(plans.files()).collect();
    // Without a plan a run tells of files that it never came to only how many there are.
    let nameless = |part: &Part| {
        let total = part.report.as_ref().filter(|_| !plans.cover(part.folder.path())).map_or(0, |report| report.files.total);
        total.saturating_sub(part.history.files.len() as u64)
    };
    let total = named.len() as u64 + parts.iter().map(nameless).sum::<u64>();
    let mut files = FileCounts { total, ..FileCounts::default() };
    let (mut failures, mut damaged_files, mut unfinished) = (Vec::new(), Vec::new(), BTreeSet::new());
    for &file in &named {
        match merged.get(file).map(|merged| &merged.known.state) {
            None | Some(State::Begun) => drop(unfinished.insert(file)),
            Some(&State::Done { damaged, .. }) => {
                files.done += 1;
                damaged_files.extend((damaged > 0).then(|| Damaged { file: file.to_owned(), packets: damaged }));
            }
            Some(State::Failed { cause, detail }) => {
                failures.push(Failure { file: file.to_owned(), cause: cause.clone(), detail: detail.clone() });
            }
        }
    }
    files.failed = failures.len() as u64;
    files.unfinished = files.total - files.done - files.failed;
    let windows: u64 = reports.iter().map(|report| report.windows).sum();
    let media: f64 = reports.iter().map(|report| report.media_seconds).sum();
    let elapsed = reports.iter().map(|report| report.elapsed_seconds).fold(0.0, f64::max);
    let batches: f64 = reports.iter().map(|report| report.mean_batch * report.windows as f64).sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    Report {
        schema: header.schema,
        task: header.task,
        model: header.model,
        options: header.options,
        files,
        windows,
        media_seconds: media,
        elapsed_seconds: elapsed,
        media_hours_per_hour: share(media, elapsed),
        stages: stages(&reports),
        mean_batch: share(batches, windows as f64),
        failures_by_cause: by_cause(&failures),
        failures,
        damaged: damaged_files,
        missing_shards: plans.missing(&unfinished),
        unfinished: unfinished.into_iter().map(str::to_owned).collect(),
        stopped: reports.iter().find_map(|report| report.stopped),
    }
}

/// The stages of all runs together, each thread weighed by how long its run took.
fn stages(reports: &[&Report]) -> Vec<super::StageUse> {
    let Some(first) = reports.first() else { return Vec::new() };
    let mut stages = first.stages.clone();
    for (at, stage) in stages.iter_mut().enumerate() {
        let same = || reports.iter().filter_map(|report| Some((report.elapsed_seconds, report.stages.get(at)?)));
        let there: f64 = same().map(|(elapsed, stage)| elapsed * stage.threads as f64).sum();
        stage.threads = same().map(|(_, stage)| stage.threads).sum();
        stage.busy_seconds = same().map(|(_, stage)| stage.busy_seconds).sum();
        stage.utilisation = if there > 0.0 { stage.busy_seconds / there } else { 0.0 };
    }
    stages
}
