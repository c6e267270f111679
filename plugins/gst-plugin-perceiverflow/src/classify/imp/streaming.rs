//! Buffers in, windows to the model, labels and buffers out: the streaming thread of `sink`.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crossbeam_channel::select;
use gst::{prelude::*, subclass::prelude::*};
use gst_video::VideoFrameRef;
use perceiverflow::{
    Error,
    engine::Answer,
    formats::json_lines,
    media::{Frame, Labels},
};

use super::{Classify, Loaded, lock};
use crate::{
    caps::{self, LabelMedia},
    classify::{
        CAT,
        settings::LabelSettings,
        stream::{Admission, Content, Media, Outcome, Step, Stream, Tag},
    },
    convert,
    multimodal::{Job, Reply, ReplyTicket},
    queue::Leaky,
    report::Loss,
    result_pad::{Place, ResultPad, Source},
    settings::{LiveSettings, ResultPolicy},
};

impl Classify {
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let settings = lock(&self.settings).inference.live;
        let live = self.live.load(Ordering::Relaxed);
        let (content, duration) = self.content(&buffer)?;
        let taken = self.with_stream(|stream| stream.take(buffer, duration, content, live))?;
        taken.map_err(|error| self.broken(&error))?;
        self.changed.notify_all();
        self.announce_latency();
        self.cut_windows(settings, Stream::lacks_sound)?;
        let waits = settings.leaky == Leaky::No;
        let policy = self.with_stream(|stream| stream.policy())?;
        self.collect(waits && policy == ResultPolicy::Persist)?;
        self.release(waits)?;
        self.warn_if_due();
        Ok(gst::FlowSuccess::Ok)
    }

    /// What a buffer holds for the model, if the segment covers it, and how long it lasts.
    fn content(&self, buffer: &gst::BufferRef) -> Result<(Option<Content>, Duration), gst::FlowError> {
        let (media, (_, time)) = self.with_stream(|stream| (stream.media().cloned(), stream.place(buffer)))?;
        let media = media.ok_or(gst::FlowError::NotNegotiated)?;
        let stated = buffer.duration().map(Duration::from);
        let Some(time) = time else { return Ok((None, stated.unwrap_or_default())) };
        let read = || -> Result<_, Box<dyn std::error::Error>> {
            match &media {
                Media::Video(info) => {
                    let picture = Arc::new(convert::read(&VideoFrameRef::from_buffer_ref_readable(buffer, info)?)?);
                    Ok((Some(Content::Frame(Frame { picture, time, duration: stated })), stated.unwrap_or_default()))
                }
                Media::Sound(format) => {
                    let chunk = format.read(&buffer.map_readable()?, time)?;
                    let duration = Duration::from_secs(1).mul_f64(chunk.samples.len() as f64 / f64::from(chunk.rate));
                    Ok((Some(Content::Sound(chunk)), duration))
                }
            }
        };
        read().map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["buffer cannot be read: {error}"]);
            gst::FlowError::Error
        })
    }

    /// Hands every window that is complete to the model. While `lacks` says so, and the element is not live, more sound is waited for.
    fn cut_windows(&self, settings: LiveSettings, lacks: fn(&Stream) -> bool) -> Result<(), gst::FlowError> {
        while let Some((tag, job)) = self.next_window(lacks)? {
            self.submit(&tag, job, settings)?;
        }
        Ok(())
    }

    fn next_window(&self, lacks: fn(&Stream) -> bool) -> Result<Option<(Tag, Job)>, gst::FlowError> {
        let live = self.live.load(Ordering::Relaxed);
        let mut state = lock(&self.state);
        loop {
            let stream = state.stream.as_mut().ok_or(gst::FlowError::Flushing)?;
            let window = stream.next_window();
            let waits = matches!(window, Ok(None)) && !live && lacks(stream);
            // A window less, or one left out, may let the sound go on.
            self.changed.notify_all();
            if !waits {
                drop(state);
                return window.map_err(|error| self.broken(&error));
            }
            if state.flushing {
                return Err(gst::FlowError::Flushing);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands a window to the model, or drops it or another one.
    fn submit(&self, tag: &Tag, job: Job, settings: LiveSettings) -> Result<(), gst::FlowError> {
        lock(&self.report).windows_in += 1;
        let late = settings.qos && lock(&self.lateness).is_late(Some(tag.running_time));
        if late {
            self.with_stream(|stream| stream.lost(tag.id))?;
            self.lose(Loss::Late, tag.id);
            return Ok(());
        }
        match self.with_stream(|stream| stream.admit(job, settings.leaky))? {
            Admission::Tell(claim) => {
                let loaded = self.loaded()?;
                let ticket = loaded.model.submit(claim).map_err(|error| self.fail(&error))?;
                self.with_stream(|stream| stream.tickets.push_back(ticket))?;
            }
            Admission::Known { lost } | Admission::Refused { lost } => self.lose(Loss::Leaked, lost),
        }
        Ok(())
    }

    /// Takes the results that are there; with `wait`, all of them.
    pub(super) fn collect(&self, wait: bool) -> Result<(), gst::FlowError> {
        while let Some(ticket) = self.with_stream(|stream| stream.tickets.pop_front())? {
            let reply = if wait {
                self.wait(&ticket)?
            } else {
                match ticket.try_wait().map_err(|error| self.fail(&error))? {
                    Some(reply) => reply,
                    None => return self.with_stream(|stream| stream.tickets.push_front(ticket)),
                }
            };
            self.deliver(reply)?;
        }
        Ok(())
    }

    /// Waits for one result, or for a flush.
    fn wait(&self, ticket: &ReplyTicket) -> Result<Option<Reply>, gst::FlowError> {
        select! {
            recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()).map_err(|error| self.fail(&error)),
            recv(self.flush.receiver()) -> _ => Err(gst::FlowError::Flushing),
        }
    }

    /// Sends a result where it belongs: to buffers, to the bus, to the pad for text.
    fn deliver(&self, reply: Option<Reply>) -> Result<(), gst::FlowError> {
        let Some(Reply { id, answer }) = reply else { return Ok(()) };
        let loaded = self.loaded()?;
        let choice = lock(&self.settings).labels;
        let labels = match answer.and_then(|answer| chosen(answer, &loaded, choice)) {
            Ok(labels) => labels,
            Err(error) => {
                self.with_stream(|stream| stream.lost(id))?;
                self.lose(Loss::Broken(error.to_string()), id);
                return Ok(());
            }
        };
        let Some(outcome) = self.with_stream(|stream| stream.found(id, labels, loaded.model.hash()))? else { return Ok(()) };
        lock(&self.report).windows_out += 1;
        gst::log!(CAT, imp = self, "window {id} at {}: {:?}", outcome.pts, outcome.meta.labels);
        let live = lock(&self.settings).inference.live;
        if live.post_messages {
            self.post_result(&outcome.meta);
        }
        if live.leaky == Leaky::No {
            self.warn_if_slow();
        }
        let Some(pad) = self.text_pad() else { return Ok(()) };
        let pushed = self.push_text(&pad, &outcome);
        self.combine(pad.pad(), pushed)
    }

    fn push_text(&self, pad: &ResultPad, outcome: &Outcome) -> Result<gst::FlowSuccess, gst::FlowError> {
        let source = self.source_of_text()?;
        let place = Place { window: outcome.meta.window.id, start: outcome.pts, duration: outcome.shown };
        pad.push(&source, &caps::labels(), place, |caps| {
            let media = LabelMedia::of(caps).ok_or(gst::FlowError::NotNegotiated)?;
            Ok(written(outcome, media, &source.stream_id))
        })
    }

    /// Pushes the buffers and events whose turn it is. A buffer that has stayed as long as it may is waited for, or goes as it is.
    pub(super) fn release(&self, waits: bool) -> Result<(), gst::FlowError> {
        loop {
            match self.with_stream(Stream::step)? {
                Step::Push(buffer) => {
                    let pushed = self.srcpad.push(buffer);
                    self.combine(&self.srcpad, pushed)?;
                }
                Step::Forward(event) => {
                    self.srcpad.push_event(event);
                }
                Step::Overdue => {
                    let oldest = if waits { self.with_stream(|stream| stream.tickets.pop_front())? } else { None };
                    match oldest {
                        Some(ticket) => self.deliver(self.wait(&ticket)?)?,
                        None => self.with_stream(Stream::excuse)?,
                    }
                }
                Step::Nothing => return Ok(()),
            }
        }
    }

    /// Ends the windows that are open and pushes every buffer: before a new timeline or other caps.
    pub(super) fn close(&self) -> Result<(), gst::FlowError> {
        let settings = lock(&self.settings).inference.live;
        self.with_stream(Stream::break_off)?;
        self.cut_windows(settings, Stream::sound_lags)?;
        if settings.leaky == Leaky::No {
            self.collect(true)?;
        } else {
            self.collect(false)?;
            let lost = self.with_stream(Stream::withdraw)?;
            let mut report = lock(&self.report);
            (0..lost).for_each(|_| report.lose(Loss::Cut));
        }
        self.with_stream(Stream::cut)?;
        self.release(false)
    }

    /// The same at the end of the stream, where every window is waited for.
    pub(super) fn drain(&self) -> Result<(), gst::FlowError> {
        let settings = lock(&self.settings).inference.live;
        self.with_stream(Stream::break_off)?;
        self.cut_windows(settings, Stream::sound_lags)?;
        self.with_stream(Stream::finish)?;
        self.changed.notify_all();
        self.cut_windows(settings, |_| false)?;
        self.collect(true)?;
        self.with_stream(Stream::cut)?;
        self.release(false)
    }

    pub(super) fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        lock(&self.state).stream.as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    fn combine(&self, pad: &gst::Pad, pushed: Result<gst::FlowSuccess, gst::FlowError>) -> Result<(), gst::FlowError> {
        lock(&self.flows).update_pad_flow(pad, pushed).map(drop)
    }

    pub(super) fn source_of_text(&self) -> Result<Source, gst::FlowError> {
        let start = self.sinkpad.sticky_event::<gst::event::StreamStart>(0).ok_or(gst::FlowError::NotNegotiated)?;
        self.with_stream(|stream| Source {
            segment: stream.segment().clone(),
            stream_id: format!("{}/labels", start.stream_id()),
            group: start.group_id(),
        })
    }

    fn loaded(&self) -> Result<Loaded, gst::FlowError> {
        lock(&self.model).clone().ok_or(gst::FlowError::Flushing)
    }

    /// The stream is none that the element can go on with.
    fn broken(&self, error: &Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
        gst::FlowError::Error
    }

    /// The worker has ended: nothing more can come of this model.
    fn fail(&self, error: &Error) -> gst::FlowError {
        let loaded = lock(&self.model).clone();
        if let Some(loaded) = loaded {
            loaded.model.give_up();
        }
        gst::element_imp_error!(self, gst::LibraryError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

/// The labels of an answer that the user wants, under the names that the user gave.
fn chosen(answer: Answer, loaded: &Loaded, choice: LabelSettings) -> perceiverflow::Result<Labels> {
    let labels = loaded.model.task().labels(&answer.values()?).top(choice.top_k as usize, choice.threshold);
    Ok(loaded.names.as_ref().map_or_else(|| labels.clone(), |names| names.rename(&labels)))
}

/// Labels as downstream wants them; nothing where there are none.
fn written(outcome: &Outcome, media: LabelMedia, stream: &str) -> Option<Vec<u8>> {
    let labels = &outcome.meta.labels;
    if labels.as_slice().is_empty() {
        return None;
    }
    let text = match media {
        LabelMedia::Text => labels.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        LabelMedia::Json => {
            let start = Duration::from(outcome.meta.window.stream_time.unwrap_or(outcome.pts));
            let window = Some(start..start + outcome.meta.window.duration.into());
            json_lines::labels(&json_lines::Source { input: stream, window, model: &outcome.meta.window.model_hash }, labels)
        }
    };
    Some(text.into_bytes())
}
