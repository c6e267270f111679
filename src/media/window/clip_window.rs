//! Windows of a multimodal model, cut from a video and its sound.
//!
//! Pure: media in, windows out; no threads, no clock, nothing but whole numbers in the reckoning of time.

use std::{collections::VecDeque, time::Duration};

use super::{
    super::{AudioChunk, Frame},
    Clip, ClipOptions, ClipShape, ClipStats, ClipStream, HeldMedia, MissingAudio, PartialWindow,
    picture_line::PictureLine,
    sound_line::SoundLine,
};
use crate::error::{Error, Result};

/// Cuts a video and its sound into windows that begin together.
///
/// # Rules
///
/// *Start.* The first window begins at the first frame's time; where there is no video, at the first sample's. Window `k` begins
/// `k · stride · samples_per_frame` samples later, reckoned from the start and never from the window before.
///
/// *Pictures.* Picture `m` of a window is the newest frame that is not later than sample `m · samples_per_frame`, by no more than a
/// millisecond, to which containers round: video of any rate, even or not, is converted by choosing frames. A picture stays for its
/// duration or for one second, whichever is longer. After that, in a [gap](Self::gap), and without video there is none.
///
/// *Sound.* The stream's samples have places, `p / rate` seconds from its start. A window that begins at `t` has the samples at the
/// places from `t · rate`, rounded, on. Chunks follow each other by count. The time of a chunk places it where the stream begins or
/// breaks off, and where count and time lie more than the tolerance apart. When eight chunks in a row lie more than half a sample on
/// the same side of the count, it moves by the smallest of those distances, and that many samples are repeated or left out. So chunks of
/// up to 20 ms from a clock that is wrong by 50 ppm stay within one sample of their place, while times rounded to milliseconds do not
/// tear sound apart. Holes are silence.
///
/// *Completion.* A window is complete when a frame is there that is shown after its last picture, and all its samples. A stream that
/// lags [`ClipOptions::patience`] behind the other is no longer waited for; [`ClipWindow::give_up_before`] is how a live clock says so
/// sooner. What comes later is late, and counted.
///
/// *Breaks.* A [discontinuity](Self::discontinuity) of the video, a frame of another size, and a jump ahead by more than the patience
/// end the windows; new ones begin at the next frame. The sound goes on, and is placed by its time after a discontinuity of its own.
/// Where there is no video, the sound's discontinuities and jumps end the windows.
///
/// *End.* The last window is partial where the media end, or break off, within it. It is made, padded, when it has at least half a
/// frame that no window before had. Windows that would have neither a picture nor a sample are not made.
///
/// # Memory
///
/// Held are the frames that the next windows show and the sound from the next window's start on: a window, and what one stream is
/// ahead of the other, at most the patience. Whoever can hold a stream back asks [`ClipWindow::wants`] and keeps it at a window.
#[derive(Clone, Debug)]
pub struct ClipWindow {
    shape: ClipShape,
    options: ClipOptions,
    runs: VecDeque<Run>,
    sound: SoundLine,
    newest_frame: Option<Duration>,
    index: u64,
    stats: ClipStats,
}

/// Windows that follow each other without a break.
#[derive(Clone, Debug)]
struct Run {
    start: Duration,
    /// The place of the first sample.
    place: u64,
    /// Whether the sound began it, for lack of video.
    by_sound: bool,
    pictures: PictureLine,
    /// The number of the next window.
    next: u64,
    /// How many samples after the start it ends, once that is known.
    end: Option<u64>,
}

/// What the next window of a run is.
enum Next {
    /// Not known yet.
    Waits,
    /// This one, of which so many samples are before the end.
    Window { first: u64, real: u64 },
    /// There is none.
    Ended,
}

impl ClipWindow {
    /// Windows of `shape`, cut as `options` says.
    ///
    /// # Errors
    /// When the stride or a part of the shape is 0.
    pub fn new(shape: ClipShape, options: ClipOptions) -> Result<Self> {
        if options.stride_frames == 0 {
            return Err(Error::option("stride-frames", 0, "1 or more"));
        }
        if shape.frames == 0 || shape.samples_per_frame == 0 || shape.sample_rate == 0 {
            return Err(Error::option(
                "window",
                format!("{shape:?}"),
                "1 or more frames, samples per frame and samples a second",
            ));
        }
        Ok(Self {
            sound: SoundLine::new(shape, options.tolerance),
            shape,
            options,
            runs: VecDeque::new(),
            newest_frame: None,
            index: 0,
            stats: ClipStats::default(),
        })
    }

    /// What a window holds.
    pub fn shape(&self) -> ClipShape {
        self.shape
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// When there is no video, or it has ended.
    pub fn push_frame(&mut self, frame: Frame) -> Result<()> {
        self.expect_open(ClipStream::Video)?;
        if self.newest_frame.is_some_and(|newest| frame.time < newest) {
            self.stats.late_frames += 1;
            return Ok(());
        }
        let jumped = self.newest_frame.is_some_and(|newest| frame.time - newest > self.options.patience);
        let size = |picture: &super::super::Picture| (picture.width(), picture.height());
        let of_run = self.runs.back().and_then(|run| run.pictures.last());
        if jumped || of_run.is_some_and(|last| size(last) != size(&frame.picture)) {
            self.discontinuity(ClipStream::Video);
        }
        self.newest_frame = Some(frame.time);
        match self.runs.back_mut() {
            Some(run) if run.end.is_none() && !run.by_sound => {
                self.stats.late_frames += u64::from(!run.pictures.push(frame));
                return Ok(());
            }
            Some(run) if run.end.is_none() => run.end = Some(self.shape.place_of(frame.time).saturating_sub(run.place)),
            _ => {}
        }
        let mut run = Run::new(self.shape, frame.time, self.shape.place_of(frame.time), false);
        run.pictures.push(frame);
        self.runs.push_back(run);
        Ok(())
    }

    /// Takes the next samples, at the rate of [`ClipShape::sample_rate`].
    ///
    /// # Errors
    /// When the rate is another one, or there is no audio, or it has ended.
    pub fn push_audio(&mut self, chunk: AudioChunk) -> Result<()> {
        self.expect_open(ClipStream::Audio)?;
        if chunk.rate != self.shape.sample_rate {
            return Err(Error::option("audio rate", chunk.rate, format!("{}, the model's", self.shape.sample_rate)));
        }
        let limit = self.sound.settled() + self.shape.place_of(self.options.patience);
        if self.sound.settled() > 0 && self.shape.place_of(chunk.time) > limit {
            self.discontinuity(ClipStream::Audio);
        }
        self.sound.push(chunk);
        self.begin_by_sound();
        Ok(())
    }

    /// Says that a stream has nothing from one time to another.
    pub fn gap(&mut self, stream: ClipStream, from: Duration, to: Duration) {
        match stream {
            ClipStream::Video => {
                if let Some(run) = self.runs.back_mut().filter(|run| run.end.is_none()) {
                    run.pictures.gap(from, to);
                }
            }
            ClipStream::Audio => self.sound.settle(self.shape.place_of(to)),
        }
    }

    /// Says that what a stream brings next does not follow what it has brought.
    pub fn discontinuity(&mut self, stream: ClipStream) {
        if stream == ClipStream::Audio {
            self.sound.distrust_count();
        }
        let sound_end = self.sound.end();
        let Some(run) = self.runs.back_mut().filter(|run| run.end.is_none()) else { return };
        match (stream, run.by_sound) {
            (ClipStream::Video, false) => run.end = Some(run.pictures.end()),
            (ClipStream::Audio, true) => run.end = Some(sound_end.unwrap_or(run.place).saturating_sub(run.place)),
            _ => {}
        }
    }

    /// Says that a stream has ended, or was taken away. Windows go on with the other one.
    pub fn finish(&mut self, stream: ClipStream) {
        if stream == ClipStream::Audio {
            self.discontinuity(stream);
        }
        *self.is_open_mut(stream) = false;
        self.begin_by_sound();
    }

    /// Says that a stream has come, or come back, and is to be waited for. Video ends the windows that began with the sound.
    pub fn open(&mut self, stream: ClipStream) {
        *self.is_open_mut(stream) = true;
        if stream == ClipStream::Audio {
            self.sound.distrust_count();
        }
    }

    /// Says that all media before `time` have come: what is not there by now is not waited for.
    pub fn give_up_before(&mut self, time: Duration) {
        let place = self.shape.place_of(time);
        if let Some(run) = self.runs.back_mut() {
            run.pictures.settle(time);
        } else if self.options.video {
            self.sound.discard_before(place);
        }
        self.sound.settle(place);
    }

    /// The next complete window; none until more media come.
    ///
    /// # Errors
    /// When a window has no sound and that is to be an error. The next call goes on with the window after it.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: after `None` there may be more")]
    pub fn next(&mut self) -> Result<Option<Clip>> {
        self.lose_patience();
        loop {
            self.end_last_run();
            let Some(run) = self.runs.front() else { return Ok(None) };
            match self.next_of(run) {
                Next::Waits => return Ok(None),
                Next::Ended => self.leave_run(),
                Next::Window { first, real } => {
                    let empty = self.empty_windows(run, first);
                    self.stats.empty += empty;
                    let clip = if empty == 0 { self.cut(first, real) } else { Ok(None) };
                    self.step(empty.max(1));
                    if let Some(clip) = clip? {
                        self.stats.windows += 1;
                        return Ok(Some(clip));
                    }
                }
            }
        }
    }

    /// Whether the next window needs more of a stream.
    pub fn wants(&self, stream: ClipStream) -> bool {
        if !self.is_open(stream) {
            return false;
        }
        let Some(run) = self.runs.front() else {
            return stream == ClipStream::Video || self.sound.held() < self.shape.samples();
        };
        let first = run.next * self.stride();
        match stream {
            ClipStream::Video if run.by_sound => true,
            ClipStream::Video => self.pictures_settled(run).is_some_and(|settled| settled < self.slots_until(first)),
            ClipStream::Audio => self.sound.settled() < run.place + first + self.shape.samples() as u64,
        }
    }

    /// What happened so far, also before resets.
    pub fn stats(&self) -> ClipStats {
        ClipStats { late_samples: self.sound.late, resyncs: self.sound.resyncs, slips: self.sound.slips, ..self.stats }
    }

    /// What is held.
    pub fn held(&self) -> HeldMedia {
        HeldMedia { pictures: self.runs.iter().map(|run| run.pictures.held()).sum(), samples: self.sound.held() }
    }

    /// Forgets all media, after a flush or a seek: no window has media from both sides. Numbering starts again at 0; streams stay
    /// open or ended.
    pub fn reset(&mut self) {
        self.runs.clear();
        self.sound.reset();
        self.newest_frame = None;
        self.index = 0;
    }

    /// Samples from the start of a window to the start of the next.
    fn stride(&self) -> u64 {
        (self.options.stride_frames * self.shape.samples_per_frame) as u64
    }

    /// Less than half a frame is no reason for another window.
    fn least(&self) -> u64 {
        self.shape.samples_per_frame.div_ceil(2) as u64
    }

    /// The slot after the last one of the window that begins `first` samples after the start of its run.
    fn slots_until(&self, first: u64) -> u64 {
        first / self.shape.samples_per_frame as u64 + self.shape.frames as u64
    }

    fn is_open(&self, stream: ClipStream) -> bool {
        match stream {
            ClipStream::Video => self.options.video,
            ClipStream::Audio => self.options.audio,
        }
    }

    fn is_open_mut(&mut self, stream: ClipStream) -> &mut bool {
        match stream {
            ClipStream::Video => &mut self.options.video,
            ClipStream::Audio => &mut self.options.audio,
        }
    }

    fn expect_open(&self, stream: ClipStream) -> Result<()> {
        if self.is_open(stream) {
            return Ok(());
        }
        Err(Error::option("stream", stream, "one that was announced and has not ended"))
    }

    /// How far the pictures of a run are known; none where none will come any more.
    fn pictures_settled(&self, run: &Run) -> Option<u64> {
        (self.options.video && !run.by_sound && run.end.is_none()).then(|| run.pictures.settled())
    }

    /// Begins windows at the first sample, where no video does.
    fn begin_by_sound(&mut self) {
        if self.options.video || self.runs.back().is_some_and(|run| run.end.is_none()) {
            return;
        }
        let from = self.runs.back().map_or(0, |run| run.place + run.end.unwrap_or_default());
        if let Some(place) = self.sound.first(from) {
            self.runs.push_back(Run::new(self.shape, self.shape.time_of(place), place, true));
        }
    }

    /// Gives up what lies further back than the patience allows.
    fn lose_patience(&mut self) {
        let newest = self.newest_frame.unwrap_or_default().max(self.shape.time_of(self.sound.settled()));
        if let Some(horizon) = newest.checked_sub(self.options.patience) {
            self.give_up_before(horizon);
        }
    }

    /// When all streams have ended, so do the windows, with whichever lasts longer.
    fn end_last_run(&mut self) {
        if self.options.video || self.options.audio {
            return;
        }
        let sound_end = self.sound.end().unwrap_or_default();
        if let Some(run) = self.runs.back_mut().filter(|run| run.end.is_none()) {
            run.end = Some(run.pictures.end().max(sound_end.saturating_sub(run.place)));
        }
    }

    fn next_of(&self, run: &Run) -> Next {
        let length = self.shape.samples() as u64;
        let first = run.next * self.stride();
        let real = match run.end {
            None => length,
            Some(end) if first + length <= end => length,
            Some(end) => {
                let had = if run.next == 0 { 0 } else { first - self.stride() + length };
                let news = end.saturating_sub(first.max(had));
                if news < if run.next == 0 { 1 } else { self.least() } {
                    return Next::Ended;
                }
                end - first
            }
        };
        let pictures_wait = self.pictures_settled(run).is_some_and(|settled| settled < self.slots_until(first));
        let sound_waits = self.options.audio && self.sound.settled() < run.place + first + real;
        if pictures_wait || sound_waits { Next::Waits } else { Next::Window { first, real } }
    }

    /// The window that begins `first` samples after the start of the front run; none where it is left out.
    fn cut(&mut self, first: u64, real: u64) -> Result<Option<Clip>> {
        let Some(run) = self.runs.front() else { return Ok(None) };
        let slot = first / self.shape.samples_per_frame as u64;
        let pictures: Vec<_> = (slot..self.slots_until(first)).map(|slot| run.pictures.picture(slot)).collect();
        let from = run.place + first;
        let (samples, there) = self.sound.cut(from, self.shape.samples(), from + real);
        let time = run.start + self.shape.time_of(first);
        if real < samples.len() as u64 && self.options.partial == PartialWindow::Drop {
            self.stats.dropped += 1;
            return Ok(None);
        }
        if (there as u64) * 2 < real {
            match self.options.missing_audio {
                MissingAudio::Silence => {}
                MissingAudio::Drop => {
                    self.stats.dropped += 1;
                    return Ok(None);
                }
                MissingAudio::Error => {
                    let given = format!("{there} of {real} samples at {:.3} s", time.as_secs_f64());
                    return Err(Error::option("audio", given, "at least half of them, or missing-audio = silence or drop"));
                }
            }
        }
        let clip = Clip {
            missing_samples: samples.len() - there,
            duration: self.shape.time_of(real),
            pictures,
            samples,
            time,
            index: self.index,
        };
        self.index += 1;
        self.stats.missing_pictures += clip.pictures.iter().filter(|picture| picture.is_none()).count() as u64;
        self.stats.missing_samples += clip.missing_samples as u64;
        Ok(Some(clip))
    }

    /// How many windows, from the complete one at `first` on, have neither a picture nor a sample. Reckoned, not counted: a stream may
    /// be away for days.
    fn empty_windows(&self, run: &Run, first: u64) -> u64 {
        let (frame, length) = (self.shape.samples_per_frame as u64, self.shape.samples() as u64);
        let media = [
            run.pictures.first(first / frame).map(|slot| slot * frame),
            self.sound.first(run.place + first).map(|place| place - run.place),
        ];
        let known = [
            run.end,
            self.pictures_settled(run).map(|slot| slot * frame),
            self.options.audio.then(|| self.sound.settled().saturating_sub(run.place)),
        ];
        match media.into_iter().chain(known).flatten().min() {
            Some(media) if media >= first + length => (media - first - length) / self.stride() + 1,
            _ => 0,
        }
    }

    /// Goes on to a later window of the front run and forgets what only earlier ones needed.
    fn step(&mut self, windows: u64) {
        let stride = self.stride();
        if let Some(run) = self.runs.front_mut() {
            run.next += windows;
            let first = run.next * stride;
            run.pictures.discard_before(first / self.shape.samples_per_frame as u64);
            self.sound.discard_before(run.place + first.min(run.end.unwrap_or(u64::MAX)));
        }
    }

    /// Goes on to the next run, or to the sound that is left when there is none.
    fn leave_run(&mut self) {
        let Some(left) = self.runs.pop_front() else { return };
        self.sound.discard_before(left.place + left.end.unwrap_or_default());
        self.begin_by_sound();
    }
}

impl Run {
    fn new(shape: ClipShape, start: Duration, place: u64, by_sound: bool) -> Self {
        Self { start, place, by_sound, pictures: PictureLine::new(shape, start), next: 0, end: None }
    }
}
