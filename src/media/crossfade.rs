//! Windows that overlap, joined into one series.

/// A piece of the series.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// The place of its first unit.
    pub at: u64,
    /// Its numbers, unit after unit.
    pub values: Vec<f32>,
}

/// Joins windows of equal units, pictures or samples, in the order of their beginnings. Where two overlap, the earlier goes and the later
/// comes linearly. Where they lie apart, the series breaks off.
///
/// Held is one window: a unit is given out as soon as no later window can change it.
#[derive(Clone, Debug)]
pub struct Crossfade {
    unit: usize,
    tail: Option<Stretch>,
}

impl Crossfade {
    /// For units of `unit` numbers, 1 or more: 1 for samples of one channel, Y · X · 3 for pictures.
    pub fn new(unit: usize) -> Self {
        Self { unit: unit.max(1), tail: None }
    }

    /// Takes the window whose first unit has the place `at`; returns what comes before it and will not change. A window that begins before
    /// what has been given out starts a new series.
    pub fn push(&mut self, at: u64, values: Vec<f32>) -> Option<Stretch> {
        let window = Stretch { at, values };
        let Some(mut tail) = self.tail.take() else {
            self.tail = Some(window);
            return None;
        };
        let units = (tail.values.len() / self.unit) as u64;
        if at < tail.at || at >= tail.at + units {
            self.tail = Some(window);
            return Some(tail);
        }
        let rest = tail.values.split_off((at - tail.at) as usize * self.unit);
        self.tail = Some(Stretch { at, values: self.mixed(rest, window.values) });
        Some(tail).filter(|settled| !settled.values.is_empty())
    }

    /// What is left when no more windows come.
    pub fn finish(&mut self) -> Option<Stretch> {
        self.tail.take()
    }

    /// Two windows that begin together, from the earlier to the later over what they share.
    fn mixed(&self, mut earlier: Vec<f32>, mut later: Vec<f32>) -> Vec<f32> {
        let shared = earlier.len().min(later.len());
        let steps = (shared / self.unit + 1) as f32;
        for (unit, (old, new)) in earlier.chunks(self.unit).zip(later.chunks_mut(self.unit)).enumerate() {
            let weight = (unit + 1) as f32 / steps;
            old.iter().zip(new).for_each(|(old, new)| *new = old + weight * (*new - old));
        }
        // A short last window ends before the one it overlaps.
        later.extend(earlier.drain(shared..));
        later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(unit: usize, windows: &[(u64, &[f32])]) -> Vec<(u64, Vec<f32>)> {
        let mut fade = Crossfade::new(unit);
        let mut pieces: Vec<_> = windows.iter().filter_map(|(at, values)| fade.push(*at, values.to_vec())).collect();
        pieces.extend(fade.finish());
        pieces.into_iter().map(|piece| (piece.at, piece.values)).collect()
    }

    #[test]
    fn windows_side_by_side_are_untouched() {
        assert_eq!(joined(1, &[(0, &[1.0, 2.0]), (2, &[3.0, 4.0])]), [(0, vec![1.0, 2.0]), (2, vec![3.0, 4.0])]);
        assert_eq!(joined(1, &[(7, &[1.0, 2.0])]), [(7, vec![1.0, 2.0])]);
    }

    #[test]
    fn the_earlier_goes_as_the_later_comes() {
        assert_eq!(joined(1, &[(0, &[0.0; 4]), (1, &[4.0; 4])]), [(0, vec![0.0]), (1, vec![1.0, 2.0, 3.0, 4.0])]);
        let pictures = joined(2, &[(0, &[0.0, 9.0, 0.0, 9.0]), (1, &[2.0, 9.0, 2.0, 9.0])]);
        assert_eq!(pictures, [(0, vec![0.0, 9.0]), (1, vec![1.0, 9.0, 2.0, 9.0])]);
    }

    #[test]
    fn three_deep_overlap_gives_out_what_is_settled() {
        let pieces = joined(1, &[(0, &[1.0; 3]), (1, &[1.0; 3]), (2, &[1.0; 3])]);
        assert_eq!(pieces, [(0, vec![1.0]), (1, vec![1.0]), (2, vec![1.0; 3])]);
    }

    #[test]
    fn a_short_last_window_and_a_break() {
        assert_eq!(joined(1, &[(0, &[0.0; 4]), (1, &[2.0])]), [(0, vec![0.0]), (1, vec![1.0, 0.0, 0.0])]);
        assert_eq!(joined(1, &[(0, &[1.0]), (5, &[2.0])]), [(0, vec![1.0]), (5, vec![2.0])]);
        assert_eq!(joined(1, &[(5, &[1.0]), (0, &[2.0])]), [(5, vec![1.0]), (0, vec![2.0])]);
    }
}
