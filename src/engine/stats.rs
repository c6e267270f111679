//! What a worker measures of itself.

use std::time::Duration;

/// How many of the latest model calls the quantiles look at.
const REMEMBERED: usize = 1024;

/// What a worker has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerStats {
    /// Windows submitted.
    pub windows_in: u64,
    /// Windows answered, errors included.
    pub windows_out: u64,
    /// Windows whose ticket was dropped before their turn came.
    pub windows_dropped: u64,
    /// Model calls.
    pub calls: u64,
    /// Median time of the latest calls.
    pub p50: Duration,
    /// 99th percentile of the time of the latest calls.
    pub p99: Duration,
    /// Mean number of windows in a call; 0 before the first.
    pub mean_batch: f64,
    /// Time spent in calls.
    pub busy: Duration,
}

/// The running record behind [`WorkerStats`].
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) windows_in: u64,
    pub(super) windows_dropped: u64,
    windows_out: u64,
    calls: u64,
    busy: Duration,
    latest: std::collections::VecDeque<Duration>,
}

impl Record {
    /// Notes one call that answered `windows` windows in `time`.
    pub(super) fn call(&mut self, windows: u64, time: Duration) {
        self.windows_out += windows;
        self.calls += 1;
        self.busy += time;
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(time);
    }

    pub(super) fn snapshot(&self) -> WorkerStats {
        let mut sorted: Vec<Duration> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        let quantile = |share: f64| {
            let at = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
        };
        WorkerStats {
            windows_in: self.windows_in,
            windows_out: self.windows_out,
            windows_dropped: self.windows_dropped,
            calls: self.calls,
            p50: quantile(0.50),
            p99: quantile(0.99),
            mean_batch: if self.calls == 0 { 0.0 } else { self.windows_out as f64 / self.calls as f64 },
            busy: self.busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_hundred_calls() {
        let mut record = Record::default();
        (1..=100).for_each(|ms| record.call(2, Duration::from_millis(ms)));
        let stats = record.snapshot();
        assert_eq!((stats.p50, stats.p99), (Duration::from_millis(50), Duration::from_millis(99)));
        assert_eq!((stats.windows_out, stats.mean_batch), (200, 2.0));
    }
}
