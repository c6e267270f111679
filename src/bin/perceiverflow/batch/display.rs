//! How far a run is: a line for the run and one for each worker where somebody watches, a line at once and then now and then where not.

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use perceiverflow::batch::{Event, Input};

use super::media_left::MediaLeft;
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
    /// Files done or failed, in this run or in earlier ones.
    settled: u64,
    failed: u64,
    windows: u64,
    media: Duration,
    elapsed: Duration,
    left: MediaLeft,
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
            Shown::Lines { next: begin }
        };
        let mut display = Self { shown, begin, state: State::of(inputs) };
        display.tick(begin);
        display
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
            Event::Done { file, damaged: damaged @ 1.., earlier: false, .. } => {
                self.say(&format!("warning: {file}: {damaged} damaged packets or pictures"));
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
                run.set_position(self.state.settled);
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
    fn of(inputs: &[Input]) -> Self {
        Self {
            files: inputs.len() as u64,
            settled: 0,
            failed: 0,
            windows: 0,
            media: Duration::ZERO,
            elapsed: Duration::ZERO,
            left: MediaLeft::of(inputs),
        }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Began { file, duration: Some(duration), .. } => self.left.know(file, *duration),
            Event::Window { file, media, .. } => {
                self.windows += 1;
                self.media += *media;
                self.left.see(file, *media);
            }
            Event::Done { file, .. } => {
                self.settled += 1;
                self.left.settle(file);
            }
            Event::Failed { file, .. } => {
                self.settled += 1;
                self.failed += 1;
                self.left.settle(file);
            }
            Event::Began { .. } | Event::Left { .. } => {}
        }
    }

    /// `12/300 files, 1 failed, 812 windows, 20.1 windows/s, 0.85 x real time, 3:02 left`.
    fn describe(&self) -> String {
        let Self { files, settled, failed, windows, media, elapsed, left } = self;
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let mut text = format!("{settled}/{files} files");
        if *failed > 0 {
            text += &format!(", {failed} failed");
        }
        let (speed, real_time) = (*windows as f64 / seconds, media.as_secs_f64() / seconds);
        text += &format!(", {windows} windows, {speed:.1} windows/s, {real_time:.2} x real time");
        if let Some(left) = left.time().filter(|_| !media.is_zero()) {
            let left = left.as_secs_f64() / real_time.max(1e-6);
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
        let [film, trailer, gone]: [Arc<str>; 3] = ["film.mp4", "trailer.mp4", "gone.mp4"].map(Into::into);
        let mut state = State { files: 3, elapsed: Duration::from_secs(20), ..State::of(&[]) };
        assert_eq!(state.describe(), "0/3 files, 0 windows, 0.0 windows/s, 0.00 x real time");
        for (file, seconds) in [(&film, 160), (&trailer, 16)] {
            state.take(&Event::Began { worker: 0, file: file.clone(), duration: Some(Duration::from_secs(seconds)) });
        }
        let media = Duration::from_millis(640);
        for _ in 0..25 {
            for file in [&film, &trailer] {
                state.take(&Event::Window { worker: 0, file: file.clone(), end: media, media });
            }
        }
        state.take(&Event::Done { file: trailer, windows: 25, damaged: 0, earlier: false });
        state.take(&Event::Failed { file: gone, detail: "x".into(), earlier: true });
        // 144 of 160 s of the film, whatever the count of files says.
        assert_eq!(state.describe(), "2/3 files, 1 failed, 50 windows, 2.5 windows/s, 1.60 x real time, 1:30 left");
    }
}
