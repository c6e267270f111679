//! Text in, text out: the streaming thread.

use std::{sync::Arc, time::Duration};

use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::{Error, Result, media::FilledText};

use super::{Open, Stream, Text};
use crate::{
    asked::Job,
    caps,
    element::{self, Base, ModelElement, Segment},
    lock::lock,
    meta::{LabelsMeta, ResultWindow},
    report::Loss,
    settings,
    text::{
        CAT, Output, markup,
        model::{Answer, Kind, Question, TextModel},
        settings::Settings,
    },
};

impl ModelElement for Text {
    type Own = Settings;
    type Model = TextModel;
    const REMEDY: &'static str = "a leaky queue before the element bounds the delay";

    fn category() -> gst::DebugCategory {
        *CAT
    }

    fn base(&self) -> &Base<Self> {
        &self.base
    }

    fn start(&self, model: &Arc<TextModel>, settings: &settings::Settings<Settings>) -> Result<()> {
        if settings.own.output == Output::Labels && model.kind() == Kind::Fill {
            return Err(Error::option("output", "labels", "text: a PerceiverForMaskedLM has no labels"));
        }
        *lock(&self.stream) = Stream::default();
        Ok(())
    }

    fn stop(&self) {
        *lock(&self.open) = None;
    }

    fn expected(&self, model: &TextModel) -> Duration {
        model.expected()
    }

    fn delays(&self, processing: Duration, _waits: bool) -> Option<[Duration; 2]> {
        Some([processing; 2])
    }

    fn period(&self) -> Duration {
        lock(&self.stream).shown
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let model = self.base.model()?;
        let has_markup = {
            let mut stream = lock(&self.stream);
            stream.shown = buffer.duration().map_or(stream.shown, Duration::from);
            stream.markup
        };
        let given = match text_of(&buffer) {
            Ok(given) => given,
            Err(error) => {
                let id = self.next_window();
                element::lose_broken(self, &error, id);
                return self.pass(buffer);
            }
        };
        let text = if has_markup { markup::plain(&given) } else { given.clone() };
        let buffer = if text == given { buffer } else { with_text(&buffer, text.clone()) };
        if !model.has_question(&text) {
            return self.pass(buffer);
        }
        let window = self.window(&buffer, &model);
        let id = window.id;
        if self.base.is_late(window.running_time) {
            element::lose(self, Loss::Late, id);
            return self.pass(buffer);
        }
        *lock(&self.open) = Some(Open { buffer, text: text.clone(), window });
        let top_k = lock(&self.base.settings).own.top_k as usize;
        element::ask(self, Job { id, question: Question { text, top_k } })?;
        element::await_oldest(self)?;
        let unanswered = lock(&self.open).take();
        unanswered.map_or(Ok(gst::FlowSuccess::Ok), |open| self.pass(open.buffer))
    }

    /// Pushes what the model made of a text.
    fn answered(&self, _window: u64, model_hash: Arc<str>, answer: Answer) -> Result<(), gst::FlowError> {
        let Some(Open { mut buffer, text, window }) = lock(&self.open).take() else { return Ok(()) };
        let window = ResultWindow { model_hash, ..window };
        let Settings { output, top_k } = lock(&self.base.settings).own;
        element::count_out(self);
        let labels = match &answer {
            Answer::Filled(filled) => {
                let text = filled.text().into_owned();
                element::post_result(self, |structure| {
                    structure.set("text", &text);
                    window.write(structure);
                    write_guesses(filled, top_k as usize, structure);
                });
                return self.base.push(with_text(&buffer, text));
            }
            Answer::Labels(labels) => labels.top(top_k as usize, f32::NEG_INFINITY),
        };
        let meta = LabelsMeta { labels, window };
        let text = match output {
            Output::Text => text,
            Output::Labels => {
                let lines = meta.labels.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                buffer = with_text(&buffer, lines.clone());
                lines
            }
        };
        element::post_result(self, |structure| {
            structure.set("text", &text);
            meta.write(structure);
        });
        meta.attach(buffer.make_mut());
        self.base.push(buffer)
    }

    /// The text is still open then, and passes.
    fn lost(&self, _window: u64) {}

    /// No text waits in the element, so there is nothing to end, and every event keeps its place.
    fn close(&self) -> Result<(), gst::FlowError> {
        Ok(())
    }

    fn drain(&self) -> Result<(), gst::FlowError> {
        Ok(())
    }

    fn reset(&self) {
        *lock(&self.open) = None;
        lock(&self.stream).segment = Segment::new();
    }

    fn take_caps(&self, caps: &gst::CapsRef) -> Result<gst::Caps, gst::ErrorMessage> {
        lock(&self.stream).markup = caps::is_markup(caps);
        Ok(caps::text())
    }

    fn take_segment(&self, segment: &Segment) {
        lock(&self.stream).segment = segment.clone();
    }

    fn take_event(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        self.base.srcpad.push_event(event);
        Ok(())
    }
}

impl Text {
    fn next_window(&self) -> u64 {
        let mut report = lock(&self.base.report);
        report.windows_in += 1;
        report.windows_in - 1
    }

    /// The next window: this text.
    fn window(&self, buffer: &gst::BufferRef, model: &TextModel) -> ResultWindow {
        let segment = lock(&self.stream).segment.clone();
        let pts = buffer.pts();
        ResultWindow {
            id: self.next_window(),
            stream_time: segment.to_stream_time(pts),
            running_time: segment.to_running_time(pts),
            duration: buffer.duration().unwrap_or_default(),
            model_hash: model.hash().clone(),
        }
    }

    /// Pushes a text of which the model says nothing.
    fn pass(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        element::warn_if_due(self);
        if lock(&self.base.settings).own.output == Output::Text {
            return self.base.push(buffer).map(|()| gst::FlowSuccess::Ok);
        }
        if let Some(pts) = buffer.pts() {
            self.base.srcpad.push_event(gst::event::Gap::builder(pts).duration(buffer.duration()).build());
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

/// Adds the places of the guessed bytes and the `top_k` guesses for each to a message.
fn write_guesses(filled: &FilledText, top_k: usize, structure: &mut gst::StructureRef) {
    let gaps = filled.gaps();
    let guesses = gaps.iter().map(|gap| gst::Array::new(gap.guesses.iter().take(top_k).map(|guess| u32::from(guess.byte))));
    let shares = gaps.iter().map(|gap| gst::Array::new(gap.guesses.iter().take(top_k).map(|guess| f64::from(guess.probability))));
    structure.set("gaps", gst::Array::new(gaps.iter().map(|gap| gap.at as u32)));
    structure.set("guesses", gst::Array::new(guesses));
    structure.set("probabilities", gst::Array::new(shares));
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
