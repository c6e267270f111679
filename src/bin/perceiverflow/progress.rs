//! How far the work is: a bar where somebody watches, a line now and then where not.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines in a log.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    name: &'static str,
    speed: &'static str,
}

impl Unit {
    pub(crate) const FRAMES: Self = Self { name: "frames", speed: "fps" };
    pub(crate) const WINDOWS: Self = Self { name: "windows", speed: "windows/s" };
}

/// Progress through a video, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    begin: Instant,
    state: State,
}

#[derive(Debug)]
enum Display {
    Nothing,
    Bar(ProgressBar),
    Lines { next: Instant },
}

/// What the numbers follow from.
#[derive(Clone, Copy, Debug)]
struct State {
    unit: Unit,
    done: u64,
    expected: Option<u64>,
    media: Duration,
    elapsed: Duration,
}

impl Progress {
    /// Begins, with as many frames or windows to come as `expected` says.
    pub(crate) fn begin(expected: Option<u64>, unit: Unit, quiet: bool) -> Self {
        let begin = Instant::now();
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(expected.unwrap_or(0));
            let template = if expected.is_some() { "{bar:30} {msg}" } else { "{spinner} {msg}" };
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            Display::Bar(bar)
        } else {
            Display::Lines { next: begin + LINE_EVERY }
        };
        Self { display, begin, state: State { unit, done: 0, expected, media: Duration::ZERO, elapsed: Duration::ZERO } }
    }

    /// One more is done, and with it everything up to `media` of the video.
    pub(crate) fn step(&mut self, media: Duration) {
        let now = Instant::now();
        self.state.done += 1;
        self.state.media = media;
        self.state.elapsed = now - self.begin;
        match &mut self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                bar.set_message(self.state.describe());
                bar.set_position(self.state.done);
            }
            Display::Lines { next } if now >= *next => {
                *next = now + LINE_EVERY;
                eprintln!("{}", self.state.describe());
            }
            Display::Lines { .. } => {}
        }
    }

    /// Ends with a summary.
    pub(crate) fn finish(mut self) {
        self.state.elapsed = self.begin.elapsed();
        self.state.expected = None;
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
        if !matches!(self.display, Display::Nothing) {
            eprintln!("{} in {}", self.state.describe(), clock(self.state.elapsed));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

impl State {
    /// Count, speed and, where the end is known, time left: `120/185 frames, 3.1 fps, 0.10 x real time, 0:21 left`.
    fn describe(&self) -> String {
        let seconds = self.elapsed.as_secs_f64().max(1e-6);
        let speed = self.done as f64 / seconds;
        let Unit { name, speed: per_second } = self.unit;
        let real_time = self.media.as_secs_f64() / seconds;
        match self.expected {
            Some(expected) => {
                // The expectation may be an estimate; the end is never behind.
                let left = expected.saturating_sub(self.done) as f64 / speed.max(1e-6);
                let left = clock(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX));
                format!("{}/{expected} {name}, {speed:.1} {per_second}, {real_time:.2} x real time, {left} left", self.done)
            }
            None => format!("{} {name}, {speed:.1} {per_second}, {real_time:.2} x real time", self.done),
        }
    }
}

/// `1:02:03` or `2:03`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_time_left_follow_from_what_is_done() {
        let state = State {
            unit: Unit::FRAMES,
            done: 120,
            expected: Some(180),
            media: Duration::from_secs(4),
            elapsed: Duration::from_secs(40),
        };
        assert_eq!(state.describe(), "120/180 frames, 3.0 fps, 0.10 x real time, 0:20 left");
        assert_eq!(State { expected: None, ..state }.describe(), "120 frames, 3.0 fps, 0.10 x real time");
        assert!(State { expected: Some(100), ..state }.describe().ends_with("0:00 left"));
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
