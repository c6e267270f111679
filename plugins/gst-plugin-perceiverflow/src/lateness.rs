//! Quality of service: which windows come too late to be worth computing.

/// Until when downstream has no use for frames, by its latest report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lateness {
    earliest: Option<gst::ClockTime>,
}

impl Lateness {
    /// Takes a report: the frame of running time `timestamp` came `jitter` nanoseconds late (negative: early). After a late one,
    /// catching up takes twice the delay, as video decoders reckon.
    pub(crate) fn report(&mut self, timestamp: Option<gst::ClockTime>, jitter: i64) {
        self.earliest = timestamp.and_then(|timestamp| {
            let jitter = if jitter > 0 { jitter.saturating_mul(2) } else { jitter };
            let shift = gst::ClockTime::from_nseconds(jitter.unsigned_abs());
            if jitter >= 0 { timestamp.checked_add(shift) } else { timestamp.checked_sub(shift) }
        });
    }

    /// Whether a frame of this running time would come too late.
    pub(crate) fn is_late(&self, running_time: Option<gst::ClockTime>) -> bool {
        matches!((self.earliest, running_time), (Some(earliest), Some(time)) if time < earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Option<gst::ClockTime> {
        Some(gst::ClockTime::from_mseconds(ms))
    }

    #[test]
    fn windows_before_the_time_of_recovery_are_late() {
        let mut lateness = Lateness::default();
        assert!(!lateness.is_late(ms(0)));
        lateness.report(ms(100), 20_000_000);
        assert!(lateness.is_late(ms(139)));
        assert!(!lateness.is_late(ms(140)));
        assert!(!lateness.is_late(None));
        lateness.report(ms(200), -50_000_000);
        assert!(!lateness.is_late(ms(150)));
        lateness.report(None, 0);
        assert!(!lateness.is_late(ms(0)));
    }
}
