//! The line in which buffers wait for the labels of the window that they lie in.
//!
//! Pure: what waits and what a result is are the caller's types; windows are numbers.

use std::{collections::VecDeque, time::Duration};

/// Times of a millisecond are what containers round to: a buffer that is so little before a window's start lies in it.
const SLACK: Duration = Duration::from_millis(1);

/// More items a second than any stream has.
const DENSEST: u32 = 1000;

/// Things leave in the order in which they came.
#[derive(Debug)]
pub(super) struct ResultLine<T, R> {
    limit: Duration,
    items: VecDeque<Item<T, R>>,
    newest: Option<Window>,
}

#[derive(Debug)]
struct Item<T, R> {
    what: T,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    /// No window with this time has been cut.
    Open(Duration),
    /// Its window is with the model.
    Pending(u64, Duration),
    /// Nothing more will come for it.
    Settled(Option<R>),
}

/// Which times the window that was cut last stands for.
#[derive(Clone, Copy, Debug)]
struct Window {
    id: u64,
    from: Duration,
    to: Duration,
    settled: bool,
}

impl Window {
    fn has(&self, time: Duration) -> bool {
        (self.from..self.to).contains(&(time + SLACK))
    }
}

/// What may happen at the front of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front<T, R> {
    /// This leaves, with a result if one became known with it.
    Leaves(T, Option<R>),
    /// What came last is later by more than the limit than one whose result is not there.
    Overdue,
    /// Nothing leaves now.
    Waits,
}

impl<T, R> ResultLine<T, R> {
    /// A line in which something is overdue once something later by more than `limit` has come.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, items: VecDeque::new(), newest: None }
    }

    /// Something of this time that waits for the result of its window.
    pub(super) fn wait(&mut self, what: T, time: Duration) {
        let state = match self.newest.filter(|window| window.has(time)) {
            Some(Window { settled: true, .. }) => State::Settled(None),
            Some(window) => State::Pending(window.id, time),
            None => State::Open(time),
        };
        self.items.push_back(Item { what, state });
    }

    /// Something that has nothing to wait for but its turn.
    pub(super) fn follow(&mut self, what: T) {
        self.items.push_back(Item { what, state: State::Settled(None) });
    }

    /// A window was cut that stands for these times. What came before it and lies in no window waits no longer.
    pub(super) fn begin(&mut self, id: u64, from: Duration, to: Duration) {
        let window = Window { id, from, to, settled: false };
        for item in &mut self.items {
            match item.state {
                State::Open(time) | State::Pending(_, time) if window.has(time) => item.state = State::Pending(id, time),
                State::Open(time) if time < from => item.state = State::Settled(None),
                _ => {}
            }
        }
        self.newest = Some(window);
    }

    /// No window to come has what is in the line.
    pub(super) fn cut(&mut self) {
        for item in &mut self.items {
            if matches!(item.state, State::Open(_)) {
                item.state = State::Settled(None);
            }
        }
        self.newest = None;
    }

    /// The end of a window. Its result leaves with the first that waits for it, or comes back if nothing does.
    pub(super) fn settle(&mut self, id: u64, result: Option<R>) -> Option<R> {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.id == id) {
            newest.settled = true;
        }
        let mut result = result;
        for item in &mut self.items {
            if matches!(item.state, State::Pending(pending, _) if pending == id) {
                item.state = State::Settled(result.take());
            }
        }
        result
    }

    /// Takes what may leave from the front.
    pub(super) fn leave(&mut self) -> Front<T, R> {
        let Some(front) = self.items.pop_front() else { return Front::Waits };
        match front {
            Item { what, state: State::Settled(result) } => Front::Leaves(what, result),
            Item { state: State::Open(since) | State::Pending(_, since), .. } => {
                self.items.push_front(front);
                if self.is_overdue(since) { Front::Overdue } else { Front::Waits }
            }
        }
    }

    fn is_overdue(&self, since: Duration) -> bool {
        let newest = self.items.iter().rev().find_map(|item| match item.state {
            State::Open(time) | State::Pending(_, time) => Some(time),
            State::Settled(_) => None,
        });
        // Times that do not advance must not let the line grow.
        let most = (self.limit * DENSEST).as_secs() as usize + 2;
        newest.is_some_and(|newest| newest > since + self.limit) || self.items.len() > most
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
            if matches!(item.state, State::Pending(..)) {
                item.state = State::Settled(None);
            }
        }
        if let Some(newest) = &mut self.newest {
            newest.settled = true;
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.newest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Front::{Leaves, Overdue, Waits};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Frames at 0, 40, 80, … ms in a line with a limit of 120 ms.
    fn line(frames: u64) -> ResultLine<u64, char> {
        let mut line = ResultLine::new(ms(120));
        (0..frames).for_each(|frame| line.wait(frame, ms(frame * 40)));
        line
    }

    fn left(line: &mut ResultLine<u64, char>) -> Vec<(u64, Option<char>)> {
        std::iter::from_fn(|| match line.leave() {
            Leaves(what, result) => Some((what, result)),
            Overdue | Waits => None,
        })
        .collect()
    }

    #[test]
    fn a_window_lets_its_frames_go_and_the_first_has_its_result() {
        let mut line = line(3);
        line.begin(7, ms(0), ms(80));
        assert_eq!(line.leave(), Waits);
        assert_eq!(line.settle(7, Some('a')), None);
        assert_eq!(left(&mut line), [(0, Some('a')), (1, None)], "frame 2 waits for the next window");
        line.wait(3, ms(120));
        line.begin(8, ms(80), ms(160));
        line.settle(8, None);
        assert_eq!(left(&mut line), [(2, None), (3, None)]);
    }

    #[test]
    fn frames_behind_a_window_that_lies_apart_belong_to_it() {
        let mut line = line(2);
        line.begin(0, ms(0), ms(200));
        line.wait(2, ms(80));
        line.settle(0, Some('a'));
        line.wait(3, ms(120));
        assert_eq!(left(&mut line), [(0, Some('a')), (1, None), (2, None), (3, None)]);
    }

    #[test]
    fn rounded_times_stay_in_their_window_and_early_frames_do_not_wait() {
        let mut line = ResultLine::new(ms(120));
        line.wait(0, ms(20));
        line.wait(1, Duration::from_micros(39_300));
        line.begin(0, ms(40), ms(80));
        assert_eq!(left(&mut line), [(0, None)]);
        line.settle(0, Some('a'));
        assert_eq!(left(&mut line), [(1, Some('a'))]);
    }

    #[test]
    fn overdue_by_time_and_a_late_result_comes_back() {
        let mut line = line(4);
        line.begin(0, ms(0), ms(80));
        assert_eq!(line.leave(), Waits);
        line.wait(4, ms(160));
        assert_eq!(line.leave(), Overdue);
        line.excuse();
        assert_eq!(line.leave(), Leaves(0, None));
        assert_eq!(line.settle(0, Some('a')), None, "frame 1 has it");
        assert_eq!(left(&mut line), [(1, Some('a'))]);
        assert_eq!(line.settle(0, Some('b')), Some('b'));
    }

    #[test]
    fn times_that_stand_still_do_not_fill_the_line() {
        let mut line = ResultLine::<u64, char>::new(ms(10));
        (0..13).for_each(|frame| line.wait(frame, ms(0)));
        assert_eq!(line.leave(), Overdue);
    }

    #[test]
    fn a_cut_and_abandoned_windows_hold_nobody_up() {
        let mut line = line(3);
        line.begin(0, ms(0), ms(80));
        line.follow(50);
        line.abandon();
        assert_eq!(left(&mut line), [(0, None), (1, None)]);
        line.cut();
        assert_eq!(left(&mut line), [(2, None), (50, None)]);
    }
}
