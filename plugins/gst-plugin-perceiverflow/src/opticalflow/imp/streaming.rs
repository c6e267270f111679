//! Frames in, windows to the model, results and frames out: the streaming thread.

use std::sync::Arc;

use crossbeam_channel::select;
use gst::{prelude::*, subclass::prelude::*};
use gst_video::{VideoFrameRef, VideoInfo};
use perceiverflow::{Error, media::Picture};

use super::{OpticalFlow, lock};
use crate::{
    caps::{self, FieldMedia},
    convert,
    opticalflow::{
        CAT,
        field_bytes::field_bytes,
        model::{Answer, FlowTicket, FlowWindow},
        stream::{Admission, Outcome, Step, Stream},
    },
    queue::Leaky,
    report::Loss,
    result_pad::{Place, ResultPad, Source},
    settings::{LiveSettings, ResultPolicy},
};

impl OpticalFlow {
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let live = lock(&self.settings).inference.live;
        let picture = self.picture(&buffer)?;
        let (window, policy) = self.with_stream(|stream| (stream.frame(buffer, picture), stream.settings().policy))?;
        self.announce_latency();
        if let Some(window) = window {
            self.submit(window, live)?;
        }
        let waits = live.leaky == Leaky::No;
        self.collect(waits && policy == ResultPolicy::Persist)?;
        self.release(waits)?;
        self.warn_if_due();
        Ok(gst::FlowSuccess::Ok)
    }

    fn picture(&self, buffer: &gst::BufferRef) -> Result<Picture, gst::FlowError> {
        let info = self.with_stream(|stream| stream.info().cloned())?.ok_or(gst::FlowError::NotNegotiated)?;
        let read = || -> Result<_, Box<dyn std::error::Error>> {
            Ok(convert::read(&VideoFrameRef::from_buffer_ref_readable(buffer, &info)?)?)
        };
        read().map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["frame cannot be read: {error}"]);
            gst::FlowError::Error
        })
    }

    /// Hands a window to the model, or drops it or another one.
    fn submit(&self, window: FlowWindow, live: LiveSettings) -> Result<(), gst::FlowError> {
        lock(&self.report).windows_in += 1;
        let late = live.qos && lock(&self.lateness).is_late(window.tag.running_time);
        if late {
            self.with_stream(|stream| stream.lost(window.tag.id))?;
            self.lose(Loss::Late, window.tag.id);
            return Ok(());
        }
        match self.with_stream(|stream| stream.admit(window, live.leaky))? {
            Admission::Tell(claim) => {
                let model = lock(&self.model).clone().ok_or(gst::FlowError::Flushing)?;
                let ticket = model.submit(claim).map_err(|error| self.fail(&error))?;
                self.with_stream(|stream| stream.tickets.push_back(ticket))?;
            }
            Admission::Known { lost } | Admission::Refused { lost } => self.lose(Loss::Leaked, lost),
        }
        Ok(())
    }

    /// Takes the results that are there; with `wait`, all of them.
    pub(super) fn collect(&self, wait: bool) -> Result<(), gst::FlowError> {
        while let Some(ticket) = self.with_stream(|stream| stream.tickets.pop_front())? {
            let answer = if wait {
                self.wait(&ticket)?
            } else {
                match ticket.try_wait().map_err(|error| self.fail(&error))? {
                    Some(answer) => answer,
                    None => return self.with_stream(|stream| stream.tickets.push_front(ticket)),
                }
            };
            self.deliver(answer)?;
        }
        Ok(())
    }

    /// Waits for one result, or for a flush.
    fn wait(&self, ticket: &FlowTicket) -> Result<Option<Answer>, gst::FlowError> {
        let flush = self.flush.receiver();
        select! {
            recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()).map_err(|error| self.fail(&error)),
            recv(flush) -> _ => Err(gst::FlowError::Flushing),
        }
    }

    /// Sends a result where it belongs: to frames, to the bus, to the field's pad.
    fn deliver(&self, answer: Option<Answer>) -> Result<(), gst::FlowError> {
        let Some(Answer { tag, model_hash, field }) = answer else { return Ok(()) };
        let field = match field {
            Ok(field) => field,
            Err(error) => {
                self.with_stream(|stream| stream.lost(tag.id))?;
                self.lose(Loss::Broken(error.to_string()), tag.id);
                return Ok(());
            }
        };
        lock(&self.report).windows_out += 1;
        let outcome = self.with_stream(|stream| stream.found(&tag, field, model_hash))?;
        gst::log!(CAT, imp = self, "window {} at {}", tag.id, tag.pts);
        let live = lock(&self.settings).inference.live;
        if live.post_messages {
            self.post_result(&outcome);
        }
        if live.leaky == Leaky::No {
            self.warn_if_slow();
        }
        let Some(pad) = self.field_pad() else { return Ok(()) };
        let pushed = self.push_field(&pad, &outcome);
        self.combine(pad.pad(), pushed)
    }

    fn push_field(&self, pad: &ResultPad, outcome: &Outcome) -> Result<gst::FlowSuccess, gst::FlowError> {
        let field = &*outcome.meta.field;
        let offered = caps::field(field.width(), field.height(), self.rate_of_fields()?);
        let place = Place { window: outcome.meta.window.id, start: outcome.pts, duration: outcome.meta.window.duration };
        pad.push(&self.source_of_fields()?, &offered, place, |caps| {
            let media = FieldMedia::of(caps).ok_or(gst::FlowError::NotNegotiated)?;
            let bytes = field_bytes(field, media).map_err(|error| {
                gst::error!(CAT, imp = self, "window {}: {error}", place.window);
                gst::FlowError::NotNegotiated
            })?;
            Ok(Some(bytes))
        })
    }

    /// Pushes the frames and events whose turn it is. A frame that has stayed as long as it may is waited for, or goes as it is.
    pub(super) fn release(&self, waits: bool) -> Result<(), gst::FlowError> {
        loop {
            match self.with_stream(Stream::step)? {
                Step::Push(buffer) => self.push(buffer)?,
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

    fn push(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        let pushed = self.srcpad.push(buffer);
        self.combine(&self.srcpad, pushed)
    }

    /// Ends the windows that are open and pushes every frame: before a new timeline or other caps.
    pub(super) fn close(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::cut)?;
        let leaky = lock(&self.settings).inference.live.leaky;
        if leaky == Leaky::No {
            self.collect(true)?;
        } else {
            self.collect(false)?;
            let lost = self.with_stream(Stream::withdraw)?;
            let mut report = lock(&self.report);
            (0..lost).for_each(|_| report.lose(Loss::Cut));
        }
        self.release(false)
    }

    pub(super) fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        lock(&self.stream).as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    fn combine(&self, pad: &gst::Pad, pushed: Result<gst::FlowSuccess, gst::FlowError>) -> Result<(), gst::FlowError> {
        lock(&self.flows).update_pad_flow(pad, pushed).map(drop)
    }

    pub(super) fn field_pad(&self) -> Option<Arc<ResultPad>> {
        lock(&self.field_pad).clone()
    }

    pub(super) fn source_of_fields(&self) -> Result<Source, gst::FlowError> {
        let start = self.sinkpad.sticky_event::<gst::event::StreamStart>(0).ok_or(gst::FlowError::NotNegotiated)?;
        self.with_stream(|stream| Source {
            segment: stream.segment().clone(),
            stream_id: format!("{}/flow", start.stream_id()),
            group: start.group_id(),
        })
    }

    /// Fields in a second, 0/1 where that varies.
    fn rate_of_fields(&self) -> Result<gst::Fraction, gst::FlowError> {
        self.with_stream(|stream| {
            let interval = i32::try_from(stream.settings().inference_interval).unwrap_or(i32::MAX);
            stream.info().map_or(gst::Fraction::new(0, 1), VideoInfo::fps) / interval
        })
    }

    /// The worker has ended: nothing more can come of this model.
    fn fail(&self, error: &Error) -> gst::FlowError {
        let model = lock(&self.model).clone();
        if let Some(model) = model {
            model.give_up();
        }
        gst::element_imp_error!(self, gst::LibraryError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}
