//! Which picture is shown when: frames of any rate, even or not, on the even slots of a model.
//!
//! Slot `m` begins at the sample `m · samples_per_frame` after the start. It shows the newest frame that is not later, with
//! [`ROUNDING`] allowed, so that 30 frames a second stay 30 in files that count milliseconds. A frame stays until the next one, but no
//! longer than its duration or [`LONGEST_FREEZE`], whichever is longer: after that there is no picture.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    super::{Frame, Picture},
    ClipShape,
};

/// Containers round times to milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// A picture is taken for still there so long, whatever its duration says: frames get lost, and few streams tell durations.
const LONGEST_FREEZE: Duration = Duration::from_secs(1);

/// The pictures of one uninterrupted video, all of one size.
#[derive(Clone, Debug)]
pub(super) struct PictureLine {
    shape: ClipShape,
    start: Duration,
    shown: VecDeque<Shown>,
    settled: u64,
    newest: Option<Newest>,
}

/// A picture and the slots that show it.
#[derive(Clone, Debug)]
struct Shown {
    from: u64,
    until: u64,
    picture: Arc<Picture>,
}

#[derive(Clone, Debug)]
struct Newest {
    time: Duration,
    end: Duration,
}

impl PictureLine {
    /// Slot 0 begins at `start`.
    pub(super) fn new(shape: ClipShape, start: Duration) -> Self {
        Self { shape, start, shown: VecDeque::new(), settled: 0, newest: None }
    }

    /// Shows a frame from its time on; false where that is late: slots that it belonged to are given up.
    pub(super) fn push(&mut self, frame: Frame) -> bool {
        let slot = self.slot_of(frame.time);
        let from = slot.max(self.settled);
        self.end_shown(from);
        let until = self.slot_of(frame.time + frame.duration.unwrap_or_default().max(LONGEST_FREEZE));
        if until > from {
            self.shown.push_back(Shown { from, until, picture: frame.picture });
        }
        let interval = self.newest.as_ref().map(|before| frame.time.saturating_sub(before.time));
        let usual = self.shape.time_of(self.shape.samples_per_frame as u64);
        let lasts =
            frame.duration.or(interval.filter(|interval| (ROUNDING..=LONGEST_FREEZE).contains(interval))).unwrap_or(usual);
        self.newest = Some(Newest { time: frame.time, end: frame.time + lasts });
        self.settled = from;
        slot == from
    }

    /// The newest frame's picture, while a slot shows it.
    pub(super) fn last(&self) -> Option<&Picture> {
        self.shown.back().map(|shown| &*shown.picture)
    }

    /// Nothing is shown between two times.
    pub(super) fn gap(&mut self, from: Duration, to: Duration) {
        self.end_shown(self.slot_of(from).max(self.settled));
        self.settle(to);
    }

    /// No frame will come for slots before `time`.
    pub(super) fn settle(&mut self, time: Duration) {
        self.settled = self.settled.max(self.slot_of(time));
    }

    /// Slots before this one are as they will stay.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// How many samples after the start the newest frame ends. Where it does not tell, it lasts as long as the one before.
    pub(super) fn end(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| self.shape.place_of(newest.end.saturating_sub(self.start)))
    }

    /// The picture of a slot.
    pub(super) fn picture(&self, slot: u64) -> Option<Arc<Picture>> {
        self.shown.iter().find(|shown| (shown.from..shown.until).contains(&slot)).map(|shown| shown.picture.clone())
    }

    /// The first slot at or after `from` that has a picture.
    pub(super) fn first(&self, from: u64) -> Option<u64> {
        self.shown.iter().find(|shown| shown.until > from).map(|shown| shown.from.max(from))
    }

    /// Forgets pictures that no slot at or after `slot` shows.
    pub(super) fn discard_before(&mut self, slot: u64) {
        while self.shown.front().is_some_and(|shown| shown.until <= slot) {
            self.shown.pop_front();
        }
    }

    /// Number of pictures held.
    pub(super) fn held(&self) -> usize {
        self.shown.len()
    }

    fn end_shown(&mut self, slot: u64) {
        if let Some(last) = self.shown.back_mut() {
            last.until = last.until.min(slot);
            if last.until <= last.from {
                self.shown.pop_back();
            }
        }
    }

    /// The first slot that a frame of `time` can be shown in.
    fn slot_of(&self, time: Duration) -> u64 {
        let since = time.saturating_sub(self.start).saturating_sub(ROUNDING).as_nanos();
        let slot = self.shape.samples_per_frame as u128 * 1_000_000_000;
        (since * u128::from(self.shape.sample_rate)).div_ceil(slot) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots of 40 ms.
    const SHAPE: ClipShape = ClipShape { frames: 1, samples_per_frame: 40, sample_rate: 1000 };

    fn frame(milliseconds: u64, number: u8) -> Frame {
        let picture = Arc::new(Picture::from_fn(1, 1, |_, _| [number; 3]));
        Frame { picture, time: Duration::from_millis(milliseconds), duration: None }
    }

    fn line(times: &[u64]) -> PictureLine {
        let mut line = PictureLine::new(SHAPE, Duration::from_millis(times[0]));
        times.iter().zip(1..).for_each(|(&time, number)| assert!(line.push(frame(time, number))));
        line
    }

    /// The numbers of the frames shown, 0 where there is none.
    fn shown(line: &PictureLine, slots: u64) -> Vec<u8> {
        (0..slots).map(|slot| line.picture(slot).map_or(0, |picture| picture.rgb()[0])).collect()
    }

    #[test]
    fn a_slot_shows_the_newest_frame_that_is_not_later() {
        assert_eq!(shown(&line(&[100, 120, 140, 160, 180, 200]), 3), [1, 3, 5], "twice as fast");
        assert_eq!(shown(&line(&[100, 180, 260]), 4), [1, 1, 2, 2], "half as fast");
        assert_eq!(shown(&line(&[100, 141, 179, 300]), 6), [1, 2, 3, 3, 3, 4], "uneven, and rounded by a millisecond");
        assert_eq!(shown(&line(&[100, 142]), 3), [1, 1, 2]);
    }

    #[test]
    fn only_frames_that_some_slot_shows_are_held() {
        let line = line(&[100, 110, 120, 130, 140, 150]);
        assert_eq!((line.held(), line.settled()), (3, 2));
    }

    #[test]
    fn a_picture_stands_for_a_second_or_for_its_duration() {
        let mut line = line(&[0]);
        assert_eq!((line.picture(24).is_some(), line.picture(25).is_some()), (true, false));
        line.push(Frame { duration: Some(Duration::from_secs(2)), ..frame(2000, 2) });
        assert_eq!(
            (line.picture(49).is_some(), line.first(30), line.picture(99).is_some(), line.first(100)),
            (false, Some(50), true, None)
        );
    }

    #[test]
    fn in_a_gap_there_is_no_picture() {
        let mut line = line(&[0, 40]);
        line.gap(Duration::from_millis(80), Duration::from_millis(160));
        assert_eq!((shown(&line, 4), line.settled()), (vec![1, 2, 0, 0], 4));
        assert!(line.push(frame(160, 3)));
        assert_eq!(shown(&line, 5), [1, 2, 0, 0, 3]);
    }

    #[test]
    fn a_late_frame_is_shown_from_where_it_still_can() {
        let mut line = line(&[0]);
        line.settle(Duration::from_millis(120));
        assert!(!line.push(frame(40, 2)));
        assert_eq!(shown(&line, 5), [1, 1, 1, 2, 2]);
    }

    #[test]
    fn the_last_frame_lasts_as_long_as_it_says_or_as_the_one_before() {
        assert_eq!(line(&[100]).end(), 40);
        assert_eq!(line(&[100, 150]).end(), 100);
        let mut line = line(&[100, 150]);
        line.push(Frame { duration: Some(Duration::from_millis(7)), ..frame(200, 3) });
        assert_eq!(line.end(), 107);
    }
}
