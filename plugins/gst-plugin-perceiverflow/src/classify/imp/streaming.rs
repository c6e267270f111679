//! Buffers in, windows to the model, labels and buffers out: the streaming thread of `sink`.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use gst::{prelude::*, subclass::prelude::*};
use gst_video::VideoFrameRef;
use perceiverflow::{
    Result,
    engine::{Answer, Question},
    media::Frame,
};

use super::{Classes, Classify, ModelElement, State, lock};
use crate::{
    asked::Job,
    caps::{self, LabelMedia},
    classify::{
        CAT,
        line::Timed,
        model::Classifier,
        settings::Settings,
        stream::{Content, Media, Stream},
    },
    colour::video_info,
    convert,
    element::{self, Base, Segment},
    label_bytes,
    meta::LabelsMeta,
    passing::{self, PassThrough, Passing},
    queue::Leaky,
    report::Loss,
    result_pad::Source,
    settings::{self, ResultPolicy},
    sound::SoundFormat,
};

impl ModelElement for Classify {
    type Own = Settings;
    type Model = Classifier;
    const REMEDY: &'static str = "leaky=downstream or inference-interval help";

    fn category() -> gst::DebugCategory {
        *CAT
    }

    fn base(&self) -> &Base<Self> {
        &self.base
    }

    fn start(&self, model: &Arc<Classifier>, settings: &settings::Settings<Settings>) -> Result<()> {
        let names = settings.own.labels.names(model.task().label_names().len())?.map(Arc::new);
        let expected = model.processing()?;
        let preprocessor = model.task().preprocessor(settings.own.windows.framing());
        let mut stream = Stream::new(preprocessor, &settings.own, settings.inference.max_size_buffers)?;
        stream.set_joined(lock(&self.audio_pad).clone().is_some_and(|pad| pad.is_linked()));
        *lock(&self.classes) = Classes { names, expected };
        *lock(&self.state) = State { stream: Some(stream), ..State::default() };
        Ok(())
    }

    fn stop(&self) {
        let stream = lock(&self.state).stream.take();
        drop(stream);
    }

    fn expected(&self, _model: &Classifier) -> Duration {
        lock(&self.classes).expected
    }

    fn delays(&self, processing: Duration, waits: bool) -> Option<[Duration; 2]> {
        let timing = self.with_stream(|stream| stream.timing(processing, waits)).ok()?;
        Some([timing.stream(), timing.results()])
    }

    fn period(&self) -> Duration {
        self.with_stream(|stream| stream.stride()).unwrap_or_default()
    }

    fn add_stats(&self, stats: &mut gst::StructureRef) {
        let clips = lock(&self.state).stream.as_ref().map(Stream::clip_stats).unwrap_or_default();
        for (name, count) in [
            ("windows-left-out", clips.dropped + clips.empty),
            ("missing-pictures", clips.missing_pictures),
            ("missing-samples", clips.missing_samples),
            ("late-frames", clips.late_frames),
            ("late-samples", clips.late_samples),
        ] {
            stats.set(name, count);
        }
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(CAT, imp = self, "{buffer:?}");
        let live = self.base.is_live();
        let (content, duration) = self.content(&buffer)?;
        let taken = self.with_stream(|stream| stream.take(buffer, duration, content, live))?;
        taken.map_err(|error| element::broken(self, &error))?;
        self.changed.notify_all();
        element::announce_latency(self);
        self.cut_windows(Stream::lacks_sound)?;
        let waits = self.base.live_settings().leaky == Leaky::No;
        let policy = self.with_stream(|stream| stream.policy())?;
        element::collect(self, waits && policy == ResultPolicy::Persist)?;
        passing::release(self, waits)?;
        element::warn_if_due(self);
        Ok(gst::FlowSuccess::Ok)
    }

    fn answered(&self, window: u64, model_hash: Arc<str>, answer: Answer) -> Result<(), gst::FlowError> {
        let scores = match answer.values() {
            Ok(scores) => scores,
            Err(error) => {
                element::lose_broken(self, &error, window);
                return Ok(());
            }
        };
        let model = self.base.model()?;
        let (choice, names) = (lock(&self.base.settings).own.labels.clone(), lock(&self.classes).names.clone());
        let task = model.task();
        let labels = choice.choose(task.labels(&scores), |labels| task.holding(labels), names.as_deref());
        let meta = |window| LabelsMeta { labels, window };
        let Some(outcome) = self.with_passing(|passing| passing.found(window, model_hash, meta))? else { return Ok(()) };
        gst::log!(CAT, imp = self, "window {window} at {}: {:?}", outcome.place.start, outcome.meta.labels);
        element::count_out(self);
        element::post_result(self, |structure| outcome.meta.write(structure));
        passing::push_result(self, &outcome, &caps::labels(), |caps| {
            let media = LabelMedia::of(caps).ok_or(gst::FlowError::NotNegotiated)?;
            let stream = self.source_of_text()?.stream_id;
            Ok(label_bytes::write(&outcome.meta, outcome.place.start, media, &stream))
        })
    }

    fn lost(&self, window: u64) {
        // After the element has stopped nobody waits for it.
        let _ = self.with_passing(|passing| passing.lost(window));
    }

    fn withdrawn(&self) {
        let _ = self.with_passing(Passing::abandon);
    }

    fn close(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::break_off)?;
        self.cut_windows(Stream::sound_lags)?;
        element::collect_or_withdraw(self)?;
        self.with_passing(|passing| passing.line.cut())?;
        passing::release(self, false)
    }

    /// The windows go on to the end of the sound, with labels for whoever takes them beside the stream.
    fn drain(&self) -> Result<(), gst::FlowError> {
        self.with_stream(Stream::end)?;
        self.changed.notify_all();
        let waits = self.base.live_settings().leaky == Leaky::No;
        while let Some((running_time, job)) = self.next_window(Stream::hears)? {
            self.offer(running_time, job)?;
            // Nothing else holds back a sound that is read faster than the model hears.
            element::collect(self, waits)?;
            passing::release(self, waits)?;
        }
        self.with_stream(Stream::finish)?;
        self.changed.notify_all();
        self.cut_windows(|_| false)?;
        element::collect(self, true)?;
        self.with_passing(|passing| passing.line.cut())?;
        passing::release(self, false)
    }

    fn reset(&self) {
        // Before the element starts and after it stops there is nothing to forget.
        let _ = self.with_stream(Stream::reset);
        if let Some(seek) = &mut lock(&self.state).seek {
            seek.stream_flushed = true;
        }
    }

    fn wake(&self, stopping: bool) {
        self.base.flush.wake();
        let mut state = lock(&self.state);
        state.flushing = true;
        state.sound_flushing |= stopping;
        drop(state);
        self.changed.notify_all();
    }

    fn resume(&self) {
        self.base.flush.resume();
        lock(&self.state).flushing = false;
        self.changed.notify_all();
    }

    fn begin_stream(&self) -> Result<(), gst::FlowError> {
        self.close()?;
        self.with_stream(Stream::reopen)
    }

    fn take_caps(&self, caps: &gst::CapsRef) -> Result<gst::Caps, gst::ErrorMessage> {
        let media = match SoundFormat::of(caps) {
            Some(format) => Ok(Media::Sound(format)),
            None => video_info(caps).map(Media::Video),
        };
        let media = media.map_err(|error| gst::error_msg!(gst::StreamError::Format, ["{caps:?}: {error}"]))?;
        if matches!(media, Media::Sound(_)) && lock(&self.audio_pad).is_some() {
            return Err(gst::error_msg!(
                gst::StreamError::WrongType,
                ["sink has sound and audio_sink is there, too: accepted is video on sink beside it"]
            ));
        }
        let hears = self.with_stream(|stream| stream.takes_sound()).unwrap_or(true);
        if matches!(media, Media::Sound(_)) && !hears {
            return Err(gst::error_msg!(
                gst::StreamError::WrongType,
                ["sink has sound, and the model is an image classifier: accepted is video"]
            ));
        }
        let _ = self.with_stream(|stream| stream.set_media(media));
        Ok(caps.to_owned())
    }

    fn take_segment(&self, segment: &Segment) {
        let _ = self.with_stream(|stream| stream.set_segment(segment.clone()));
    }

    fn take_event(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        passing::take_event(self, event)
    }

    fn take_gap(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        if let gst::EventView::Gap(gap) = event.view() {
            let (from, duration) = gap.get();
            self.with_stream(|stream| stream.gap(from, duration.unwrap_or_default()))?;
        }
        self.take_event(event)
    }

    fn announce_results(&self) -> Result<(), gst::FlowError> {
        self.announce_text()
    }

    fn source_of_results(&self) -> Result<Source, gst::FlowError> {
        self.source_of_text()
    }

    /// Seeks go to both streams.
    fn upstreams(&self) -> Vec<gst::Pad> {
        let sound = lock(&self.audio_pad).clone();
        [self.base.sinkpad.clone()].into_iter().chain(sound).collect()
    }

    fn upstream_latency(&self, pad: &gst::Pad) -> Option<(bool, gst::ClockTime, Option<gst::ClockTime>)> {
        self.latency_before(pad)
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        self.answer_upstream(pad, query)
    }

    fn source_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        self.answer_downstream(pad, query)
    }

    fn source_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::Seek => self.seek(pad, event),
            _ => element::source_event(self, pad, event),
        }
    }
}

impl PassThrough for Classify {
    type Meta = LabelsMeta;
    type Policy = Timed;

    fn with_passing<R>(&self, f: impl FnOnce(&mut Passing<LabelsMeta, Timed>) -> R) -> Result<R, gst::FlowError> {
        self.with_stream(|stream| f(&mut stream.passing))
    }
}

impl Classify {
    pub(super) fn with_stream<R>(&self, f: impl FnOnce(&mut Stream) -> R) -> Result<R, gst::FlowError> {
        lock(&self.state).stream.as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    pub(super) fn source_of_text(&self) -> Result<Source, gst::FlowError> {
        let mut segment = self.with_passing(|passing| passing.segment.clone())?;
        // The sound, and labels with it, may outlast the video.
        segment.set_stop(gst::ClockTime::NONE);
        self.base.source_of("labels", segment)
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
    fn cut_windows(&self, lacks: fn(&Stream) -> bool) -> Result<(), gst::FlowError> {
        while let Some((running_time, job)) = self.next_window(lacks)? {
            self.offer(running_time, job)?;
        }
        Ok(())
    }

    /// Hands a window to the model, unless downstream has no use for it any more.
    fn offer(&self, running_time: gst::ClockTime, job: Job<Question>) -> Result<(), gst::FlowError> {
        lock(&self.base.report).windows_in += 1;
        if self.base.is_late(Some(running_time)) {
            self.lost(job.id);
            element::lose(self, Loss::Late, job.id);
            return Ok(());
        }
        element::ask(self, job)
    }

    fn next_window(&self, lacks: fn(&Stream) -> bool) -> Result<Option<(gst::ClockTime, Job<Question>)>, gst::FlowError> {
        let live = self.base.is_live();
        let mut state = lock(&self.state);
        loop {
            let stream = state.stream.as_mut().ok_or(gst::FlowError::Flushing)?;
            let window = stream.next_window();
            let waits = matches!(window, Ok(None)) && !live && lacks(stream);
            // A window less, or one left out, may let the sound go on.
            self.changed.notify_all();
            if !waits {
                drop(state);
                return window.map_err(|error| element::broken(self, &error));
            }
            if state.flushing {
                return Err(gst::FlowError::Flushing);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
