//! The window of optical flow: two frames.
//!
//! Pure: frames in, windows out; no threads, no clock.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::super::{Frame, Picture};
use crate::error::{Error, Result};

/// What an optical-flow model eats: two frames.
#[derive(Clone, Debug)]
pub struct FramePair {
    /// The earlier frame's picture; the flow lies on its pixels.
    pub first: Arc<Picture>,
    /// The later frame's picture.
    pub second: Arc<Picture>,
    /// When the earlier frame is shown.
    pub time: Duration,
    /// How long until the later frame is shown.
    pub duration: Duration,
    /// The earlier frame's number since the last reset, from 0.
    pub index: u64,
}

/// Pairs each frame with the one `distance` frames later, for every `interval`-th frame.
///
/// A frame of another size than the one before starts over, as [`PairWindow::reset`] does.
#[derive(Clone, Debug)]
pub struct PairWindow {
    distance: usize,
    interval: u64,
    held: VecDeque<Frame>,
    next: u64,
}

impl PairWindow {
    /// Pairs frames `distance` apart, beginning a window at every `interval`-th frame. Both are at least 1.
    ///
    /// # Errors
    /// When either is 0.
    pub fn new(distance: usize, interval: u64) -> Result<Self> {
        if distance == 0 {
            return Err(Error::option("frame-distance", distance, "1 or more"));
        }
        if interval == 0 {
            return Err(Error::option("inference-interval", interval, "1 or more"));
        }
        Ok(Self { distance, interval, held: VecDeque::new(), next: 0 })
    }

    /// Takes the next frame; returns the window it completes, if it completes one.
    pub fn push(&mut self, frame: Frame) -> Option<FramePair> {
        let size = |frame: &Frame| (frame.picture.width(), frame.picture.height());
        if self.held.back().is_some_and(|last| size(last) != size(&frame)) {
            self.reset();
        }
        self.held.push_back(frame);
        if self.held.len() <= self.distance {
            return None;
        }
        let first = self.held.pop_front()?;
        let second = self.held.back()?;
        let index = self.next;
        self.next += 1;
        index.is_multiple_of(self.interval).then(|| FramePair {
            time: first.time,
            duration: second.time.saturating_sub(first.time),
            first: first.picture,
            second: second.picture.clone(),
            index,
        })
    }

    /// Forgets every frame: after a seek, a flush or a discontinuity no window spans the gap. Numbering starts again at 0.
    pub fn reset(&mut self) {
        self.held.clear();
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, width: usize) -> Frame {
        Frame {
            picture: Arc::new(Picture::from_fn(width, 1, |_, _| [number as u8; 3])),
            time: Duration::from_millis(number * 40),
            duration: None,
        }
    }

    fn starts(distance: usize, interval: u64, frames: u64) -> Vec<(u64, u64)> {
        let mut window = PairWindow::new(distance, interval).unwrap();
        (0..frames)
            .filter_map(|n| window.push(frame(n, 2)))
            .map(|pair| (pair.time.as_millis() as u64 / 40, u64::from(pair.second.rgb()[0])))
            .collect()
    }

    #[test]
    fn pairs_are_distance_apart_and_begin_every_interval() {
        assert_eq!(starts(1, 1, 4), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(starts(2, 1, 4), [(0, 2), (1, 3)]);
        assert_eq!(starts(1, 2, 6), [(0, 1), (2, 3), (4, 5)]);
        assert_eq!(starts(1, 1, 1), []);
    }

    #[test]
    fn uneven_times_travel_with_the_frames() {
        let mut window = PairWindow::new(1, 1).unwrap();
        let at = |ms| Frame { time: Duration::from_millis(ms), ..frame(0, 2) };
        assert!(window.push(at(7)).is_none());
        let pair = window.push(at(50)).unwrap();
        assert_eq!((pair.time, pair.duration), (Duration::from_millis(7), Duration::from_millis(43)));
    }

    #[test]
    fn a_new_size_or_a_reset_starts_over() {
        let mut window = PairWindow::new(1, 1).unwrap();
        assert!(window.push(frame(0, 2)).is_none());
        assert!(window.push(frame(1, 3)).is_none());
        assert_eq!(window.push(frame(2, 3)).unwrap().index, 0);
        window.reset();
        assert!(window.push(frame(3, 3)).is_none());
    }

    #[test]
    fn zero_is_refused() {
        assert!(PairWindow::new(0, 1).is_err());
        assert!(PairWindow::new(1, 0).is_err());
    }
}
