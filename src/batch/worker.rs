//! One worker: a file at a time, from its media to windows that the model has and the writer waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Sender;

use super::{
    Event, Input, Job,
    calls::Calls,
    earlier::{Earlier, Verdict},
    pieces::Pieces,
    queue::{Opening, Queue, Unit, parts},
    reading::{self, Opened, Piece},
    stages::Stages,
    wanted::{Wanted, windows_in, windows_of},
    windows::{Cutter, WindowAnswer},
};
use crate::{
    engine::Ticket,
    error::{Error, Result},
    media::Picture,
};

/// What the workers of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) inputs: Vec<Input>,
    /// The inputs' ids, for events.
    pub(super) names: Vec<Arc<str>>,
    pub(super) queue: Queue,
    /// Of each input, whether what it becomes cannot be written: its further windows would be for nothing.
    pub(super) given_up: Vec<AtomicBool>,
    pub(super) earlier: Earlier,
    pub(super) stages: Arc<Stages>,
    /// Whether nothing new is to be begun.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) time_limit: Option<Duration>,
    pub(super) stall_limit: Duration,
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
    Whole {
        /// Packets that were damaged, as far as the part was read.
        damaged: u64,
    },
    /// Somebody asked for the end.
    Stopped,
    Failed(Error),
    /// An earlier run said the last word on it.
    Earlier(Verdict),
}

/// Works until nothing is left, or nobody listens any more.
pub(super) fn work(number: usize, shared: &Arc<Shared>, calls: &Calls, messages: &Sender<Message>, events: &Sender<Event>) {
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
    shared: &'a Arc<Shared>,
    calls: &'a Calls,
    messages: &'a Sender<Message>,
    events: &'a Sender<Event>,
    unit: Unit,
}

impl<'a> Part<'a> {
    fn work(mut self, opening: Opening<'_>) -> Result<End> {
        let input = &self.shared.inputs[self.unit.file];
        if self.unit.opens
            && let Some(verdict) = self.shared.earlier.without_content(input)
        {
            return Ok(End::Earlier(verdict));
        }
        let job = self.shared.job.with(&input.options);
        let mut pieces = self.read(&job, true)?;
        let key = match pieces.key() {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(End::Stopped),
            // What is done stays done when its file goes.
            Err(error) => return self.shared.earlier.done(input).map(End::Earlier).ok_or(error),
        };
        if self.unit.opens
            && let Some(verdict) = self.shared.earlier.of_content(input, &key)
        {
            return Ok(End::Earlier(verdict));
        }
        let Some((opened, stand_in)) = pieces.opened()? else { return Ok(End::Stopped) };
        let mut file = FileWindows::new(&job, &key, opened, stand_in)?;
        if self.unit.opens {
            let (expected, windows) = windows_of(input, file.stride, &opened);
            // Each part reads the file from its beginning, if only packets and sound: more of them than workers would only read more.
            let fewest = expected.map_or(1, |expected| expected.div_ceil((self.shared.workers * input.share.count) as u64));
            let size = windows_in(self.shared.part, file.stride).max(fewest).max(1);
            let parts = parts(self.unit.file, &windows, expected, size);
            self.unit = parts[0].clone();
            self.tell(Message::Opened { file: self.unit.file, key: key.clone(), opened, parts: parts.len() })?;
            opening.add(&parts[1..]);
        }
        drop(opening);
        let name = self.shared.names[self.unit.file].clone();
        let _ = self.events.send(Event::Began { worker: self.number, file: name, duration: opened.duration });

        let end = self.cut(&mut pieces, &mut file);
        if end.is_ok() || file.stand_in.is_none() || file.handed_over {
            return end;
        }
        // The file cannot be entered in the middle, or its packets do not count its pictures. From its beginning it can.
        let mut pieces = Pieces { left: pieces.left, ..self.read(&job, false)? };
        match (pieces.key()?, pieces.opened()?) {
            (Some(again), Some((opened, _))) if again == key => {
                self.cut(&mut pieces, &mut FileWindows::new(&job, &key, opened, None)?)
            }
            (Some(_), Some(_)) => Err(Error::format(&input.path, "the file has changed while it was read")),
            _ => Ok(End::Stopped),
        }
    }

    /// Begins to read the file; `skips` says whether pictures that no window needs any more may be passed over.
    fn read(&self, job: &Job, skips: bool) -> Result<Pieces<'a>> {
        let all: &'a Shared = self.shared;
        let input = &all.inputs[self.unit.file];
        let wanted = Wanted { shared: self.shared.clone(), unit: self.unit.clone(), job: job.clone(), skips };
        Ok(Pieces {
            receiver: reading::start(&input.path, job, &all.stages, wanted)?,
            stop: &all.stop,
            left: input.options.time_limit.or(all.time_limit),
            stall_limit: all.stall_limit,
            input,
        })
    }

    /// Cuts the windows of the part from what comes of its file.
    fn cut(&self, pieces: &mut Pieces<'_>, file: &mut FileWindows<'_>) -> Result<End> {
        while let Some(piece) = pieces.next()? {
            if self.shared.given_up[self.unit.file].load(Ordering::Relaxed) {
                return Ok(End::Whole { damaged: 0 });
            }
            let (media, damaged) = match piece {
                Piece::Media(media, damaged) => (Some(media), damaged),
                Piece::End(damaged) => (None, damaged),
                // Both come before, and once.
                Piece::Key(_) | Piece::Opened(..) => continue,
            };
            let ended = media.is_none();
            self.shared.stages.windows.during(|| match media {
                Some(media) => file.cutter.push(media),
                None => {
                    file.cutter.finish();
                    Ok(())
                }
            })?;
            if self.pass_on(file)? || ended {
                return Ok(End::Whole { damaged });
            }
        }
        Ok(End::Stopped)
    }

    /// Hands complete windows to the model, those that are there already left out. Tells whether the last one of the part was among them.
    ///
    /// # Errors
    /// When a window is cut where another run had another one, or of pictures that were passed over.
    fn pass_on(&self, file: &mut FileWindows<'_>) -> Result<bool> {
        let Shared { stages, earlier, inputs, .. } = &**self.shared;
        let input = &inputs[self.unit.file];
        while file.next < self.unit.windows.end {
            let Some(cut) = stages.windows.during(|| file.cutter.next())? else { return Ok(false) };
            let window = file.next;
            file.next += 1;
            let there = earlier.window(input, file.key, window);
            let moved = there.is_some_and(|there| there.time != cut.time);
            let wanted = window >= self.unit.windows.start && there.is_none();
            if file.stand_in.as_ref().is_some_and(|stand_in| moved || wanted && cut.shows(stand_in)) {
                return Err(Error::format(&input.path, format!("window {window} is not where packets say")));
            }
            if !wanted {
                continue;
            }
            let (time, duration) = (cut.time, cut.duration);
            let ready = stages.windows.during(|| file.cutter.prepare(cut))?;
            file.handed_over = true;
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
    /// The picture of frames that were passed over.
    stand_in: Option<Arc<Picture>>,
    /// Whether the model has got a window.
    handed_over: bool,
}

impl<'a> FileWindows<'a> {
    fn new(job: &'a Job, key: &'a str, opened: Opened, stand_in: Option<Arc<Picture>>) -> Result<Self> {
        let cutter = Cutter::new(job, opened.video.is_some(), opened.has_sound)?;
        Ok(Self { job, key, stride: job.stride(&opened), cutter, next: 0, stand_in, handed_over: false })
    }
}
