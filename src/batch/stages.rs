//! How busy each stage of a run is.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Time that the threads of each stage were at work, in nanoseconds. The model's is its worker's own.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub(super) decode: Busy,
    pub(super) windows: Busy,
    pub(super) write: Busy,
}

/// Time at work, over all threads of a stage.
#[derive(Debug, Default)]
pub(super) struct Busy(AtomicU64);

impl Busy {
    /// Does something and counts how long it takes.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = work();
        let time = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(time, Ordering::Relaxed);
        result
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
