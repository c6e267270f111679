//! The line in which buffers wait for the results of their windows, so that each leaves with its own.
//!
//! Pure: what waits and what a result is are the caller's types; windows are numbers. Which buffer belongs to which window is the
//! policy's business.

use std::{collections::VecDeque, fmt::Debug};

/// Which windows the things in a line belong to.
pub(crate) trait Policy {
    /// What it knows of a thing that waits.
    type Place: Copy + Debug;

    /// Whether the first in line, at `first`, has waited as long as it may. `places` are those of all that came for a result, and
    /// whether they still wait for it.
    fn is_overdue(&self, first: Self::Place, places: impl Iterator<Item = (Self::Place, bool)>) -> bool;

    /// No window to come has what is in the line.
    fn cut(&mut self) {}

    /// Nothing more will come of a window.
    fn settle(&mut self, _window: u64) {}

    /// Nothing more will come of any window.
    fn abandon(&mut self) {}
}

/// Things leave in the order in which they came.
#[derive(Debug)]
pub(crate) struct Line<T, R, P: Policy> {
    pub(crate) policy: P,
    items: VecDeque<Item<T, R, P::Place>>,
}

#[derive(Debug)]
struct Item<T, R, P> {
    what: T,
    /// Where it lies, if it came for a result.
    place: Option<P>,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    /// Its window is not known.
    Open,
    /// Its window is with the model.
    Pending(u64),
    /// Nothing more will come for it.
    Settled(Option<R>),
}

/// What a policy says of something that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As before.
    Same,
    /// It belongs to this window, which is with the model.
    Pending(u64),
    /// There is no result for it.
    Settled,
}

/// What may happen at the front of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Front<T, R> {
    /// This leaves, with a result if one became known with it.
    Leaves(T, Option<R>),
    /// The first has waited as long as it may, and its result is not there.
    Overdue,
    /// Nothing leaves now.
    Waits,
}

impl<T, R, P: Policy> Line<T, R, P> {
    /// An empty line.
    pub(crate) fn new(policy: P) -> Self {
        Self { policy, items: VecDeque::new() }
    }

    /// Something that waits for the result of a window.
    pub(crate) fn wait(&mut self, what: T, place: P::Place, fate: Fate) {
        let mut state = State::Open;
        state.meet(fate);
        self.items.push_back(Item { what, place: Some(place), state });
    }

    /// Something that has nothing to wait for but its turn.
    pub(crate) fn follow(&mut self, what: T) {
        self.items.push_back(Item { what, place: None, state: State::Settled(None) });
    }

    /// How many wait for a window that is not known.
    pub(crate) fn open(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.state, State::Open)).count()
    }

    /// Decides about those that wait, first to last, by where they lie and whether their window is still unknown.
    pub(crate) fn decide(&mut self, mut fate: impl FnMut(P::Place, bool) -> Fate) {
        for item in &mut self.items {
            if let (Some(place), false) = (item.place, matches!(item.state, State::Settled(_))) {
                item.state.meet(fate(place, matches!(item.state, State::Open)));
            }
        }
    }

    /// No window to come has what is in the line.
    pub(crate) fn cut(&mut self) {
        self.decide(|_, open| if open { Fate::Settled } else { Fate::Same });
        self.policy.cut();
    }

    /// The end of a window. Its result leaves with the first that waits for it, or comes back if nothing does.
    pub(crate) fn settle(&mut self, window: u64, mut result: Option<R>) -> Option<R> {
        self.policy.settle(window);
        for item in &mut self.items {
            if matches!(item.state, State::Pending(pending) if pending == window) {
                item.state = State::Settled(result.take());
            }
        }
        result
    }

    /// Takes what may leave from the front.
    pub(crate) fn leave(&mut self) -> Front<T, R> {
        match self.items.pop_front() {
            Some(Item { what, state: State::Settled(result), .. }) => Front::Leaves(what, result),
            Some(waiting) => {
                let first = waiting.place;
                self.items.push_front(waiting);
                let places = self.items.iter().filter_map(|item| Some((item.place?, !matches!(item.state, State::Settled(_)))));
                if first.is_some_and(|first| self.policy.is_overdue(first, places)) { Front::Overdue } else { Front::Waits }
            }
            None => Front::Waits,
        }
    }

    /// Has the first in line wait no longer.
    pub(crate) fn excuse(&mut self) {
        if let Some(first) = self.items.front_mut() {
            first.state = State::Settled(None);
        }
    }

    /// No window that is with the model comes back.
    pub(crate) fn abandon(&mut self) {
        self.decide(|_, open| if open { Fate::Same } else { Fate::Settled });
        self.policy.abandon();
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.policy.cut();
    }
}

impl<R> State<R> {
    fn meet(&mut self, fate: Fate) {
        match fate {
            Fate::Same => {}
            Fate::Pending(window) => *self = Self::Pending(window),
            Fate::Settled => *self = Self::Settled(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Things 0, 1, 2, … of window 7; the first is overdue once there are three.
    #[derive(Debug)]
    struct Three;

    impl Policy for Three {
        type Place = ();

        fn is_overdue(&self, (): (), places: impl Iterator<Item = ((), bool)>) -> bool {
            places.count() >= 3
        }
    }

    fn line(things: u64) -> Line<u64, char, Three> {
        let mut line = Line::new(Three);
        (0..things).for_each(|thing| line.wait(thing, (), Fate::Pending(7)));
        line
    }

    #[test]
    fn the_first_of_a_window_has_its_result_and_a_late_one_comes_back() {
        use Front::{Leaves, Overdue, Waits};
        let mut line = line(2);
        line.follow(50);
        assert_eq!(line.leave(), Waits);
        line.wait(3, (), Fate::Same);
        assert_eq!(line.leave(), Overdue);
        line.excuse();
        assert_eq!(line.leave(), Leaves(0, None));
        assert_eq!(line.settle(7, Some('a')), None, "thing 1 has it");
        assert_eq!((line.leave(), line.leave(), line.leave()), (Leaves(1, Some('a')), Leaves(50, None), Waits));
        line.abandon();
        assert_eq!(line.leave(), Waits, "its window is not known");
        line.cut();
        assert_eq!(line.leave(), Leaves(3, None));
        assert_eq!(line.settle(7, Some('b')), Some('b'));
    }
}
