//! One stream between two starts of the element: which media make windows, which labels go on which buffers.
//!
//! Nothing here waits, pushes or posts; `imp` does, with what this hands it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use gst_video::VideoInfo;
use perceiverflow::{
    Result,
    engine::Question,
    media::{AudioChunk, Clip, ClipShape, ClipStats, ClipStream, ClipWindow, Frame},
    tasks::{Head, WindowPreprocessor},
};

use super::{
    line::{ResultLine, Timed},
    settings::Settings,
};
use crate::{
    asked::Job,
    element::Segment,
    latency::Timing,
    meta::LabelsMeta,
    passing::{Begun, Passing},
    settings::ResultPolicy,
    sound::SoundFormat,
    times::{clock_time, frame_time},
};

/// How long a live stream waits for the other one, beyond a window.
const LIVE_PATIENCE: Duration = Duration::from_secs(1);

/// What passes through.
#[derive(Clone, Debug)]
pub(super) enum Media {
    Video(VideoInfo),
    Sound(SoundFormat),
}

impl Media {
    fn stream(&self) -> ClipStream {
        match self {
            Self::Video(_) => ClipStream::Video,
            Self::Sound(_) => ClipStream::Audio,
        }
    }
}

/// What a buffer that passes through holds for the model.
#[derive(Debug)]
pub(super) enum Content {
    Frame(Frame),
    Sound(AudioChunk),
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    policy: ResultPolicy,
    preprocessor: WindowPreprocessor,
    windows: ClipWindow,
    stride: Duration,
    /// Windows that may wait for the model.
    waiting: u32,
    pub(super) passing: Passing<LabelsMeta, Timed>,
    media: Option<Media>,
    /// The stretches that windows may still come of: each with the running time that it begins at.
    stretches: VecDeque<(Duration, u64)>,
    begun: bool,
    /// Where the last buffer ended, as a timestamp and in running time.
    end: gst::ClockTime,
    end_running: Duration,
    widest: Duration,
    pub(super) sound: Sound,
}

/// What joins on `audio_sink`.
#[derive(Debug, Default)]
pub(super) struct Sound {
    pub(super) format: Option<SoundFormat>,
    pub(super) segment: Segment,
    /// Something is linked to it that has not ended.
    present: bool,
    /// The stream that it joins has ended, and with it the windows.
    over: bool,
    /// Where the last chunk ended, as a timestamp and in running time.
    end: gst::ClockTime,
    end_running: Duration,
    discontinued: bool,
}

impl Sound {
    /// Whether windows have it.
    fn joins(&self) -> bool {
        self.present && !self.over
    }
}

impl Stream {
    /// A stream before its first buffer.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub(super) fn new(preprocessor: WindowPreprocessor, settings: &Settings, waiting: u32) -> Result<Self> {
        let shape = preprocessor.shape();
        let options = preprocessor.suited(settings.options(&shape));
        let stride = shape.time_of((options.stride_frames * shape.samples_per_frame) as u64);
        let limit = shape.duration() + stride * waiting;
        Ok(Self {
            policy: settings.policy,
            preprocessor,
            windows: ClipWindow::new(shape, options)?,
            stride,
            waiting,
            passing: Passing::new(ResultLine::timed(limit)),
            media: None,
            stretches: VecDeque::new(),
            begun: false,
            end: gst::ClockTime::ZERO,
            end_running: Duration::ZERO,
            widest: Duration::ZERO,
            sound: Sound::default(),
        })
    }

    pub(super) fn policy(&self) -> ResultPolicy {
        self.policy
    }

    pub(super) fn shape(&self) -> ClipShape {
        self.preprocessor.shape()
    }

    /// Whether sound makes a difference to the model.
    pub(super) fn takes_sound(&self) -> bool {
        self.preprocessor.hears()
    }

    /// From the start of a window to the start of the next.
    pub(super) fn stride(&self) -> Duration {
        self.stride
    }

    pub(super) fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    pub(super) fn clip_stats(&self) -> ClipStats {
        self.windows.stats()
    }

    /// What the delays of this stream depend on.
    pub(super) fn timing(&self, processing: Duration, waits: bool) -> Timing {
        let buffer = self.buffer_time();
        Timing {
            buffer,
            // The buffer behind a window completes it.
            window: self.shape().duration() + buffer,
            stride: self.stride,
            spare: self.waiting,
            processing,
            aligned: self.policy == ResultPolicy::Aligned,
            waits,
        }
    }

    /// From one buffer to the next: by the caps, or the widest gap so far where those leave it open.
    fn buffer_time(&self) -> Duration {
        match &self.media {
            Some(Media::Video(info)) => frame_time(info).unwrap_or(self.widest),
            _ => self.widest,
        }
    }

    /// Takes the caps of the buffers to come.
    pub(super) fn set_media(&mut self, media: Media) {
        match media {
            Media::Video(_) => self.windows.open(ClipStream::Video),
            Media::Sound(_) => {
                self.windows.finish(ClipStream::Video);
                self.windows.open(ClipStream::Audio);
            }
        }
        self.media = Some(media);
        self.widest = Duration::ZERO;
    }

    /// Takes the timeline of the buffers to come.
    pub(super) fn set_segment(&mut self, segment: Segment) {
        self.end = segment.start().unwrap_or_default();
        self.passing.segment = segment;
        self.begun = false;
    }

    /// When a buffer begins, as a timestamp and in running time if the segment covers it.
    pub(super) fn place(&self, buffer: &gst::BufferRef) -> (gst::ClockTime, Option<Duration>) {
        // A buffer without a timestamp begins where the one before ended.
        let pts = buffer.pts().unwrap_or(self.end);
        (pts, self.passing.segment.to_running_time(pts).map(Into::into))
    }

    /// Takes the next buffer. One outside the segment passes, and the model does not see it.
    ///
    /// # Errors
    /// When its medium is none that was announced.
    pub(super) fn take(&mut self, buffer: gst::Buffer, duration: Duration, content: Option<Content>, live: bool) -> Result<()> {
        let (pts, running_time) = self.place(&buffer);
        self.end = pts + clock_time(duration);
        let (Some(time), Some(content)) = (running_time, content) else {
            let held = self.passing.held(buffer);
            self.passing.line.follow(held);
            return Ok(());
        };
        if !std::mem::replace(&mut self.begun, true) && time < self.end_running {
            // A timeline that begins before the one before has ended: what is held of that one can no longer be placed.
            self.windows.reset();
            self.rejoin();
        }
        if buffer.flags().contains(gst::BufferFlags::DISCONT) && self.end_running > Duration::ZERO {
            self.discontinue(time);
        }
        self.widest = self.widest.max(time.saturating_sub(self.end_running.saturating_sub(duration)).min(LIVE_PATIENCE));
        self.end_running = time + duration;
        let held = self.passing.held(buffer);
        match self.policy {
            ResultPolicy::Persist => self.passing.line.follow(held),
            ResultPolicy::Aligned => self.passing.line.buffer(held, time),
        }
        if live {
            let patience = LIVE_PATIENCE + self.shape().duration();
            self.windows.give_up_before(time.saturating_sub(patience));
        }
        match content {
            Content::Frame(frame) => self.windows.push_frame(frame),
            Content::Sound(chunk) => self.windows.push_audio(chunk),
        }
    }

    /// What comes next, from this running time on, does not follow what came before.
    fn discontinue(&mut self, time: Duration) {
        self.break_off();
        self.passing.stretch += 1;
        self.stretches.push_back((time, self.passing.stretch));
    }

    /// The windows that are open end where the stream has come to.
    pub(super) fn break_off(&mut self) {
        if let Some(media) = &self.media {
            self.windows.discontinuity(media.stream());
        }
    }

    /// The stream has nothing from here on for this long.
    pub(super) fn gap(&mut self, from: gst::ClockTime, duration: gst::ClockTime) {
        let place = |time| self.passing.segment.to_running_time(time).map(Duration::from);
        if let (Some(media), Some(from), Some(to)) = (&self.media, place(from), place(from + duration)) {
            self.windows.gap(media.stream(), from, to);
            self.end_running = self.end_running.max(to);
        }
    }

    /// The stream has ended. Windows go on with the sound that joins it.
    pub(super) fn end(&mut self) {
        self.windows.finish(self.media.as_ref().map_or(ClipStream::Video, Media::stream));
    }

    /// The sound has ended, too, or is not waited for: what is left becomes the last windows.
    pub(super) fn finish(&mut self) {
        self.windows.finish(ClipStream::Audio);
        self.sound.over = true;
    }

    /// Opens what `finish` has closed, for a stream that begins anew.
    pub(super) fn reopen(&mut self) {
        self.sound.over = false;
        if let Some(media) = self.media.clone() {
            self.set_media(media);
        }
        self.rejoin();
    }

    /// The next window that is complete, with its running time.
    ///
    /// # Errors
    /// When it has no sound and that is to be an error, or its pictures do not fit the model.
    pub(super) fn next_window(&mut self) -> Result<Option<(gst::ClockTime, Job<Question>)>> {
        let Some(clip) = self.windows.next()? else { return Ok(None) };
        let (id, running_time) = self.begin(&clip);
        let inputs = Arc::new(self.preprocessor.preprocess(&clip)?);
        // A window that the stream breaks off in stands for nothing behind the break.
        let stands_for = if clip.duration < self.shape().duration() { clip.duration } else { self.stride };
        self.passing.line.begin(id, clip.time, clip.time + stands_for);
        Ok(Some((running_time, Job { id, question: Question::Ask(inputs, Head::Labels) })))
    }

    fn begin(&mut self, clip: &Clip) -> (u64, gst::ClockTime) {
        while self.stretches.get(1).is_some_and(|(begin, _)| *begin <= clip.time) {
            self.stretches.pop_front();
        }
        let stretch = self.stretches.front().filter(|(begin, _)| *begin <= clip.time).map_or(self.begin_stretch(), |(_, id)| *id);
        let running_time = clock_time(clip.time);
        let id = self.passing.begin(Begun {
            stretch,
            pts: self.timestamp(running_time),
            running_time: Some(running_time),
            duration: clock_time(clip.duration),
            shown: clock_time(clip.duration.min(self.stride)),
        });
        (id, running_time)
    }

    /// A running time as a timestamp of the stream, also of one behind its end.
    fn timestamp(&self, running_time: gst::ClockTime) -> gst::ClockTime {
        let position = self.passing.segment.position_from_running_time_full(running_time);
        position.and_then(gst::Signed::positive).unwrap_or(running_time)
    }

    /// The stretch of windows from before the first break that is known.
    fn begin_stretch(&self) -> u64 {
        self.stretches.front().map_or(self.passing.stretch, |(_, first)| first - 1)
    }

    /// Forgets every buffer, window and result, for a flush. Caps and the numbering of windows stay; the segment is a new one.
    pub(super) fn reset(&mut self) {
        self.passing.reset();
        self.forget_media();
        self.end_running = Duration::ZERO;
        self.stretches.clear();
        self.passing.stretch += 1;
        self.set_segment(Segment::new());
        self.reopen();
    }
}

/// The sound that joins video.
impl Stream {
    /// Whether there is sound to wait for.
    pub(super) fn set_joined(&mut self, joined: bool) {
        self.sound.present = joined && self.takes_sound();
        if self.sound.present {
            self.rejoin();
        } else if !matches!(self.media, Some(Media::Sound(_))) {
            self.windows.finish(ClipStream::Audio);
        }
    }

    fn rejoin(&mut self) {
        if self.sound.joins() && !matches!(self.media, Some(Media::Sound(_))) {
            self.windows.open(ClipStream::Audio);
        }
    }

    /// Forgets all media that no window has, as both streams are about to begin elsewhere.
    pub(super) fn forget_media(&mut self) {
        self.windows.reset();
        self.passing.line.cut();
        self.sound.end_running = Duration::ZERO;
    }

    /// Takes the timeline of the sound to come.
    pub(super) fn set_sound_segment(&mut self, segment: Segment) {
        self.sound.end = segment.start().unwrap_or_default();
        self.sound.segment = segment;
    }

    /// When a buffer of sound begins, in running time; none if the segment does not cover it.
    pub(super) fn place_sound(&mut self, buffer: &gst::BufferRef) -> Option<Duration> {
        let pts = buffer.pts().unwrap_or(self.sound.end);
        self.sound.end = pts;
        self.sound.discontinued |= buffer.flags().contains(gst::BufferFlags::DISCONT);
        self.sound.segment.to_running_time(pts).map(Into::into)
    }

    /// Takes the next chunk of sound. In a live element with more than it waits for already, the chunk is left out; says so then.
    ///
    /// # Errors
    /// When its rate is not the model's.
    pub(super) fn hear(&mut self, chunk: AudioChunk, live: bool) -> Result<bool> {
        if !self.sound.joins() {
            return Ok(true);
        }
        let rate = u64::from(chunk.rate.max(1));
        let duration = Duration::from_nanos(chunk.samples.len() as u64 * 1_000_000_000 / rate);
        self.sound.end += clock_time(duration);
        self.sound.end_running = chunk.time + duration;
        let most = (LIVE_PATIENCE + 2 * self.shape().duration()).as_secs_f64() * f64::from(self.shape().sample_rate);
        if live && self.windows.held().samples as f64 > most {
            self.sound.discontinued = true;
            return Ok(false);
        }
        if std::mem::take(&mut self.sound.discontinued) {
            self.windows.discontinuity(ClipStream::Audio);
        }
        self.windows.push_audio(chunk)?;
        Ok(true)
    }

    /// The sound has nothing from here on for this long.
    pub(super) fn sound_gap(&mut self, from: gst::ClockTime, duration: gst::ClockTime) {
        let place = |time| self.sound.segment.to_running_time(time).map(Duration::from);
        if let (Some(from), Some(to)) = (place(from), place(from + duration))
            && self.sound.joins()
        {
            self.windows.gap(ClipStream::Audio, from, to);
            self.sound.end_running = self.sound.end_running.max(to);
        }
    }

    /// Whether there is sound that has not ended.
    pub(super) fn hears(&self) -> bool {
        self.sound.joins()
    }

    /// Whether the next window has all its pictures and waits for sound.
    pub(super) fn lacks_sound(&self) -> bool {
        self.sound.joins() && self.windows.wants(ClipStream::Audio) && !self.windows.wants(ClipStream::Video)
    }

    /// Whether the sound has not come as far as the pictures.
    pub(super) fn sound_lags(&self) -> bool {
        self.sound.joins() && self.sound.end_running < self.end_running
    }

    /// Whether the next window has all its sound. Never together with either of the two above, so that not both streams wait. Whether it has
    /// its pictures does not matter: while the model is busy sound would run ahead without end, and pictures be given up for it.
    pub(super) fn sound_is_ahead(&self) -> bool {
        self.sound.joins() && !self.sound_lags() && !self.windows.wants(ClipStream::Audio)
    }
}
