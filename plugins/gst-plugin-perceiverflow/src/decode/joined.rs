//! What heads say of windows as one stream of pictures or samples: each unit with its time, overlapping windows crossfaded.

use std::time::Duration;

use gst::prelude::*;
use perceiverflow::media::{ClipShape, Crossfade, Stretch};

use crate::{meta::WindowMeta, times::clock_time};

/// Two reckonings of one time differ by less than this.
const EXACT: gst::ClockTime = gst::ClockTime::from_useconds(1);

/// Units that follow each other.
#[derive(Debug)]
pub(super) struct Piece {
    /// When the first unit begins, as a timestamp.
    pub(super) pts: gst::ClockTime,
    /// Numbers, unit after unit.
    pub(super) values: Vec<f32>,
    /// The newest window that they are of.
    pub(super) meta: WindowMeta,
}

/// How long pictures or samples last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units {
    shape: ClipShape,
    /// Samples that a unit lasts.
    samples: usize,
}

impl Units {
    /// Units that last `samples` samples each.
    pub(super) fn new(shape: ClipShape, samples: usize) -> Self {
        Self { shape, samples }
    }

    /// How long so many units last.
    pub(super) fn time_of(self, units: usize) -> gst::ClockTime {
        clock_time(self.shape.time_of((units * self.samples) as u64))
    }

    /// How many units so many samples are, to the nearest.
    fn nearest(self, samples: u64) -> u64 {
        let unit = self.samples as u64;
        (samples + unit / 2) / unit
    }

    /// Samples in so long a time.
    fn samples_in(self, time: gst::ClockTime) -> u64 {
        time.nseconds().mul_div_round(u64::from(self.shape.sample_rate), gst::ClockTime::SECOND.nseconds()).unwrap_or(u64::MAX)
    }
}

/// The windows of one stream, joined.
#[derive(Debug)]
pub(super) struct Joined {
    units: Units,
    /// Numbers of a unit.
    numbers: usize,
    /// Whether a window may begin before the one before it ends, so that its end has to wait.
    overlaps: bool,
    fade: Crossfade,
    /// The time of place 0.
    origin: gst::ClockTime,
    held: Option<WindowMeta>,
}

impl Joined {
    /// For units of `numbers` numbers; windows come every `period`, zero where that is unknown.
    pub(super) fn new(units: Units, numbers: usize, period: Duration) -> Self {
        let overlaps = !period.is_zero() && period + Duration::from(EXACT) < units.shape.duration();
        Self { units, numbers, overlaps, fade: Crossfade::new(numbers), origin: gst::ClockTime::ZERO, held: None }
    }

    pub(super) fn overlaps(&self) -> bool {
        self.overlaps
    }

    pub(super) fn units(&self) -> Units {
        self.units
    }

    /// Takes the numbers of the window that begins at `pts`; gives what no later window can change. What lies behind the window's own
    /// duration was padding, and is left out.
    pub(super) fn push(&mut self, pts: gst::ClockTime, mut values: Vec<f32>, meta: WindowMeta) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let at = self.place(pts).unwrap_or_else(|| {
            pieces.extend(self.finish());
            self.origin = pts;
            0
        });
        if !meta.window.duration.is_zero() {
            // Windows are made for half a frame or more, and so are their pictures.
            let units = self.units.nearest(self.units.samples_in(meta.window.duration)).max(1);
            values.truncate(usize::try_from(units).unwrap_or(usize::MAX).saturating_mul(self.numbers));
        }
        let stretch = self.fade.push(at, values);
        let before = self.held.replace(meta);
        pieces.extend(stretch.zip(before).map(|(stretch, meta)| self.piece(stretch, meta)));
        if !self.overlaps {
            pieces.extend(self.finish());
        }
        pieces
    }

    /// What is left when no window follows.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        let (stretch, meta) = self.fade.finish().zip(self.held.take())?;
        Some(self.piece(stretch, meta))
    }

    /// The place of a time, if a window may begin there on the grid of those before.
    fn place(&self, pts: gst::ClockTime) -> Option<u64> {
        self.held.as_ref()?;
        let samples = self.units.samples_in(pts.checked_sub(self.origin)?);
        let units = self.units.nearest(samples);
        let reckoned = self.origin + self.units.time_of(usize::try_from(units).ok()?);
        (reckoned.absdiff(pts) < EXACT).then_some(units)
    }

    fn piece(&self, stretch: Stretch, meta: WindowMeta) -> Piece {
        Piece { pts: self.origin + self.units.time_of(stretch.at as usize), values: stretch.values, meta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::ResultWindow;

    const MS: gst::ClockTime = gst::ClockTime::MSECOND;

    /// Windows of 4 units of 10 ms, 2 samples each.
    fn joined(period: u64) -> Joined {
        let shape = ClipShape { frames: 4, samples_per_frame: 2, sample_rate: 200 };
        Joined::new(Units::new(shape, 2), 1, Duration::from_millis(period))
    }

    fn meta(id: u64, duration: u64) -> WindowMeta {
        let window =
            ResultWindow { id, stream_time: None, running_time: None, duration: MS * duration, model_hash: "abc".into() };
        WindowMeta { window, inputs: None, error: None }
    }

    /// Milliseconds, numbers and window of each piece.
    fn seen(pieces: impl IntoIterator<Item = Piece>) -> Vec<(u64, Vec<f32>, u64)> {
        pieces.into_iter().map(|piece| (piece.pts.mseconds(), piece.values, piece.meta.window.id)).collect()
    }

    #[test]
    fn windows_side_by_side_leave_at_once() {
        let mut joined = joined(40);
        assert_eq!(seen(joined.push(MS * 7, vec![1.0; 4], meta(0, 40))), [(7, vec![1.0; 4], 0)]);
        assert_eq!(seen(joined.push(MS * 47, vec![2.0; 4], meta(1, 15))), [(47, vec![2.0; 2], 1)], "the rest is padding");
        assert!(joined.finish().is_none());
    }

    #[test]
    fn overlapping_windows_wait_for_the_next_and_fade() {
        let mut joined = joined(20);
        assert_eq!(seen(joined.push(MS * 5, vec![0.0; 4], meta(0, 40))), []);
        assert_eq!(seen(joined.push(MS * 25, vec![3.0; 4], meta(1, 40))), [(5, vec![0.0; 2], 0)]);
        assert_eq!(seen(joined.finish()), [(25, vec![1.0, 2.0, 3.0, 3.0], 1)]);
    }

    #[test]
    fn a_window_off_the_grid_begins_anew() {
        let mut joined = joined(20);
        joined.push(MS * 5, vec![0.0; 4], meta(0, 40));
        let pieces = joined.push(MS * 28, vec![3.0; 4], meta(1, 40));
        assert_eq!(seen(pieces), [(5, vec![0.0; 4], 0)]);
        assert_eq!(seen(joined.finish()), [(28, vec![3.0; 4], 1)]);
    }
}
