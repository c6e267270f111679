//! How far a run is: a line for the run and one for each worker where somebody watches, a line now and then where not.

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use perceiverflow::batch::{Event, Input};

use crate::{
    output::complain,
    progress::{LINE_EVERY, clock},
};

/// Progress of a run, on standard error.
pub(super) struct Display {
    shown: Shown,
    begin: Instant,
    state: State,
}

enum Shown {
    Nothing,
    Bars { all: MultiProgress, run: ProgressBar, workers: Vec<WorkerLine> },
    Lines { next: Instant },
}

/// The line of one worker.
struct WorkerLine {
    bar: ProgressBar,
    file: Option<(Arc<str>, Option<Duration>)>,
}

/// What the numbers follow from.
#[derive(Clone, Debug)]
struct State {
    files: u64,
    /// Files done or failed in this run, and in earlier ones.
    settled: u64,
    settled_earlier: u64,
    failed: u64,
    windows: u64,
    media: Duration,
    elapsed: Duration,
}

impl Display {
    pub(super) fn new(inputs: &[Input], workers: usize, quiet: bool) -> Self {
        let begin = Instant::now();
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let line = |template: &str| {
                let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
                all.add(ProgressBar::new(inputs.len() as u64).with_style(style))
            };
            let run = line("{bar:30} {msg}");
            let workers = (0..workers).map(|_| WorkerLine { bar: line("  {msg}"), file: None }).collect();
            Shown::Bars { run, workers, all: all.clone() }
        } else {
            Shown::Lines { next: begin + LINE_EVERY }
        };
        let state = State {
            files: inputs.len() as u64,
            settled: 0,
            settled_earlier: 0,
            failed: 0,
            windows: 0,
            media: Duration::ZERO,
            elapsed: Duration::ZERO,
        };
        Self { shown, begin, state }
    }

    /// Takes note of what happened.
    pub(super) fn take(&mut self, event: &Event, now: Instant) {
        self.state.take(event);
        match event {
            Event::Failed { detail, earlier: false, .. } => self.say(detail),
            Event::Began { worker, file, duration } => self.show_worker(*worker, Some((file.clone(), *duration)), Duration::ZERO),
            Event::Left { worker } => self.show_worker(*worker, None, Duration::ZERO),
            Event::Window { worker, file, end, .. } => {
                // A worker's windows may come out when it has another file already.
                let current = self.worker(*worker).and_then(|line| line.file.clone()).filter(|(name, _)| name == file);
                if let Some(current) = current {
                    self.show_worker(*worker, Some(current), *end);
                }
            }
            Event::Done { .. } | Event::Failed { .. } => {}
        }
        self.tick(now);
    }

    /// Shows how far the run is by now.
    pub(super) fn tick(&mut self, now: Instant) {
        self.state.elapsed = now - self.begin;
        match &mut self.shown {
            Shown::Bars { run, .. } => {
                run.set_message(self.state.describe());
                run.set_position(self.state.settled + self.state.settled_earlier);
            }
            Shown::Lines { next } if now >= *next => {
                *next = now + LINE_EVERY;
                eprintln!("{}", self.state.describe());
            }
            Shown::Lines { .. } | Shown::Nothing => {}
        }
    }

    /// Says something between the lines.
    pub(super) fn say(&self, message: &str) {
        match &self.shown {
            Shown::Bars { all, .. } => all.suspend(|| complain(message)),
            Shown::Lines { .. } => complain(message),
            Shown::Nothing => {}
        }
    }

    fn worker(&mut self, worker: usize) -> Option<&mut WorkerLine> {
        match &mut self.shown {
            Shown::Bars { workers, .. } => workers.get_mut(worker),
            _ => None,
        }
    }

    fn show_worker(&mut self, worker: usize, file: Option<(Arc<str>, Option<Duration>)>, at: Duration) {
        let Some(line) = self.worker(worker) else { return };
        line.bar.set_message(match &file {
            Some((name, Some(whole))) => format!("{name} {}/{}", clock(at), clock(*whole)),
            Some((name, None)) => format!("{name} {}", clock(at)),
            None => String::new(),
        });
        line.file = file;
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Shown::Bars { all, .. } = &self.shown {
            let _ = all.clear();
        }
    }
}

impl State {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Window { media, .. } => {
                self.windows += 1;
                self.media += *media;
            }
            Event::Done { earlier, .. } => self.settle(*earlier),
            Event::Failed { earlier, .. } => {
                self.failed += 1;
                self.settle(*earlier);
            }
            Event::Began { .. } | Event::Left { .. } => {}
        }
    }

    fn settle(&mut self, earlier: bool) {
        *(if earlier { &mut self.settled_earlier } else { &mut self.settled }) += 1;
    }

    /// `12/300 files, 1 failed, 812 windows, 20.1 windows/s, 0.85 x real time, 3:02 left`.
    fn describe(&self) -> String {
        let Self { files, settled, settled_earlier, failed, windows, media, elapsed } = self;
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let done = settled + settled_earlier;
        let mut text = format!("{done}/{files} files");
        if *failed > 0 {
            text += &format!(", {failed} failed");
        }
        let (speed, real_time) = (*windows as f64 / seconds, media.as_secs_f64() / seconds);
        text += &format!(", {windows} windows, {speed:.1} windows/s, {real_time:.2} x real time");
        if *settled > 0 {
            let left = seconds / *settled as f64 * files.saturating_sub(done) as f64;
            text += &format!(", {} left", clock(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_time_left_follow_from_what_happened() {
        let file: Arc<str> = "a.mp4".into();
        let mut state = State {
            files: 10,
            settled: 0,
            settled_earlier: 0,
            failed: 0,
            windows: 0,
            media: Duration::ZERO,
            elapsed: Duration::from_secs(20),
        };
        assert_eq!(state.describe(), "0/10 files, 0 windows, 0.0 windows/s, 0.00 x real time");
        let media = Duration::from_millis(640);
        for _ in 0..50 {
            state.take(&Event::Window { worker: 0, file: file.clone(), end: media, media });
        }
        for earlier in [true, false, false] {
            state.take(&Event::Done { file: file.clone(), windows: 25, earlier });
        }
        state.take(&Event::Failed { file, detail: "x".into(), earlier: true });
        assert_eq!(state.describe(), "4/10 files, 1 failed, 50 windows, 2.5 windows/s, 1.60 x real time, 1:00 left");
    }
}
