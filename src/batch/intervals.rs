//! Which windows of a file are there: few stretches of many numbers.

use std::ops::Range;

/// A set of whole numbers as stretches that neither touch nor overlap, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<Range<u64>>);

impl Intervals {
    /// Adds a number; tells whether it is new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        // Numbers come nearly in order, so the place is nearly always the last.
        let at = self.0.iter().rposition(|stretch| stretch.start <= number).map_or(0, |at| at + 1);
        let follows = at > 0 && self.0[at - 1].end >= number;
        if follows && self.0[at - 1].end > number {
            return false;
        }
        let leads = self.0.get(at).is_some_and(|stretch| stretch.start == number + 1);
        match (follows, leads) {
            (true, true) => self.0[at - 1].end = self.0.remove(at).end,
            (true, false) => self.0[at - 1].end = number + 1,
            (false, true) => self.0[at].start = number,
            (false, false) => self.0.insert(at, number..number + 1),
        }
        true
    }

    /// The first number from `from` on that is not there.
    pub(super) fn first_missing(&self, from: u64) -> u64 {
        self.0.iter().find(|stretch| stretch.contains(&from)).map_or(from, |stretch| stretch.end)
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|stretch| stretch.end - stretch.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_grow_and_join() {
        let mut set = Intervals::default();
        for number in [5, 6, 9, 8, 0, 6, 7, 2, 1] {
            set.insert(number);
        }
        assert_eq!(set, Intervals(vec![0..3, 5..10]));
        assert!(!set.insert(2) && !set.insert(9));
        assert_eq!((set.len(), set.first_missing(0), set.first_missing(3), set.first_missing(6)), (8, 3, 3, 10));
    }
}
