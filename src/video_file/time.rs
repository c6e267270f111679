//! Ticks and seconds.

use std::{fmt, str::FromStr, time::Duration};

use crate::error::{Error, Result};

const NANOSECONDS: u128 = 1_000_000_000;

/// A fraction of two whole numbers, such as 30000/1001 frames per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Above the line.
    pub numerator: u32,
    /// Below the line; not 0.
    pub denominator: u32,
}

impl Ratio {
    /// 1/1.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator` / `denominator` as libav gives it; none unless both are above 0.
    pub(super) fn positive(numerator: i32, denominator: i32) -> Option<Self> {
        let part = |value: i32| u32::try_from(value).ok().filter(|&value| value > 0);
        Some(Self { numerator: part(numerator)?, denominator: part(denominator)? })
    }

    /// Its value.
    pub fn value(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// The other way up.
    pub(super) fn inverse(self) -> Self {
        Self { numerator: self.denominator, denominator: self.numerator }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 { write!(f, "{}", self.numerator) } else { write!(f, "{}/{}", self.numerator, self.denominator) }
    }
}

impl FromStr for Ratio {
    type Err = Error;

    /// Reads `25` or `30000/1001`.
    fn from_str(text: &str) -> Result<Self> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let part = |text: &str| text.parse().ok();
        part(numerator)
            .zip(part(denominator))
            .and_then(|(numerator, denominator)| Self::positive(numerator, denominator))
            .ok_or_else(|| Error::option("rate", text, "a number or a fraction above 0, such as 25 or 30000/1001"))
    }
}

/// What a tick of a stream's clock lasts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBase(Ratio);

impl TimeBase {
    /// A tick of `seconds`; none unless both parts are above 0.
    pub(super) fn new(numerator: i32, denominator: i32) -> Option<Self> {
        Ratio::positive(numerator, denominator).map(Self)
    }

    /// One tick for each frame at `rate` frames per second.
    ///
    /// # Errors
    /// When a part of the rate is zero or above 2³¹.
    pub fn of_rate(rate: Ratio) -> Result<Self> {
        let part = |value: u32| i32::try_from(value).unwrap_or(0);
        Self::new(part(rate.denominator), part(rate.numerator))
            .ok_or_else(|| Error::option("frame rate", rate, "a fraction of two whole numbers, both above 0"))
    }

    /// Seconds of a tick.
    pub fn seconds(self) -> Ratio {
        self.0
    }

    /// The time `ticks` after the start, to the nearest nanosecond.
    pub fn time(self, ticks: u64) -> Duration {
        let denominator = u128::from(self.0.denominator);
        let nanoseconds = (u128::from(ticks) * u128::from(self.0.numerator) * NANOSECONDS + denominator / 2) / denominator;
        Duration::new((nanoseconds / NANOSECONDS) as u64, (nanoseconds % NANOSECONDS) as u32)
    }

    /// The tick nearest to `time`. The inverse of [`TimeBase::time`] for ticks longer than a nanosecond.
    pub fn ticks(self, time: Duration) -> u64 {
        let whole = u128::from(self.0.numerator) * NANOSECONDS;
        ((time.as_nanos() * u128::from(self.0.denominator) + whole / 2) / whole) as u64
    }
}

/// Where frames lie in time: a strictly rising number of ticks from the start, whatever the file says.
///
/// Files come with frames without a timestamp (raw H.264), with repeated ones (broken muxers) and with ones before the start
/// (leading pictures of an open group). Each frame stays, as near to its own time as order allows.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    start: i64,
    step: u64,
    next: u64,
}

impl Timeline {
    /// Counts from the timestamp `start`; frames without a timestamp are `step` ticks apart.
    pub(super) fn new(start: i64, step: u64) -> Self {
        Self { start, step: step.max(1), next: 0 }
    }

    /// The ticks of the next frame, which the file says is at `timestamp`.
    pub(super) fn place(&mut self, timestamp: Option<i64>) -> u64 {
        let guess = if self.next == 0 { 0 } else { self.next - 1 + self.step };
        let wanted = timestamp.map_or(guess, |timestamp| timestamp.saturating_sub(self.start).max(0) as u64);
        let ticks = wanted.max(self.next);
        self.next = ticks + 1;
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_through_time() {
        for (numerator, denominator) in [(1, 1000), (1, 16_000), (1001, 30_000), (1, 90_000), (1, 1_000_000), (1, 25)] {
            let base = TimeBase::new(numerator, denominator).unwrap();
            for ticks in [0, 1, 2, 3, 7, 1001, 123_457, 987_654_321] {
                assert_eq!(base.ticks(base.time(ticks)), ticks, "{base:?}");
            }
        }
    }

    #[test]
    fn rates_are_read_as_fractions() {
        assert_eq!("30000/1001".parse::<Ratio>().unwrap(), Ratio { numerator: 30_000, denominator: 1001 });
        assert_eq!("25".parse::<Ratio>().unwrap().to_string(), "25");
        for text in ["0", "-1", "1/0", "fast", "", "4294967295"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn uneven_times_are_kept() {
        let mut timeline = Timeline::new(2000, 40);
        let ticks: Vec<u64> = [2048, 2100, 2101, 2600].map(|at| timeline.place(Some(at))).into();
        assert_eq!(ticks, [48, 100, 101, 600]);
    }

    #[test]
    fn missing_repeated_and_early_timestamps_still_rise() {
        let mut timeline = Timeline::new(100, 40);
        let ticks: Vec<u64> = [None, None, Some(180), Some(180), Some(20), Some(300), None].map(|at| timeline.place(at)).into();
        assert_eq!(ticks, [0, 40, 80, 81, 82, 200, 240]);
        assert_eq!(Timeline::new(100, 40).place(Some(60)), 0);
    }
}
