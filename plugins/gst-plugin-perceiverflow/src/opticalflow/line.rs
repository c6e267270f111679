//! Which frames wait for which windows, by counting frames.
//!
//! Pure: windows are numbers.

use crate::line::{Fate, Line, Policy};

/// Windows that end `distance` frames after they begin; a frame is overdue once more than `limit` frames are in line.
#[derive(Debug)]
pub(crate) struct Counted {
    distance: usize,
    limit: usize,
}

impl Policy for Counted {
    type Place = ();

    fn is_overdue(&self, (): (), places: impl Iterator<Item = ((), bool)>) -> bool {
        places.count() > self.limit
    }
}

/// A line of frames.
pub(super) type DelayLine<T, R> = Line<T, R, Counted>;

impl<T, R> DelayLine<T, R> {
    /// A line for windows that end `distance` frames after they begin, in which a frame is overdue once `distance + spare` frames
    /// have come after it.
    pub(super) fn counted(distance: usize, spare: usize) -> Self {
        Self::new(Counted { distance, limit: distance + spare })
    }

    /// A frame that waits for its result. `completed` is the window that it completes, where one begins `distance` frames before.
    pub(super) fn frame(&mut self, frame: T, completed: Option<u64>) {
        self.wait(frame, (), Fate::Same);
        if self.open() > self.policy.distance {
            let mut first = Some(completed.map_or(Fate::Settled, Fate::Pending));
            self.decide(|(), open| first.take_if(|_| open).unwrap_or(Fate::Same));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Front::{Leaves, Overdue, Waits};

    /// Frames 0, 1, 2, …; frame t + distance completes window t.
    fn line(distance: usize, spare: usize, frames: u64) -> DelayLine<u64, char> {
        let mut line = DelayLine::counted(distance, spare);
        (0..frames).for_each(|frame| line.frame(frame, frame.checked_sub(distance as u64)));
        line
    }

    #[test]
    fn each_frame_leaves_with_its_own_result_in_order() {
        let mut line = line(1, 2, 3);
        assert_eq!(line.leave(), Waits);
        assert_eq!(line.settle(1, Some('b')), None);
        assert_eq!(line.leave(), Waits, "frame 0 is first and still waits");
        assert_eq!(line.settle(0, Some('a')), None);
        assert_eq!((line.leave(), line.leave(), line.leave()), (Leaves(0, Some('a')), Leaves(1, Some('b')), Waits));
    }

    #[test]
    fn a_frame_is_overdue_after_distance_and_spare() {
        for (distance, spare) in [(1, 1), (1, 2), (3, 2)] {
            let mut full = line(distance, spare, (distance + spare) as u64);
            assert_eq!(full.leave(), Waits);
            full.frame(99, Some(spare as u64));
            assert_eq!(full.leave(), Overdue);
            full.excuse();
            assert_eq!(full.leave(), Leaves(0, None));
            assert_eq!(full.settle(0, Some('a')), Some('a'), "a late result goes back");
            assert_eq!(full.leave(), Waits);
        }
    }

    #[test]
    fn frames_between_windows_wait_only_for_their_turn() {
        let mut line = DelayLine::counted(1, 2);
        line.frame(0, None);
        line.frame(1, Some(7));
        line.frame(2, None);
        assert_eq!(line.leave(), Waits);
        line.settle(7, Some('a'));
        assert_eq!((line.leave(), line.leave(), line.leave()), (Leaves(0, Some('a')), Leaves(1, None), Waits));
    }

    #[test]
    fn a_cut_settles_what_has_no_successor_and_events_keep_their_place() {
        let mut line = line(2, 2, 3);
        line.cut();
        line.follow(50);
        line.frame(3, None);
        line.settle(0, Some('a'));
        let left: Vec<_> = std::iter::from_fn(|| match line.leave() {
            Leaves(what, result) => Some((what, result)),
            Overdue | Waits => None,
        })
        .collect();
        assert_eq!(left, [(0, Some('a')), (1, None), (2, None), (50, None)], "frame 3 waits for its successors");
    }

    #[test]
    fn abandoned_windows_hold_nobody_up() {
        let mut line = line(1, 1, 2);
        line.abandon();
        assert_eq!((line.leave(), line.leave()), (Leaves(0, None), Waits));
        assert_eq!(line.settle(0, Some('a')), Some('a'));
    }
}
