//! The last stage: answers to rows and files, in the order of the windows, and what happened to the journal.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use crossbeam_channel::{Receiver, Sender};

use super::{
    Event, cause,
    earlier::{Kept, Progress, Verdict},
    folder::{self, OutputFolder},
    journal::{Entry, Journal},
    lines::Lines,
    product::Product,
    reading::Opened,
    report::{Damaged, Failure, FileCounts, Stopped, Tally},
    row::{Row, SCHEMA},
    worker::{End, Message, Shared, Submitted},
};
use crate::error::{Error, Result};

/// Writes everything a run leaves.
pub(super) struct Writer {
    shared: Arc<Shared>,
    folder: Arc<OutputFolder>,
    rows: Lines,
    journal: Journal,
    events: Sender<Event>,
    open: HashMap<usize, OpenFile>,
    tally: Tally,
    /// More failures than this end the run.
    most_failures: u64,
}

/// A file some of whose parts are under way.
struct OpenFile {
    key: String,
    parts_left: usize,
    progress: Progress,
    /// None where it could not even be begun.
    product: Option<Product>,
    failure: Option<Failed>,
    /// Packets and pictures that its parts met and that are damaged.
    damaged: u64,
    stopped: bool,
}

/// What went wrong with a file.
struct Failed {
    cause: String,
    detail: String,
}

impl Failed {
    fn of(error: &Error) -> Self {
        Self { cause: cause::of(error), detail: error.to_string() }
    }
}

impl Writer {
    /// Opens the rows and the journal of a folder.
    pub(super) fn open(
        shared: Arc<Shared>,
        folder: Arc<OutputFolder>,
        events: Sender<Event>,
        max_failure_rate: f64,
    ) -> Result<Self> {
        let path: &Path = folder.path();
        let journal = Journal::open(&folder::journal(path), shared.job.header(), &shared.earlier.history)?;
        let rows = Lines::open(&folder::results(path))?;
        let total = shared.inputs.len() as u64;
        let most_failures = (total as f64 * max_failure_rate) as u64;
        let files = FileCounts { total, ..FileCounts::default() };
        let tally = Tally { files, stale_rows: shared.earlier.stale_rows, ..Tally::default() };
        Ok(Self { shared, folder, rows, journal, events, open: HashMap::new(), tally, most_failures })
    }

    /// Writes what comes, until nothing can come any more.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the model has stopped. What is there stays whole.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> Result<Tally> {
        let stages = self.shared.stages.clone();
        for message in messages {
            match message {
                Message::Opened { file, key, opened, parts } => stages.write.during(|| self.begin(file, key, opened, parts))?,
                Message::Window(submitted) => {
                    // The wait is the model's time.
                    let answer = submitted.answer.wait();
                    stages.write.during(|| match answer {
                        Ok(answer) => self.write(&submitted, answer),
                        Err(error) => self.fail(submitted.file, error),
                    })?;
                }
                Message::Ended { file, end } => stages.write.during(|| self.end(file, end))?,
            }
        }
        self.rows.sync()?;
        self.journal.sync()?;
        if self.tally.stopped.is_none() && self.shared.stop.load(Ordering::Relaxed) {
            self.tally.stopped = Some(Stopped::Interrupted);
        }
        Ok(self.tally)
    }

    fn begin(&mut self, file: usize, key: String, opened: Opened, parts_left: usize) -> Result<()> {
        let input = &self.shared.inputs[file];
        let progress = self.shared.earlier.progress_of(input, &key).cloned().unwrap_or_default();
        self.tally.stale_rows |= self.shared.earlier.had_other_content(input, &key);
        self.journal.write(&Entry::Begun { file: input.id.clone(), key: key.clone(), share: input.share })?;
        let product = Product::open(&self.folder, self.shared.job.with(&input.options), input, opened);
        let (product, failure) = match product {
            Ok(product) => (Some(product), None),
            Err(error) => (None, Some(self.refused(file, error)?)),
        };
        self.open.insert(file, OpenFile { key, parts_left, progress, product, failure, damaged: 0, stopped: false });
        Ok(())
    }

    /// A file's failure of an error in writing what it becomes; nothing more is made of the file then.
    ///
    /// # Errors
    /// With that error, where it will meet all other files too.
    fn refused(&self, file: usize, error: Error) -> Result<Failed> {
        if self.folder.ends_run(&error) {
            return Err(error);
        }
        self.shared.given_up[file].store(true, Ordering::Relaxed);
        Ok(Failed { cause: cause::of_output(&error), detail: error.to_string() })
    }

    fn write(&mut self, submitted: &Submitted, answer: super::windows::WindowAnswer) -> Result<()> {
        let &Submitted { worker, file, window, time, duration, media, .. } = submitted;
        let Some(open) = self.open.get_mut(&file) else { return Ok(()) };
        let Some(product) = &mut open.product else { return Ok(()) };
        let mut row = Row {
            schema: SCHEMA,
            file: self.shared.inputs[file].id.clone(),
            key: open.key.clone(),
            window,
            start: time.as_secs_f64(),
            duration: duration.as_secs_f64(),
            task: self.shared.job.name().to_owned(),
            model: self.shared.job.model_hash().to_owned(),
            labels: None,
            flow: None,
            flow_file: None,
            latents_file: None,
            latents_offset: None,
            media_file: None,
        };
        if let Err(error) = product.take(&mut row, answer, &self.folder) {
            let failed = self.refused(file, error)?;
            self.note(file, failed);
            return Ok(());
        }
        self.rows.append(&row.line())?;
        let kept = Kept { time, duration, labels: row.labels.unwrap_or_default() };
        open.progress.add(window, kept, self.shared.job.collects());
        self.tally.windows += 1;
        self.tally.media += media;
        let file = self.shared.names[file].clone();
        let _ = self.events.send(Event::Window { worker, file, end: time + duration, media });
        Ok(())
    }

    /// Notes the first failure of a file that is open; the end of a run where it is not the file's.
    fn fail(&mut self, file: usize, error: Error) -> Result<()> {
        if matches!(error, Error::Stopped { .. }) {
            return Err(error);
        }
        self.note(file, Failed::of(&error));
        Ok(())
    }

    /// Of several failures of a file the first counts.
    fn note(&mut self, file: usize, failed: Failed) {
        if let Some(open) = self.open.get_mut(&file) {
            open.failure.get_or_insert(failed);
        }
    }

    fn end(&mut self, file: usize, end: End) -> Result<()> {
        if !self.open.contains_key(&file) {
            return self.end_unopened(file, end);
        }
        match (end, self.open.get_mut(&file)) {
            (End::Failed(error), _) => self.fail(file, error)?,
            (End::Whole { damaged }, Some(open)) => open.damaged += damaged,
            (End::Stopped, Some(open)) => open.stopped = true,
            _ => {}
        }
        let Some(open) = self.open.get_mut(&file) else { return Ok(()) };
        open.parts_left -= 1;
        if open.parts_left > 0 {
            return Ok(());
        }
        let Some(open) = self.open.remove(&file) else { return Ok(()) };
        let OpenFile { progress, mut product, mut failure, damaged, stopped, .. } = open;
        if stopped {
            return Ok(());
        }
        let input = &self.shared.inputs[file];
        // Of a file that others share, some may have windows and this run none.
        if failure.is_none() && progress.windows.len() == 0 && input.share.is_whole() {
            let reason = "not a single window: accepted are longer files, or --partial-window pad";
            failure = Some(Failed::of(&Error::format(&input.path, reason)));
        }
        if let Some(Err(error)) = product.as_mut().map(|product| product.finish(&progress.kept)) {
            let failed = self.refused(file, error)?;
            failure.get_or_insert(failed);
        }
        match failure {
            Some(failed) => self.failed(file, failed),
            None => {
                let (windows, seconds) = (progress.windows.len(), progress.end.as_secs_f64());
                self.journal.write(&Entry::Done { file: input.id.clone(), windows, seconds, damaged })?;
                self.remove_spool(file)?;
                self.done(file, windows, damaged, false);
                Ok(())
            }
        }
    }

    /// The end of a file that did not come so far as to be opened in this run.
    fn end_unopened(&mut self, file: usize, end: End) -> Result<()> {
        match end {
            End::Failed(error) if matches!(error, Error::Stopped { .. }) => Err(error),
            End::Failed(error) => self.failed(file, Failed::of(&error)),
            End::Earlier(Verdict::Done { windows, damaged }) => {
                // A run that was killed right after it had said so.
                self.remove_spool(file)?;
                self.tally.files.done_earlier += 1;
                self.done(file, windows, damaged, true);
                Ok(())
            }
            End::Earlier(Verdict::Failed { cause, detail }) => {
                self.count_failure(file, cause, detail, true);
                Ok(())
            }
            End::Whole { .. } | End::Stopped => Ok(()),
        }
    }

    /// Removes what the windows of a file that is done were kept in. Left behind it takes space and does no harm.
    fn remove_spool(&self, file: usize) -> Result<()> {
        match Product::remove_spool(&self.folder, &self.shared.job, &self.shared.inputs[file]) {
            Err(error) if self.folder.ends_run(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn done(&mut self, file: usize, windows: u64, damaged: u64, earlier: bool) {
        self.tally.files.done += 1;
        if damaged > 0 {
            self.tally.damaged.push(Damaged { file: self.shared.inputs[file].id.clone(), packets: damaged });
        }
        let _ = self.events.send(Event::Done { file: self.shared.names[file].clone(), windows, damaged, earlier });
    }

    fn failed(&mut self, file: usize, Failed { cause, detail }: Failed) -> Result<()> {
        let entry = Entry::Failed { file: self.shared.inputs[file].id.clone(), cause: cause.clone(), detail: detail.clone() };
        self.journal.write(&entry)?;
        self.count_failure(file, cause, detail, false);
        Ok(())
    }

    fn count_failure(&mut self, file: usize, cause: String, detail: String, earlier: bool) {
        self.tally.files.failed += 1;
        if self.tally.files.failed > self.most_failures {
            self.tally.stopped = Some(Stopped::TooManyFailures);
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        let _ = self.events.send(Event::Failed { file: self.shared.names[file].clone(), detail: detail.clone(), earlier });
        self.tally.failures.push(Failure { file: self.shared.inputs[file].id.clone(), cause, detail });
    }
}
