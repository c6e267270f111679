//! Text in, text out: the streaming thread.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::select;
use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::Error;

use super::{Text, lock};
use crate::{
    meta::{LabelsMeta, ResultWindow},
    report::Loss,
    text::{
        CAT, Output, markup,
        model::{Answer, Question, TextModel},
    },
};

impl Text {
    pub(super) fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let model = lock(&self.model).clone().ok_or(gst::FlowError::Flushing)?;
        let has_markup = {
            let mut stream = lock(&self.stream);
            stream.shown = buffer.duration().map_or(stream.shown, Duration::from);
            stream.markup
        };
        let given = match text_of(&buffer) {
            Ok(given) => given,
            Err(error) => {
                lock(&self.report).windows_in += 1;
                self.lose(Loss::Broken(error.to_string()));
                return self.pass(buffer);
            }
        };
        let text = if has_markup { markup::plain(&given) } else { given.clone() };
        let buffer = if text == given { buffer } else { with_text(&buffer, text.clone()) };
        if !model.has_question(&text) {
            return self.pass(buffer);
        }
        let window = self.window(&buffer, &model);
        match self.ask(&model, text.clone(), &window)? {
            Some(answer) => self.give(buffer, text, answer, window),
            None => self.pass(buffer),
        }
    }

    /// The next window: this text.
    fn window(&self, buffer: &gst::BufferRef, model: &TextModel) -> ResultWindow {
        let segment = lock(&self.stream).segment.clone();
        let mut report = lock(&self.report);
        let id = report.windows_in;
        report.windows_in += 1;
        let pts = buffer.pts();
        ResultWindow {
            id,
            stream_time: segment.to_stream_time(pts),
            running_time: segment.to_running_time(pts),
            duration: buffer.duration().unwrap_or_default(),
            model_hash: model.hash().clone(),
        }
    }

    /// What the model says of a text; nothing if that is lost, which is then counted.
    fn ask(&self, model: &Arc<TextModel>, text: String, window: &ResultWindow) -> Result<Option<Answer>, gst::FlowError> {
        let (qos, top_k) = {
            let settings = lock(&self.settings);
            (settings.inference.live.qos, settings.top_k as usize)
        };
        if qos && lock(&self.lateness).is_late(window.running_time) {
            self.lose(Loss::Late);
            return Ok(None);
        }
        let ticket = model.submit(Question { text, top_k }).map_err(|error| self.fail(model, &error))?;
        let flush = self.flush.receiver();
        let answer = select! {
            recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()),
            recv(flush) -> _ => return Err(gst::FlowError::Flushing),
        };
        match answer {
            Ok(answer) => {
                lock(&self.report).windows_out += 1;
                self.warn_if_slow();
                Ok(Some(answer))
            }
            Err(error @ Error::Stopped { .. }) => Err(self.fail(model, &error)),
            Err(error) => {
                self.lose(Loss::Broken(error.to_string()));
                Ok(None)
            }
        }
    }

    /// Pushes what the model made of a text.
    fn give(
        &self,
        mut buffer: gst::Buffer,
        text: String,
        answer: Answer,
        window: ResultWindow,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let (output, top_k) = {
            let settings = lock(&self.settings);
            (settings.output, settings.top_k as usize)
        };
        let labels = match &answer {
            Answer::Filled(filled) => {
                let text = filled.text().into_owned();
                self.post_result(&text, &answer, top_k, |structure| window.write(structure));
                return self.srcpad.push(with_text(&buffer, text));
            }
            Answer::Labels(labels) => labels.top(top_k, f32::NEG_INFINITY),
        };
        let meta = LabelsMeta { labels, window };
        let text = match output {
            Output::Text => text,
            Output::Labels => {
                let lines: Vec<String> = meta.labels.as_slice().iter().map(ToString::to_string).collect();
                let lines = lines.join("\n");
                buffer = with_text(&buffer, lines.clone());
                lines
            }
        };
        self.post_result(&text, &answer, top_k, |structure| meta.write(structure));
        meta.attach(buffer.make_mut());
        self.srcpad.push(buffer)
    }

    /// Pushes a text of which the model says nothing.
    fn pass(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let due = lock(&self.report).due(Instant::now());
        self.warn_of(due);
        if lock(&self.settings).output == Output::Text {
            return self.srcpad.push(buffer);
        }
        if let Some(pts) = buffer.pts() {
            self.srcpad.push_event(gst::event::Gap::builder(pts).duration(buffer.duration()).build());
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Counts the loss of an answer.
    fn lose(&self, loss: Loss) {
        gst::debug!(CAT, imp = self, "a text is not asked about: {loss:?}");
        lock(&self.report).lose(loss);
    }

    /// Warns of a model that makes a live stream wait.
    fn warn_if_slow(&self) {
        if !self.live.load(Ordering::Relaxed) {
            return;
        }
        let pace = self.pace();
        let is_slow = pace.factor().is_some_and(|factor| factor > 0.0 && factor < 1.0);
        if is_slow && lock(&self.report).may_warn(Instant::now()) {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Clock,
                ("the model cannot keep up with a live stream, which waits for it"),
                ["{pace}; a leaky queue before the element bounds the delay"]
            );
        }
    }

    /// The worker has ended: nothing more can come of this model.
    fn fail(&self, model: &Arc<TextModel>, error: &Error) -> gst::FlowError {
        model.give_up();
        gst::element_imp_error!(self, gst::LibraryError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

/// The text that a buffer holds.
///
/// # Errors
/// When it is no UTF-8, or its memory cannot be read.
fn text_of(buffer: &gst::BufferRef) -> Result<String, Error> {
    let accepted = "UTF-8 in memory that can be read";
    let bytes = buffer.map_readable().map_err(|error| Error::option("text", error, accepted))?;
    String::from_utf8(bytes.to_vec()).map_err(|error| Error::option("text", error.utf8_error(), accepted))
}

/// Another text in the place of a buffer's own, with its times, flags and metadata.
fn with_text(buffer: &gst::BufferRef, text: String) -> gst::Buffer {
    let mut changed = gst::Buffer::from_mut_slice(text.into_bytes());
    let target = changed.get_mut().expect("a new buffer has one owner");
    buffer
        .copy_into(target, gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META, ..)
        .expect("metadata is copied, and no memory");
    changed
}
