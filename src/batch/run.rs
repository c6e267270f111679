//! A run: its stages on their threads, from the first file to the report.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, bounded};

use super::{
    Event, Input, Job, Report,
    calls::Calls,
    earlier::Earlier,
    folder::{self, OutputFolder},
    queue::Queue,
    report::Tally,
    results,
    stages::Stages,
    worker::{self, Shared},
    writer::Writer,
};
use crate::error::{Error, Result};

/// Events that may wait for whoever shows them.
const EVENTS: usize = 1024;

/// How a run goes about its work; results do not hang on it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything goes; made if it is missing.
    pub out: PathBuf,
    /// Go on with what is there; else the folder must not hold a run.
    pub resume: bool,
    /// Try files again that failed in an earlier run.
    pub retry_failed: bool,
    /// Files that are read at the same time, 1 or more.
    pub workers: usize,
    /// Model calls at the same time, 1 or more; the model is loaded once.
    pub model_calls: usize,
    /// How long a file may be waited for in all.
    pub time_limit: Option<Duration>,
    /// How long a file's decoder may give nothing at all.
    pub stall_limit: Duration,
    /// How long the parts of a long file are at least, above 0. There are no more of them than workers. Where packets are so damaged that
    /// frames are lost, parts of flow may overlap by these frames.
    pub part: Duration,
    /// The run ends when more than this share of the files has failed, 0 to 1.
    pub max_failure_rate: f64,
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    shared: Arc<Shared>,
    folder: Arc<OutputFolder>,
    calls: Arc<Calls>,
    workers: Vec<JoinHandle<()>>,
    writer: JoinHandle<Result<Tally>>,
    begin: Instant,
}

impl Run {
    /// Begins a run. Its [`events`](Self::events) have to be taken, or it stands still.
    ///
    /// # Errors
    /// When a setting is not accepted, the folder cannot be written to, another run has it, or it holds another run's results.
    pub fn start(job: Job, inputs: Vec<Input>, settings: &Settings) -> Result<Self> {
        if settings.workers == 0 {
            return Err(Error::option("workers", 0, "1 or more"));
        }
        let folder = Arc::new(OutputFolder::open(&settings.out)?);
        let there = folder::journal(folder.path()).exists();
        if there && !settings.resume {
            return Err(Error::format(
                &settings.out,
                "the folder holds a run; give --resume to go on with it, or take another folder",
            ));
        }
        let earlier = Earlier::of(folder.path(), settings.retry_failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            names: inputs.iter().map(|input| input.id.as_str().into()).collect(),
            queue: Queue::new(inputs.len()),
            given_up: inputs.iter().map(|_| AtomicBool::new(false)).collect(),
            inputs,
            earlier,
            stages: Arc::new(Stages::default()),
            stop: stop.clone(),
            time_limit: settings.time_limit,
            stall_limit: settings.stall_limit,
            workers: settings.workers,
            part: settings.part,
            job: job.clone(),
        });
        let (event_sender, events) = bounded(EVENTS);
        let writer = Writer::open(shared.clone(), folder.clone(), event_sender.clone(), settings.max_failure_rate)?;
        let calls = Arc::new(Calls::new(&job, settings.model_calls)?);
        let (sender, messages) = bounded(2 * settings.model_calls * job.batch_size() + settings.workers);
        let begin = Instant::now();
        let workers = (0..settings.workers).map(|number| {
            let (shared, calls, sender, events) = (shared.clone(), calls.clone(), sender.clone(), event_sender.clone());
            thread("windows", move || worker::work(number, &shared, &calls, &sender, &events))
        });
        let workers = workers.collect::<Result<Vec<_>>>()?;
        let stop_all = stop.clone();
        let write = move || {
            let tally = writer.run(&messages);
            // Nobody waits for a file that nobody can write about.
            stop_all.fetch_or(tally.is_err(), Ordering::Relaxed);
            tally
        };
        let writer = thread("write", write)?;
        Ok(Self { events, stop, shared, folder, calls, workers, writer, begin })
    }

    /// What happens, until the channel ends with the run.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Begins nothing new: what is under way ends.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the end, and writes the report and the tables.
    ///
    /// # Errors
    /// When the folder could not be written to, or the model stopped. What is there is whole, and the next run goes on with it.
    pub fn finish(self) -> Result<Report> {
        let Self { events, shared, folder, calls, workers, writer, begin, .. } = self;
        drop(events);
        let threads = workers.len();
        let tally = writer.join().map_err(|_| Error::Stopped { model: "write".into(), reason: "it panicked".into() })?;
        for worker in workers {
            worker.join().map_err(|_| Error::Stopped { model: "windows".into(), reason: "it panicked".into() })?;
        }
        let (tally, elapsed, (model_time, mean_batch)) = (tally?, begin.elapsed(), calls.stats());
        let stages = [
            ("decode", threads, shared.stages.decode.time()),
            ("windows", threads, shared.stages.windows.time()),
            ("model", calls.threads(), model_time),
            ("write", 1, shared.stages.write.time()),
        ];
        results::settle(folder.path(), tally.stale_rows)?;
        let report = Report::new(shared.job.header(), tally, elapsed, &stages, mean_batch);
        report.write(folder.path())?;
        Ok(report)
    }
}

fn thread<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    let refused = |error: std::io::Error| Error::Stopped { model: name.to_owned(), reason: error.to_string() };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(refused)
}
