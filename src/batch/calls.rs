//! The model of a run: loaded once, called by several threads, so that what one call cannot share among the processors another one fills.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

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
pub(super) struct Calls {
    threads: Vec<Worker<Window, WindowAnswer>>,
    submitted: AtomicUsize,
}

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
        let thread = |_| {
            let options = WorkerOptions {
                name: job.name().to_owned(),
                capacity: 2 * job.batch_size().max(1),
                batch_size: job.batch_size(),
                batch_timeout: if job.batch_size() > 1 { BATCH_TIMEOUT } else { Duration::ZERO },
                threads: Threads::new(share)?,
            };
            let job = job.clone();
            Worker::spawn(&options, move |windows: &[Window]| job.answer(windows))
        };
        Ok(Self { threads: (0..threads).map(thread).collect::<Result<_>>()?, submitted: AtomicUsize::new(0) })
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Hands a window over, to each thread in its turn; waits while that has enough to do.
    ///
    /// # Errors
    /// When the model has stopped.
    pub(super) fn submit(&self, window: Window) -> Result<Ticket<WindowAnswer>> {
        let turn = self.submitted.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        self.threads[turn].submit(window)
    }

    /// How long the threads were at work together, and how many windows a call had in the mean.
    pub(super) fn stats(&self) -> (Duration, f64) {
        let stats: Vec<_> = self.threads.iter().map(Worker::stats).collect();
        let (calls, windows) = stats.iter().fold((0, 0), |(calls, windows), one| (calls + one.calls, windows + one.windows_out));
        (stats.iter().map(|one| one.busy).sum(), if calls == 0 { 0.0 } else { windows as f64 / calls as f64 })
    }
}
