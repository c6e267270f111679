//! One worker: a file at a time, from its media to windows that the model has and the writer waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::{
    Event, Input, Job,
    calls::Calls,
    earlier::{Earlier, Verdict},
    queue::{Opening, Queue, Unit, parts},
    reading::{self, Opened, Piece},
    stages::Stages,
    windows::{Cutter, WindowAnswer},
};
use crate::{
    engine::Ticket,
    error::{Error, Result},
};

/// How long an end that was asked for may go unnoticed while a file keeps everybody waiting.
const ATTENTION: Duration = Duration::from_millis(100);

/// What the workers of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) inputs: Vec<Input>,
    /// The inputs' ids, for events.
    pub(super) names: Vec<Arc<str>>,
    pub(super) queue: Queue,
    pub(super) earlier: Earlier,
    pub(super) stages: Arc<Stages>,
    /// Whether nothing new is to be begun.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) time_limit: Option<Duration>,
    /// How many of them there are.
    pub(super) workers: usize,
    /// How long the parts of a long file are at least.
    pub(super) part: Duration,
}

/// What the writer hears, of each part of a file in this order.
#[derive(Debug)]
pub(super) enum Message {
    /// A file was opened; it comes in so many parts.
    Opened { file: usize, key: String, opened: Opened, parts: usize },
    /// A window that the model has.
    Window(Submitted),
    /// A part has ended.
    Ended { file: usize, end: End },
}

/// A window on its way through the model.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) worker: usize,
    pub(super) file: usize,
    pub(super) window: u64,
    pub(super) time: Duration,
    pub(super) duration: Duration,
    /// How much of the file it stands for.
    pub(super) media: Duration,
    pub(super) answer: Ticket<WindowAnswer>,
}

/// How a part of a file ended.
#[derive(Debug)]
pub(super) enum End {
    /// All of its windows are under way.
    Whole,
    /// Somebody asked for the end.
    Stopped,
    Failed(Error),
    /// An earlier run said the last word on it.
    Earlier(Verdict),
}

/// Works until nothing is left, or nobody listens any more.
pub(super) fn work(number: usize, shared: &Shared, calls: &Calls, messages: &Sender<Message>, events: &Sender<Event>) {
    while let Some((unit, opening)) = shared.queue.take() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let file = unit.file;
        let end = Part { number, shared, calls, messages, events, unit }.work(opening).unwrap_or_else(End::Failed);
        let _ = events.send(Event::Left { worker: number });
        if messages.send(Message::Ended { file, end }).is_err() {
            return;
        }
    }
}

/// A part of a file on its way.
struct Part<'a> {
    number: usize,
    shared: &'a Shared,
    calls: &'a Calls,
    messages: &'a Sender<Message>,
    events: &'a Sender<Event>,
    unit: Unit,
}

impl Part<'_> {
    fn work(mut self, opening: Opening<'_>) -> Result<End> {
        let input = &self.shared.inputs[self.unit.file];
        if self.unit.is_first()
            && let Some(verdict) = self.shared.earlier.without_content(input)
        {
            return Ok(End::Earlier(verdict));
        }
        let job = self.shared.job.with(&input.options);
        let mut pieces = Pieces {
            receiver: reading::start(&input.path, &job, &self.shared.stages)?,
            stop: &self.shared.stop,
            left: input.options.time_limit.or(self.shared.time_limit),
            input,
        };
        let key = match pieces.key() {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(End::Stopped),
            // What is done stays done when its file goes.
            Err(error) => return self.shared.earlier.done(input).map(End::Earlier).ok_or(error),
        };
        if self.unit.is_first()
            && let Some(verdict) = self.shared.earlier.of_content(input, &key)
        {
            return Ok(End::Earlier(verdict));
        }
        let Some(opened) = pieces.opened()? else { return Ok(End::Stopped) };
        let cutter = Cutter::new(&job, opened.video.is_some(), opened.has_sound)?;
        let stride = job.stride(&opened);
        if self.unit.is_first() {
            let expected = opened.duration.map(|whole| windows_in(whole, stride));
            // Each part is decoded from the beginning of the file: more of them than workers would only decode more.
            let fewest = expected.map_or(1, |expected| expected.div_ceil(self.shared.workers as u64));
            let parts = parts(self.unit.file, expected, windows_in(self.shared.part, stride).max(fewest).max(1));
            self.unit = parts[0].clone();
            self.tell(Message::Opened { file: self.unit.file, key: key.clone(), opened, parts: parts.len() })?;
            opening.add(&parts[1..]);
        }
        drop(opening);
        let name = self.shared.names[self.unit.file].clone();
        let _ = self.events.send(Event::Began { worker: self.number, file: name, duration: opened.duration });

        let mut file = FileWindows { job: &job, key: &key, stride, cutter, next: 0 };
        while let Some(piece) = pieces.next()? {
            let ended = matches!(piece, Piece::End);
            self.shared.stages.windows.during(|| match piece {
                Piece::Media(media) => file.cutter.push(media),
                _ => {
                    file.cutter.finish();
                    Ok(())
                }
            })?;
            if self.pass_on(&mut file)? || ended {
                return Ok(End::Whole);
            }
        }
        Ok(End::Stopped)
    }

    /// Hands complete windows to the model, those that are there already left out. Tells whether the last one of the part was among them.
    fn pass_on(&self, file: &mut FileWindows<'_>) -> Result<bool> {
        let Shared { stages, earlier, inputs, .. } = self.shared;
        while file.next < self.unit.windows.end {
            let Some(cut) = stages.windows.during(|| file.cutter.next())? else { return Ok(false) };
            let window = file.next;
            file.next += 1;
            if window < self.unit.windows.start || earlier.has_window(&inputs[self.unit.file], file.key, window) {
                continue;
            }
            let (time, duration) = (cut.time, cut.duration);
            let ready = stages.windows.during(|| file.cutter.prepare(cut))?;
            let answer = self.calls.submit(ready)?;
            let media = file.job.stands_for(duration, file.stride);
            let (worker, file) = (self.number, self.unit.file);
            self.tell(Message::Window(Submitted { worker, file, window, time, duration, media, answer }))?;
        }
        Ok(true)
    }

    fn tell(&self, message: Message) -> Result<()> {
        self.messages.send(message).map_err(|_| Error::Interrupted)
    }
}

/// Where a file's windows come from.
struct FileWindows<'a> {
    job: &'a Job,
    key: &'a str,
    /// From one window to the next.
    stride: Duration,
    cutter: Cutter,
    /// The number of the next window.
    next: u64,
}

/// How many windows begin in `whole`, about.
fn windows_in(whole: Duration, stride: Duration) -> u64 {
    whole.div_duration_f64(stride.max(Duration::from_nanos(1))).ceil() as u64
}

/// What comes of a file, for as long as it may be waited for in all.
struct Pieces<'a> {
    receiver: Receiver<Result<Piece>>,
    stop: &'a AtomicBool,
    left: Option<Duration>,
    input: &'a Input,
}

impl Pieces<'_> {
    /// The next piece; none when somebody asked for the end.
    fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let begin = Instant::now();
            let received = self.receiver.recv_timeout(self.left.map_or(ATTENTION, |left| left.min(ATTENTION)));
            self.left = self.left.map(|left| left.saturating_sub(begin.elapsed()));
            match received {
                Ok(piece) => return piece.map(Some),
                Err(RecvTimeoutError::Timeout) if self.left.is_none_or(|left| !left.is_zero()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::format(
                        &self.input.path,
                        "time limit: the file was waited for longer than allowed, and given up",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::format(&self.input.path, "its reader panicked"));
                }
            }
        }
    }

    fn key(&mut self) -> Result<Option<String>> {
        match self.next()? {
            Some(Piece::Key(key)) => Ok(Some(key)),
            _ => Ok(None),
        }
    }

    fn opened(&mut self) -> Result<Option<Opened>> {
        match self.next()? {
            Some(Piece::Opened(opened)) => Ok(Some(opened)),
            _ => Ok(None),
        }
    }
}
