//! How fast the model is, and how fast it would have to be.

use std::{fmt, time::Duration};

use perceiverflow::engine::WorkerStats;

/// Two times that should be the other way round when the model cannot keep up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Mean time of a window in the model.
    model: Duration,
    /// From one window of the stream to the next; zero while unknown.
    stream: Duration,
}

impl Pace {
    /// Of a model with these statistics and windows that come every `stream`.
    pub(crate) fn new(stats: &WorkerStats, stream: Duration) -> Self {
        let model = u32::try_from(stats.windows_out).ok().and_then(|windows| stats.busy.checked_div(windows));
        Self { model: model.unwrap_or_default(), stream }
    }

    /// Seconds of the stream handled in a second of the model; at least 1 keeps up. None before the first window.
    pub(crate) fn factor(&self) -> Option<f64> {
        (!self.model.is_zero()).then(|| self.stream.as_secs_f64() / self.model.as_secs_f64())
    }

    /// The two times in milliseconds: the model's, the stream's.
    pub(crate) fn milliseconds(&self) -> [f64; 2] {
        [self.model, self.stream].map(|time| time.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a window takes the model {:.1?} and comes every {:.1?}", self.model, self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_known_after_the_first_window() {
        let second = Duration::from_secs(1);
        assert_eq!(Pace::new(&WorkerStats::default(), second).factor(), None);
        let stats = WorkerStats { windows_out: 4, busy: second, ..WorkerStats::default() };
        let pace = Pace::new(&stats, second / 2);
        assert_eq!(pace.factor(), Some(2.0));
        assert_eq!(pace.to_string(), "a window takes the model 250.0ms and comes every 500.0ms");
    }
}
