//! How long a stream and the results beside it take through an element that passes the stream through.
//!
//! Pure: durations in, durations out.

use std::time::Duration;

/// Everything the delay depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From one buffer to the next; zero while unknown.
    pub(crate) buffer: Duration,
    /// From the start of a window until the buffer that completes it is there.
    pub(crate) window: Duration,
    /// From the start of a window to the start of the next.
    pub(crate) stride: Duration,
    /// Windows that may wait for the model.
    pub(crate) spare: u32,
    /// One window in the model, with the wait for its batch.
    pub(crate) processing: Duration,
    /// Each buffer leaves with the result of its own window.
    pub(crate) aligned: bool,
    /// The streaming thread waits for results.
    pub(crate) waits: bool,
}

impl Timing {
    /// The longest that a buffer stays in the element.
    pub(crate) fn stream(&self) -> Duration {
        let spare = self.stride * self.spare;
        match (self.aligned, self.waits) {
            // The buffer that completes the window waits for it, and carries its result on.
            (false, true) => self.processing,
            (false, false) => Duration::ZERO,
            // A buffer is overdue `spare` windows after its own is complete; then somebody waits out the rest.
            (true, true) => self.window + spare.max(self.processing),
            (true, false) => self.window + spare,
        }
    }

    /// The longest from a window's start until its result leaves.
    pub(crate) fn results(&self) -> Duration {
        match (self.aligned, self.waits) {
            (true, true) => self.stream(),
            (false, true) => self.window + self.processing,
            // The window waits for those before it and the one being computed, and its result for the next buffer to carry it out.
            (_, false) => self.window + self.processing * (self.spare + 1) + self.buffer,
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
    fn delays_of_every_policy_for_windows_that_their_last_frame_completes() {
        let timing = |aligned, waits| Timing {
            buffer: ms(40),
            window: ms(80),
            stride: ms(40),
            spare: 3,
            processing: ms(100),
            aligned,
            waits,
        };
        assert_eq!(timing(false, true).stream(), ms(100));
        assert_eq!(timing(false, false).stream(), ms(0));
        assert_eq!(timing(true, true).stream(), ms(80 + 120), "three spare frames outlast one call");
        assert_eq!(Timing { processing: ms(500), ..timing(true, true) }.stream(), ms(80 + 500));
        assert_eq!(timing(true, false).stream(), ms(80 + 120));
        assert_eq!(timing(true, true).results(), ms(80 + 120));
        assert_eq!(timing(false, true).results(), ms(80 + 100));
        assert_eq!(timing(true, false).results(), ms(80 + 400 + 40));
    }

    #[test]
    fn delays_of_every_policy_for_windows_that_the_next_buffer_completes() {
        let timing = |aligned, waits| Timing {
            buffer: ms(40),
            window: ms(640 + 40),
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
        assert_eq!(timing(false, true).results(), ms(640 + 40 + 100));
        assert_eq!(timing(true, false).results(), ms(640 + 40 + 300 + 40));
    }
}
