//! What the element has done, and when it says so.

use std::time::{Duration, Instant};

/// Why a window had no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The model could not keep up and the queue leaked.
    Leaked,
    /// Downstream said that it would come too late.
    Late,
    /// The timeline ended (a new segment or caps) while it waited, in a leaky element.
    Cut,
    /// The model refused it, in these words.
    Broken(String),
}

/// Counts of one element since it started.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) windows_in: u64,
    pub(crate) windows_out: u64,
    pub(crate) windows_dropped: u64,
    untold: Untold,
    told: Option<Instant>,
}

/// Losses of which nobody has been warned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) leaked: u64,
    pub(crate) late: u64,
    pub(crate) cut: u64,
    pub(crate) broken: u64,
    /// What the model said of the last broken one.
    pub(crate) fault: Option<String>,
}

impl Report {
    /// The least time between two warnings.
    const PAUSE: Duration = Duration::from_secs(1);

    /// Counts a lost window.
    pub(crate) fn lose(&mut self, loss: Loss) {
        self.windows_dropped += 1;
        match loss {
            Loss::Leaked => self.untold.leaked += 1,
            Loss::Late => self.untold.late += 1,
            Loss::Cut => self.untold.cut += 1,
            Loss::Broken(fault) => {
                self.untold.broken += 1;
                self.untold.fault = Some(fault);
            }
        }
    }

    /// The losses to warn of now: none within a second of the last warning.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Untold> {
        let early = self.told.is_some_and(|told| now.saturating_duration_since(told) < Self::PAUSE);
        if early { None } else { self.rest(now) }
    }

    /// All losses that were not warned of, at the end of a stream.
    pub(crate) fn rest(&mut self, now: Instant) -> Option<Untold> {
        let untold = std::mem::take(&mut self.untold);
        (untold != Untold::default()).then(|| {
            self.told = Some(now);
            untold
        })
    }

    /// Whether a warning about something else than losses is due; it then counts as given.
    pub(crate) fn may_warn(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= Self::PAUSE);
        if due {
            self.told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_a_second_and_every_loss_in_one_of_them() {
        let mut report = Report::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(report.due(start), None);
        report.lose(Loss::Leaked);
        assert_eq!(report.due(start), Some(Untold { leaked: 1, ..Untold::default() }));
        report.lose(Loss::Leaked);
        report.lose(Loss::Late);
        assert_eq!(report.due(after(999)), None);
        assert!(!report.may_warn(after(999)));
        assert_eq!(report.due(after(1000)), Some(Untold { leaked: 1, late: 1, ..Untold::default() }));
        report.lose(Loss::Broken("odd".into()));
        assert_eq!(report.rest(after(1001)), Some(Untold { broken: 1, fault: Some("odd".into()), ..Untold::default() }));
        assert_eq!(report.rest(after(1001)), None);
        assert!(report.may_warn(after(2001)));
        assert_eq!(report.windows_dropped, 4);
    }
}
