//! The model of a run: loaded once, called by several threads, so that what one call cannot share among the processors another one fills.

use std::{num::NonZeroUsize, time::Duration};

use super::{
    Job,
    windows::{Window, WindowAnswer},
};
use crate::{
    compute::Threads,
    engine::{Ticket, Worker, WorkerOptions},
    error::{Error, Result},
};

/// How long the first window of a call waits for others.
const BATCH_TIMEOUT: Duration = Duration::from_millis(20);

/// The threads that call the model.
#[derive(Debug)]
pub(super) struct Calls(Worker<Window, WindowAnswer>);

impl Calls {
    /// Starts so many threads, which share the processors that the caller computes on.
    ///
    /// # Errors
    /// When there are to be none, or the system refuses one.
    pub(super) fn new(job: &Job, threads: usize) -> Result<Self> {
        if threads == 0 {
            return Err(Error::option("model-calls", 0, "1 or more"));
        }
        let share = NonZeroUsize::new(rayon::current_num_threads() / threads).unwrap_or(NonZeroUsize::MIN);
        let options = WorkerOptions {
            name: job.name().to_owned(),
            capacity: 2 * job.batch_size().max(1) * threads,
            batch_size: job.batch_size(),
            batch_timeout: if job.batch_size() > 1 { BATCH_TIMEOUT } else { Duration::ZERO },
            threads: Threads::new(share)?,
        };
        let call = || {
            let job = job.clone();
            move |windows: &[Window]| job.answer(windows)
        };
        let mut worker = Worker::spawn(&options, call())?;
        (1..threads).try_for_each(|_| worker.add(Threads::new(share)?, call()))?;
        Ok(Self(worker))
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.0.threads()
    }

    /// Hands a window over, to whichever thread is free first; waits while all have enough to do.
    ///
    /// # Errors
    /// When the model has stopped.
    pub(super) fn submit(&self, window: Window) -> Result<Ticket<WindowAnswer>> {
        self.0.submit(window)
    }

    /// How long the threads were at work together, and how many windows a call had in the mean.
    pub(super) fn stats(&self) -> (Duration, f64) {
        let stats = self.0.stats();
        (stats.busy, stats.mean_batch)
    }
}
