//! Which buffers wait for which windows, by their times.
//!
//! Pure: windows are numbers.

use std::time::Duration;

use crate::line::{Fate, Line, Policy};

/// Times of a millisecond are what containers round to: a buffer that is so little before a window's start lies in it.
const SLACK: Duration = Duration::from_millis(1);

/// More items a second than any stream has.
const DENSEST: u32 = 1000;

/// Windows that stand for the times in them; a buffer is overdue once one that is later by more than `limit` has come.
#[derive(Debug)]
pub(crate) struct Timed {
    limit: Duration,
    newest: Option<Window>,
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

impl Policy for Timed {
    type Place = Duration;

    fn is_overdue(&self, first: Duration, places: impl Iterator<Item = (Duration, bool)>) -> bool {
        // Times that do not advance must not let the line grow.
        let most = (self.limit * DENSEST).as_secs() as usize + 2;
        let mut newest = None;
        let count = places.inspect(|&(time, waits)| newest = if waits { Some(time) } else { newest }).count();
        newest.is_some_and(|newest| newest > first + self.limit) || count > most
    }

    fn cut(&mut self) {
        self.newest = None;
    }

    fn settle(&mut self, window: u64) {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.id == window) {
            newest.settled = true;
        }
    }

    fn abandon(&mut self) {
        if let Some(newest) = &mut self.newest {
            newest.settled = true;
        }
    }
}

/// A line of buffers with times.
pub(super) type ResultLine<T, R> = Line<T, R, Timed>;

impl<T, R> ResultLine<T, R> {
    /// A line in which something is overdue once something later by more than `limit` has come.
    pub(super) fn timed(limit: Duration) -> Self {
        Self::new(Timed { limit, newest: None })
    }

    /// Something of this time that waits for the result of its window.
    pub(super) fn buffer(&mut self, what: T, time: Duration) {
        let fate = match self.policy.newest.filter(|window| window.has(time)) {
            Some(Window { settled: true, .. }) => Fate::Settled,
            Some(window) => Fate::Pending(window.id),
            None => Fate::Same,
        };
        self.wait(what, time, fate);
    }

    /// A window was cut that stands for these times. What came before it and lies in no window waits no longer.
    pub(super) fn begin(&mut self, id: u64, from: Duration, to: Duration) {
        let window = Window { id, from, to, settled: false };
        self.decide(|time, open| match time {
            time if window.has(time) => Fate::Pending(id),
            time if open && time < from => Fate::Settled,
            _ => Fate::Same,
        });
        self.policy.newest = Some(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Front::{Leaves, Overdue, Waits};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Frames at 0, 40, 80, … ms in a line with a limit of 120 ms.
    fn line(frames: u64) -> ResultLine<u64, char> {
        let mut line = ResultLine::timed(ms(120));
        (0..frames).for_each(|frame| line.buffer(frame, ms(frame * 40)));
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
        line.buffer(3, ms(120));
        line.begin(8, ms(80), ms(160));
        line.settle(8, None);
        assert_eq!(left(&mut line), [(2, None), (3, None)]);
    }

    #[test]
    fn frames_behind_a_window_that_lies_apart_belong_to_it() {
        let mut line = line(2);
        line.begin(0, ms(0), ms(200));
        line.buffer(2, ms(80));
        line.settle(0, Some('a'));
        line.buffer(3, ms(120));
        assert_eq!(left(&mut line), [(0, Some('a')), (1, None), (2, None), (3, None)]);
    }

    #[test]
    fn rounded_times_stay_in_their_window_and_early_frames_do_not_wait() {
        let mut line = ResultLine::timed(ms(120));
        line.buffer(0, ms(20));
        line.buffer(1, Duration::from_micros(39_300));
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
        line.buffer(4, ms(160));
        assert_eq!(line.leave(), Overdue);
        line.excuse();
        assert_eq!(line.leave(), Leaves(0, None));
        assert_eq!(line.settle(0, Some('a')), None, "frame 1 has it");
        assert_eq!(left(&mut line), [(1, Some('a'))]);
        assert_eq!(line.settle(0, Some('b')), Some('b'));
    }

    #[test]
    fn times_that_stand_still_do_not_fill_the_line() {
        let mut line = ResultLine::<u64, char>::timed(ms(10));
        (0..13).for_each(|frame| line.buffer(frame, ms(0)));
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
