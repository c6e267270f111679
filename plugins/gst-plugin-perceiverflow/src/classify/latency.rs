//! How long buffers and labels take through the element.
//!
//! Pure: durations in, durations out.

use std::time::Duration;

/// Everything the delay depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// From one buffer to the next; zero while unknown.
    pub(super) buffer: Duration,
    /// From the start of a window to its end.
    pub(super) window: Duration,
    /// From the start of a window to the start of the next.
    pub(super) stride: Duration,
    /// Windows that may wait for the model.
    pub(super) spare: u32,
    /// One window in the model, with the wait for its batch.
    pub(super) processing: Duration,
    /// Each buffer leaves with the labels of its own window.
    pub(super) aligned: bool,
    /// The streaming thread waits for results.
    pub(super) waits: bool,
}

impl Timing {
    /// How much later than a buffer others may have come, until its labels are not waited for any longer.
    pub(super) fn limit(&self) -> Duration {
        self.window + self.stride * self.spare
    }

    /// The longest that a buffer stays in the element.
    pub(super) fn stream(&self) -> Duration {
        match (self.aligned, self.waits) {
            // The buffer that completes the window waits for it.
            (false, true) => self.processing,
            (false, false) => Duration::ZERO,
            // The buffer behind the window completes it; it is overdue when the next comes, and then somebody waits out the rest.
            (true, true) => self.window + self.buffer + (self.stride * self.spare).max(self.processing),
            (true, false) => self.limit() + self.buffer,
        }
    }

    /// The longest from a window's start until its labels leave.
    pub(super) fn labels(&self) -> Duration {
        let complete = self.window + self.buffer;
        match (self.aligned, self.waits) {
            (true, true) => self.stream(),
            (false, true) => complete + self.processing,
            // The window waits for those before it and the one being computed, and its labels for the next buffer to carry them out.
            (_, false) => complete + self.processing * (self.spare + 1) + self.buffer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn delays_of_every_policy() {
        let timing = |aligned, waits| Timing {
            buffer: ms(40),
            window: ms(640),
            stride: ms(320),
            spare: 2,
            processing: ms(100),
            aligned,
            waits,
        };
        assert_eq!(timing(false, true).stream(), ms(100));
        assert_eq!(timing(false, false).stream(), ms(0));
        assert_eq!(timing(true, true).stream(), ms(640 + 40 + 640), "two spare windows outlast one call");
        assert_eq!(Timing { processing: ms(900), ..timing(true, true) }.stream(), ms(640 + 40 + 900));
        assert_eq!(timing(true, false).stream(), ms(640 + 640 + 40));
        assert_eq!(timing(false, true).labels(), ms(640 + 40 + 100));
        assert_eq!(timing(true, false).labels(), ms(640 + 40 + 300 + 40));
    }
}
