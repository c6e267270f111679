//! How long frames and fields take through the element.
//!
//! Pure: durations in, durations out.

use std::time::Duration;

/// Everything the delay depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// From one frame to the next; zero while unknown.
    pub(super) frame: Duration,
    /// Frames from a window's first to its second.
    pub(super) distance: u32,
    /// Windows that may wait for the model.
    pub(super) spare: u32,
    /// One window in the model, with the wait for its batch.
    pub(super) processing: Duration,
    /// Each frame leaves with its own result.
    pub(super) aligned: bool,
    /// The streaming thread waits for results.
    pub(super) waits: bool,
}

impl Timing {
    /// The longest that a frame stays in the element.
    pub(super) fn video(&self) -> Duration {
        let window = self.frame * self.distance;
        let spare = self.frame * self.spare;
        match (self.aligned, self.waits) {
            // The frame that completes the window waits for it, and carries it on.
            (false, true) => self.processing,
            (false, false) => Duration::ZERO,
            // A frame is overdue `spare` frames after its window is complete; then somebody waits out the rest.
            (true, true) => window + spare.max(self.processing),
            (true, false) => window + spare,
        }
    }

    /// The longest from a window's first frame until its field leaves.
    pub(super) fn field(&self) -> Duration {
        let window = self.frame * self.distance;
        if self.waits {
            if self.aligned { self.video() } else { window + self.processing }
        } else {
            // The window waits for those before it and the one being computed, and its field for the next frame to carry it out.
            window + self.processing * (self.spare + 1) + self.frame
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
        let timing = |aligned, waits| Timing { frame: ms(40), distance: 2, spare: 3, processing: ms(100), aligned, waits };
        assert_eq!(timing(false, true).video(), ms(100));
        assert_eq!(timing(false, false).video(), ms(0));
        assert_eq!(timing(true, true).video(), ms(80 + 120), "three spare frames outlast one call");
        assert_eq!(Timing { processing: ms(500), ..timing(true, true) }.video(), ms(80 + 500));
        assert_eq!(timing(true, false).video(), ms(80 + 120));
        assert_eq!(timing(false, true).field(), ms(80 + 100));
        assert_eq!(timing(true, false).field(), ms(80 + 400 + 40));
    }
}
