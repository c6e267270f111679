//! The line in which frames wait for their results, so that each leaves with its own.
//!
//! Pure: what waits and what a result is are the caller's types; windows are numbers.

use std::collections::VecDeque;

/// Things leave in the order in which they came.
#[derive(Debug)]
pub(super) struct DelayLine<T, R> {
    distance: usize,
    limit: usize,
    items: VecDeque<Item<T, R>>,
}

#[derive(Debug)]
struct Item<T, R> {
    what: T,
    is_frame: bool,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    /// The frame that completes its window has not come.
    Incomplete,
    /// Its window is with the model.
    Pending(u64),
    /// Nothing more will come for it.
    Settled(Option<R>),
}

/// What may happen at the front of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front<T, R> {
    /// This leaves, with its result if it has one of its own.
    Leaves(T, Option<R>),
    /// More than the limit has gathered behind a frame whose result is not there.
    Overdue,
    /// Nothing leaves now.
    Waits,
}

impl<T, R> DelayLine<T, R> {
    /// A line for windows that end `distance` frames after they begin, in which a frame is overdue once `distance + spare` frames
    /// have come after it.
    pub(super) fn new(distance: usize, spare: usize) -> Self {
        Self { distance, limit: distance + spare, items: VecDeque::new() }
    }

    /// A frame that waits for its result. `completed` is the window that it completes, where one begins `distance` frames before.
    pub(super) fn wait(&mut self, frame: T, completed: Option<u64>) {
        self.items.push_back(Item { what: frame, is_frame: true, state: State::Incomplete });
        let mut incomplete = self.items.iter_mut().filter(|item| matches!(item.state, State::Incomplete));
        if let Some(first) = incomplete.next()
            && incomplete.count() >= self.distance
        {
            first.state = completed.map_or(State::Settled(None), State::Pending);
        }
    }

    /// Something that has nothing to wait for but its turn.
    pub(super) fn follow(&mut self, what: T) {
        self.items.push_back(Item { what, is_frame: false, state: State::Settled(None) });
    }

    /// No frame to come completes a window that has begun.
    pub(super) fn cut(&mut self) {
        for item in &mut self.items {
            if matches!(item.state, State::Incomplete) {
                item.state = State::Settled(None);
            }
        }
    }

    /// The end of a window. Its result comes back if its frame has left already.
    pub(super) fn settle(&mut self, window: u64, result: Option<R>) -> Option<R> {
        match self.items.iter_mut().find(|item| matches!(item.state, State::Pending(pending) if pending == window)) {
            Some(item) => {
                item.state = State::Settled(result);
                None
            }
            None => result,
        }
    }

    /// Takes what may leave from the front.
    pub(super) fn leave(&mut self) -> Front<T, R> {
        match self.items.pop_front() {
            Some(Item { what, state: State::Settled(result), .. }) => Front::Leaves(what, result),
            Some(waiting) => {
                self.items.push_front(waiting);
                let frames = self.items.iter().filter(|item| item.is_frame).count();
                if frames > self.limit { Front::Overdue } else { Front::Waits }
            }
            None => Front::Waits,
        }
    }

    /// Has the first in line wait no longer.
    pub(super) fn excuse(&mut self) {
        if let Some(first) = self.items.front_mut() {
            first.state = State::Settled(None);
        }
    }

    /// No window that is with the model comes back.
    pub(super) fn abandon(&mut self) {
        for item in &mut self.items {
            if matches!(item.state, State::Pending(_)) {
                item.state = State::Settled(None);
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Front::{Leaves, Overdue, Waits};

    /// Frames 0, 1, 2, …; frame t + distance completes window t.
    fn line(distance: usize, spare: usize, frames: u64) -> DelayLine<u64, char> {
        let mut line = DelayLine::new(distance, spare);
        (0..frames).for_each(|frame| line.wait(frame, frame.checked_sub(distance as u64)));
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
            full.wait(99, Some(spare as u64));
            assert_eq!(full.leave(), Overdue);
            full.excuse();
            assert_eq!(full.leave(), Leaves(0, None));
            assert_eq!(full.settle(0, Some('a')), Some('a'), "a late result goes back");
            assert_eq!(full.leave(), Waits);
        }
    }

    #[test]
    fn frames_between_windows_wait_only_for_their_turn() {
        let mut line = DelayLine::new(1, 2);
        line.wait(0, None);
        line.wait(1, Some(7));
        line.wait(2, None);
        assert_eq!(line.leave(), Waits);
        line.settle(7, Some('a'));
        assert_eq!((line.leave(), line.leave(), line.leave()), (Leaves(0, Some('a')), Leaves(1, None), Waits));
    }

    #[test]
    fn a_cut_settles_what_has_no_successor_and_events_keep_their_place() {
        let mut line = line(2, 2, 3);
        line.cut();
        line.follow(50);
        line.wait(3, None);
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
