//! The work that is left, shared by the workers. Who opens a long file puts its further parts here.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A part of a file: the windows with these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Which of the inputs.
    pub(super) file: usize,
    /// Up to [`u64::MAX`] where it goes to the end of the file.
    pub(super) windows: Range<u64>,
    /// Whether this is the one that opens its file, and says how many there are.
    pub(super) opens: bool,
}

/// The parts of the windows of a file that has about `expected`: of `size` windows each, the last one to their end. One part where that is
/// nearly all.
pub(super) fn parts(file: usize, windows: &Range<u64>, expected: Option<u64>, size: u64) -> Vec<Unit> {
    let length = expected.map(|expected| windows.end.min(expected).saturating_sub(windows.start));
    let count = length.filter(|&length| length > size + size / 2).map_or(1, |length| length.div_ceil(size.max(1)));
    let begin = |part: u64| windows.start + part * size;
    let end = |part: u64| if part + 1 == count { windows.end } else { begin(part + 1) };
    (0..count).map(|part| Unit { file, windows: begin(part)..end(part), opens: part == 0 }).collect()
}

/// The work that is left.
#[derive(Debug)]
pub(super) struct Queue {
    left: Mutex<Left>,
    changed: Condvar,
}

#[derive(Debug)]
struct Left {
    units: VecDeque<Unit>,
    /// Files being opened, which may bring further parts.
    opening: usize,
}

/// A file being opened; further parts of it may come until this is dropped.
#[derive(Debug)]
pub(super) struct Opening<'a>(&'a Queue);

impl Queue {
    /// All files, in their order.
    pub(super) fn new(files: usize) -> Self {
        let units = (0..files).map(|file| Unit { file, windows: 0..u64::MAX, opens: true }).collect();
        Self { left: Mutex::new(Left { units, opening: 0 }), changed: Condvar::new() }
    }

    /// The next part; none when nothing is left and nothing can come.
    pub(super) fn take(&self) -> Option<(Unit, Opening<'_>)> {
        let mut left = self.lock();
        loop {
            if let Some(unit) = left.units.pop_front() {
                left.opening += 1;
                return Some((unit, Opening(self)));
            }
            if left.opening == 0 {
                return None;
            }
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Work on plain numbers: a panic elsewhere leaves nothing half-done in it.
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opening<'_> {
    /// Adds further parts of the file, before all that is left: what was begun ends first.
    pub(super) fn add(&self, units: &[Unit]) {
        let mut left = self.0.lock();
        units.iter().rev().for_each(|unit| left.units.push_front(unit.clone()));
        self.0.changed.notify_all();
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let of = |windows: Range<u64>, expected| -> Vec<(u64, u64)> {
            parts(0, &windows, expected, 10).into_iter().map(|unit| (unit.windows.start, unit.windows.end)).collect()
        };
        let windows = |expected| of(0..u64::MAX, expected);
        assert_eq!(windows(None), [(0, u64::MAX)]);
        assert_eq!(windows(Some(15)), [(0, u64::MAX)]);
        assert_eq!(windows(Some(16)), [(0, 10), (10, u64::MAX)]);
        assert_eq!(windows(Some(31)), [(0, 10), (10, 20), (20, 30), (30, u64::MAX)]);
        assert_eq!(of(40..66, Some(100)), [(40, 50), (50, 60), (60, 66)]);
    }

    #[test]
    fn nobody_leaves_while_parts_may_still_come() {
        let queue = Queue::new(1);
        let (first, opening) = queue.take().unwrap();
        assert!(first.opens);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| queue.take().map(|(unit, _)| unit));
            opening.add(&parts(0, &(0..u64::MAX), Some(20), 10)[1..]);
            drop(opening);
            assert_eq!(other.join().unwrap().unwrap().windows, 10..u64::MAX);
        });
        assert!(queue.take().is_none());
    }
}
