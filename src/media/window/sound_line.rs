//! Where sound lies: every sample has a place, counted from the start of the stream.
//!
//! Place `p` is heard at `p / rate` seconds. A chunk begins where the one before it ended: its samples are counted, its time is only
//! compared with the count. The time wins
//!
//! - at once for the first chunk, after a gap or a discontinuity, and when it lies beyond the tolerance: the chunk begins at the
//!   nearest place, and what overlaps sound that is already there is left out;
//! - slowly when [`WITNESSES`] chunks in a row lie on the same side of the count by more than half a sample: the count then moves by
//!   the smallest of their distances, by repeating or leaving out samples at the beginning of the chunk.
//!
//! So times rounded to milliseconds, which lie now before and now behind the count, do not tear sound apart, and a clock that drifts
//! is followed: with exact times, chunks of 20 ms and 50 ppm no sample lies further than one place from its time.

use std::{collections::VecDeque, time::Duration};

use super::{super::AudioChunk, ClipShape};

/// Parts of a sample in which distances are reckoned: with times in nanoseconds they are whole numbers.
const PARTS: i128 = 1_000_000_000;

/// So many chunks have to agree before a drift is believed.
const WITNESSES: usize = 8;

/// Samples and holes on a line of places.
#[derive(Clone, Debug)]
pub(super) struct SoundLine {
    shape: ClipShape,
    tolerance: i128,
    segments: VecDeque<Segment>,
    /// Where the next chunk begins by count; none where its time decides.
    counted: Option<u64>,
    /// Everything before this place is as it will stay.
    settled: u64,
    distances: VecDeque<i128>,
    pub(super) late: u64,
    pub(super) resyncs: u64,
    pub(super) slips: u64,
}

#[derive(Clone, Debug)]
struct Segment {
    start: u64,
    samples: VecDeque<f32>,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }
}

impl SoundLine {
    pub(super) fn new(shape: ClipShape, tolerance: Duration) -> Self {
        Self {
            shape,
            tolerance: tolerance.as_nanos() as i128 * i128::from(shape.sample_rate),
            segments: VecDeque::new(),
            counted: None,
            settled: 0,
            distances: VecDeque::new(),
            late: 0,
            resyncs: 0,
            slips: 0,
        }
    }

    /// Lays a chunk behind the last one, or where its time says.
    pub(super) fn push(&mut self, chunk: AudioChunk) {
        let mut samples = VecDeque::from(chunk.samples);
        let mut start = match self.counted {
            Some(counted) => self.follow(counted, chunk.time, &mut samples),
            None => self.shape.place_of(chunk.time),
        };
        let end = start + samples.len() as u64;
        self.counted = Some(end);
        let overlap = (self.settled.saturating_sub(start) as usize).min(samples.len());
        samples.drain(..overlap);
        self.late += overlap as u64;
        start += overlap as u64;
        self.settled = self.settled.max(end);
        if !samples.is_empty() {
            self.segments.push_back(Segment { start, samples });
        }
    }

    /// Where a chunk begins that would begin at `counted`; changes the chunk where a drift is made up for.
    fn follow(&mut self, counted: u64, time: Duration, samples: &mut VecDeque<f32>) -> u64 {
        let distance = time.as_nanos() as i128 * i128::from(self.shape.sample_rate) - i128::from(counted) * PARTS;
        if distance.abs() > self.tolerance {
            self.resyncs += 1;
            self.distances.clear();
            return self.shape.place_of(time);
        }
        if self.distances.len() == WITNESSES {
            self.distances.pop_front();
        }
        self.distances.push_back(distance);
        let slip = if self.distances.len() < WITNESSES { 0 } else { agreed(&self.distances) };
        if slip != 0 {
            self.distances.iter_mut().for_each(|distance| *distance -= slip * PARTS);
            self.slips += slip.unsigned_abs() as u64;
            let first = samples.front().copied().unwrap_or_default();
            (0..slip).for_each(|_| samples.push_front(first));
            samples.drain(..((-slip).max(0) as usize).min(samples.len()));
        }
        counted
    }

    /// Lets the time of the next chunk decide where it begins.
    pub(super) fn distrust_count(&mut self) {
        self.counted = None;
        self.distances.clear();
    }

    /// Nothing more will come before `place`; what does is late.
    pub(super) fn settle(&mut self, place: u64) {
        if place > self.settled {
            self.settled = place;
            self.distrust_count();
        }
    }

    /// Everything before this place is as it will stay.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The place after the last sample held.
    pub(super) fn end(&self) -> Option<u64> {
        self.segments.back().map(Segment::end)
    }

    /// The first place at or after `from` that has a sample.
    pub(super) fn first(&self, from: u64) -> Option<u64> {
        self.segments.iter().find(|segment| segment.end() > from).map(|segment| segment.start.max(from))
    }

    /// The samples of `length` places from `from` on, with silence in the holes and at and after `until`; also how many were there.
    pub(super) fn cut(&self, from: u64, length: usize, until: u64) -> (Vec<f32>, usize) {
        let (mut cut, mut there) = (vec![0.0; length], 0);
        let until = until.min(from + length as u64);
        let overlapping = self.segments.iter().skip_while(|segment| segment.end() <= from);
        for segment in overlapping.take_while(|segment| segment.start < until) {
            let (first, last) = (segment.start.max(from), segment.end().min(until));
            let held = segment.samples.range((first - segment.start) as usize..(last - segment.start) as usize);
            there += held.len();
            cut[(first - from) as usize..(last - from) as usize].iter_mut().zip(held).for_each(|(to, sample)| *to = *sample);
        }
        (cut, there)
    }

    /// Forgets what lies before `place`.
    pub(super) fn discard_before(&mut self, place: u64) {
        while let Some(segment) = self.segments.front_mut() {
            if segment.end() > place {
                let gone = place.saturating_sub(segment.start);
                segment.samples.drain(..gone as usize);
                segment.start += gone;
                return;
            }
            self.segments.pop_front();
        }
    }

    /// Number of samples held.
    pub(super) fn held(&self) -> usize {
        self.segments.iter().map(|segment| segment.samples.len()).sum()
    }

    /// Forgets all sound; what was counted stays.
    pub(super) fn reset(&mut self) {
        self.segments.clear();
        self.settled = 0;
        self.distrust_count();
    }
}

/// The whole samples by which the count is off at least, where all distances say so.
fn agreed(distances: &VecDeque<i128>) -> i128 {
    let (least, most) = distances.iter().fold((i128::MAX, i128::MIN), |(least, most), &d| (least.min(d), most.max(d)));
    match (least > PARTS / 2, most < -PARTS / 2) {
        (true, _) => (least + PARTS / 2) / PARTS,
        (_, true) => (most - PARTS / 2) / PARTS,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ClipShape = ClipShape { frames: 1, samples_per_frame: 10, sample_rate: 1000 };

    fn line() -> SoundLine {
        SoundLine::new(SHAPE, Duration::from_millis(40))
    }

    fn push(line: &mut SoundLine, microseconds: u64, samples: &[f32]) {
        line.push(AudioChunk { samples: samples.to_vec(), rate: 1000, time: Duration::from_micros(microseconds) });
    }

    fn cut(line: &SoundLine, from: u64, length: usize) -> Vec<f32> {
        line.cut(from, length, u64::MAX).0
    }

    #[test]
    fn chunks_continue_by_count_within_the_tolerance() {
        let mut line = line();
        push(&mut line, 5000, &[1.0, 2.0]);
        push(&mut line, 20_000, &[3.0]);
        push(&mut line, 3000, &[4.0]);
        assert_eq!(cut(&line, 4, 6), [0.0, 1.0, 2.0, 3.0, 4.0, 0.0]);
        assert_eq!((line.first(0), line.end(), line.settled(), line.resyncs), (Some(5), Some(9), 9, 0));
    }

    #[test]
    fn beyond_the_tolerance_the_time_wins() {
        let mut line = line();
        push(&mut line, 0, &[1.0; 60]);
        push(&mut line, 101_000, &[2.0]);
        assert_eq!(cut(&line, 59, 3), [1.0, 0.0, 0.0]);
        assert_eq!(cut(&line, 100, 3), [0.0, 2.0, 0.0]);
        // Back again: the place is taken, and the count goes on from the new time.
        push(&mut line, 30_000, &[3.0; 71]);
        assert_eq!((line.resyncs, line.late, line.end()), (2, 71, Some(102)));
        push(&mut line, 101_000, &[4.0, 4.0]);
        assert_eq!((cut(&line, 101, 2), line.late), (vec![2.0, 4.0], 72));
    }

    #[test]
    fn after_a_discontinuity_the_time_wins_at_once() {
        let mut line = line();
        push(&mut line, 0, &[1.0]);
        line.distrust_count();
        push(&mut line, 3000, &[2.0]);
        assert_eq!(cut(&line, 0, 4), [1.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn rounded_times_do_not_move_sound() {
        let mut line = line();
        for number in 0..3000_u64 {
            push(&mut line, (number * 10_000 + 5000) / 7000 * 7000, &[number as f32; 10]);
        }
        assert_eq!((line.slips, line.resyncs, line.end()), (0, 0, Some(30_000)));
    }

    #[test]
    fn drift_is_followed_a_sample_at_a_time() {
        for step in [10_010, 9990] {
            let mut line = line();
            for number in 0..1000 {
                push(&mut line, number * step, &[number as f32; 10]);
                let end = line.end().unwrap() as i64 * 1000;
                assert!((end - (number * step) as i64 - 10_000).abs() <= 1000, "{number}: {end}");
            }
            assert!(line.slips.abs_diff(10) <= 1 && line.late == 0, "{} slips", line.slips);
            assert!(line.cut(0, 9900, u64::MAX).1 == 9900, "no holes");
        }
    }

    #[test]
    fn what_is_given_up_is_late_in_part() {
        let mut line = line();
        line.settle(5);
        push(&mut line, 3000, &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((cut(&line, 3, 4), line.late), (vec![0.0, 0.0, 3.0, 4.0], 2));
    }

    #[test]
    fn a_cut_ends_where_it_is_told_and_the_past_is_forgotten() {
        let mut line = line();
        push(&mut line, 0, &[1.0; 10]);
        assert_eq!(line.cut(8, 4, 9), (vec![1.0, 0.0, 0.0, 0.0], 1));
        line.discard_before(7);
        assert_eq!((line.held(), line.first(0)), (3, Some(7)));
        line.discard_before(20);
        assert_eq!((line.held(), line.first(0), line.settled()), (0, None, 10));
    }
}
