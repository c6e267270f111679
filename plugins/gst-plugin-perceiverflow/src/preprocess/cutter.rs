//! Buffers to windows: what the streams are, where their buffers lie in running time, which windows have gone out.
//!
//! Nothing here waits, pushes or posts; `imp` does, with what this hands it.

use std::{sync::Arc, time::Duration};

use gst::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo};
use perceiverflow::{
    Error, Result,
    media::{AudioChunk, Clip, ClipStats, ClipStream, ClipWindow, Frame, Picture},
    tasks::ClipPreprocessor,
};

use super::settings::Settings;
use crate::{
    caps,
    colour::video_info,
    convert,
    element::Segment,
    meta::{ResultWindow, WindowMeta},
    sound::SoundFormat,
    tensor_bytes,
    times::clock_time,
};

/// Two times that differ by less lie side by side.
const SIDE_BY_SIDE: gst::ClockTime = gst::ClockTime::from_useconds(1);

/// A window on its way out.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) clip: Clip,
    pub(super) preprocessor: ClipPreprocessor,
    pub(super) meta: WindowMeta,
    /// What lies between the window before and this one: from, how long.
    pub(super) gap: Option<(gst::ClockTime, gst::ClockTime)>,
}

/// One run of the element.
#[derive(Debug)]
pub(super) struct Cutter {
    preprocessor: ClipPreprocessor,
    hash: Arc<str>,
    windows: ClipWindow,
    /// From the start of a window to the start of the next.
    stride: Duration,
    /// When the next window is reckoned to begin.
    next: Option<Duration>,
    /// Where the last window ended.
    end: Option<gst::ClockTime>,
    number: u64,
    video: Option<VideoInfo>,
    audio: Option<SoundFormat>,
    /// Whether video and audio are there.
    open: [bool; 2],
    /// Where the last buffers of video and audio ended, in their segments.
    ends: [Option<gst::ClockTime>; 2],
    /// The timeline of what goes out.
    segment: Segment,
    told: u64,
}

impl Cutter {
    /// For the streams that are there.
    ///
    /// # Errors
    /// What [`Settings::open`] says.
    pub(super) fn new(settings: &Settings, video: bool, audio: bool) -> Result<Self> {
        let (preprocessor, hash) = settings.open()?;
        let options = settings.options(&preprocessor, video, audio);
        let shape = preprocessor.shape();
        Ok(Self {
            windows: ClipWindow::new(shape, options)?,
            stride: shape.time_of((options.stride_frames * shape.samples_per_frame) as u64),
            preprocessor,
            hash: hash.into(),
            next: None,
            end: None,
            number: 0,
            video: None,
            audio: None,
            open: [video, audio],
            ends: [None; 2],
            segment: Segment::new(),
            told: 0,
        })
    }

    pub(super) fn preprocessor(&self) -> &ClipPreprocessor {
        &self.preprocessor
    }

    /// Frames of the model from one window to the next.
    pub(super) fn stride_frames(&self) -> usize {
        let frame = self.preprocessor.shape().time_of(self.preprocessor.shape().samples_per_frame as u64);
        (self.stride.as_secs_f64() / frame.as_secs_f64()).round() as usize
    }

    /// Takes the caps of the frames to come.
    ///
    /// # Errors
    /// When they are no raw video.
    pub(super) fn set_video(&mut self, caps: &gst::CapsRef) -> Result<()> {
        let info = video_info(caps).map_err(|error| Error::option("video caps", caps, error.to_string()))?;
        self.video = Some(info);
        Ok(())
    }

    /// Takes the caps of the sound to come.
    ///
    /// # Errors
    /// When they are not what the model takes.
    pub(super) fn set_audio(&mut self, caps: &gst::CapsRef) -> Result<()> {
        self.audio = Some(sound_format(caps, self.preprocessor.shape().sample_rate)?);
        Ok(())
    }

    /// Takes the timeline of a stream that leads; gives that of the windows, whose timestamps are running times.
    pub(super) fn lead(&mut self, segment: &Segment) -> Segment {
        let mut out = Segment::new();
        out.set_start(segment.base());
        out.set_base(segment.base());
        out.set_time(segment.time());
        out.set_applied_rate(segment.rate() * segment.applied_rate());
        self.segment = out.clone();
        out
    }

    /// Takes a buffer, which may be the stand-in for a gap.
    ///
    /// # Errors
    /// When it has no place in time, or cannot be read.
    pub(super) fn push(&mut self, stream: ClipStream, buffer: &gst::BufferRef, segment: &Segment) -> Result<()> {
        let end = &mut self.ends[place(stream)];
        let Some(pts) = buffer.pts().or(*end) else {
            return Err(Error::option(
                "timestamp",
                format!("none on the first {stream} buffer"),
                "one, to know where it belongs",
            ));
        };
        let is_gap = buffer.flags().contains(gst::BufferFlags::GAP) && buffer.size() == 0;
        let samples = match (stream, self.audio) {
            (ClipStream::Audio, Some(format)) if !is_gap => {
                let map =
                    buffer.map_readable().map_err(|error| Error::tensor("audio", error.to_string(), "a readable buffer"))?;
                format.read(&map, Duration::ZERO)?.samples
            }
            _ => Vec::new(),
        };
        let rate = self.preprocessor.shape().sample_rate;
        let counted = self.preprocessor.shape().time_of(samples.len() as u64);
        let duration = match stream {
            ClipStream::Audio if !is_gap => gst::ClockTime::try_from(counted).ok(),
            _ => buffer.duration(),
        };
        *end = Some(pts + duration.unwrap_or_default());
        let Some((start, stop)) = segment.clip(pts, duration.map(|duration| pts + duration)) else { return Ok(()) };
        let Some((start, begins)) = start.and_then(|start| Some((start, segment.to_running_time(start)?))) else { return Ok(()) };
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            self.windows.discontinuity(stream);
        }
        let lasts = stop.map(|stop| stop - start);
        if is_gap {
            self.windows.gap(stream, begins.into(), (begins + lasts.unwrap_or_default()).into());
            return Ok(());
        }
        match stream {
            ClipStream::Video => {
                let frame =
                    Frame { picture: Arc::new(self.picture(buffer)?), time: begins.into(), duration: lasts.map(Into::into) };
                self.windows.push_frame(frame)
            }
            ClipStream::Audio => {
                let count = |time: gst::ClockTime| {
                    let second = gst::ClockTime::SECOND.nseconds();
                    time.nseconds().mul_div_round(u64::from(rate), second).unwrap_or(u64::MAX) as usize
                };
                let before = count(start - pts).min(samples.len());
                let until = lasts.map_or(samples.len(), |lasts| before + count(lasts)).min(samples.len());
                let samples = samples[before..until].to_vec();
                self.windows.push_audio(AudioChunk { samples, rate, time: begins.into() })
            }
        }
    }

    fn picture(&self, buffer: &gst::BufferRef) -> Result<Picture> {
        let info = self.video.as_ref().ok_or_else(|| Error::option("video caps", "none", "caps before the first frame"))?;
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info)
            .map_err(|error| Error::tensor("frame", error.to_string(), "one that can be read"))?;
        convert::read(&frame)
    }

    /// Whether the next window needs more of a stream.
    pub(super) fn wants(&self, stream: ClipStream) -> bool {
        self.windows.wants(stream)
    }

    /// Whether a stream is there.
    pub(super) fn is_open(&self, stream: ClipStream) -> bool {
        self.open[place(stream)]
    }

    /// A stream has come.
    pub(super) fn open(&mut self, stream: ClipStream) {
        self.open[place(stream)] = true;
        self.windows.open(stream);
    }

    /// A stream has ended, or was taken away.
    pub(super) fn finish(&mut self, stream: ClipStream) {
        self.windows.finish(stream);
        self.open[place(stream)] = false;
        self.ends[place(stream)] = None;
    }

    /// When the next window is reckoned to begin; none before the first.
    pub(super) fn next_start(&self) -> Option<Duration> {
        self.next
    }

    /// The window that begins at `start`, or should, is not waited for any longer.
    pub(super) fn give_up(&mut self, start: Duration) {
        self.windows.give_up_before(start + self.preprocessor.shape().duration());
        if self.next == Some(start) {
            self.next = Some(start + self.stride);
        }
    }

    /// The next complete window.
    ///
    /// # Errors
    /// When it has no sound, and that is to be an error.
    pub(super) fn next(&mut self) -> Result<Option<Cut>> {
        let Some(clip) = self.windows.next()? else { return Ok(None) };
        let [pts, duration] = [clip.time, clip.duration].map(clock_time);
        let gap = self.end.filter(|end| pts > *end + SIDE_BY_SIDE).map(|end| (end, pts - end));
        self.next = Some(clip.time + self.stride);
        self.end = Some(pts + duration);
        let window = ResultWindow {
            id: self.number,
            stream_time: self.segment.to_stream_time(pts),
            running_time: Some(pts),
            duration,
            model_hash: self.hash.clone(),
        };
        self.number += 1;
        let meta = WindowMeta { window, inputs: None, error: None };
        Ok(Some(Cut { clip, preprocessor: self.preprocessor, meta, gap }))
    }

    /// Forgets all media, for a flush. The numbering of windows goes on.
    pub(super) fn reset(&mut self) {
        self.windows.reset();
        self.next = None;
        self.end = None;
        self.ends = [None; 2];
    }

    pub(super) fn stats(&self) -> ClipStats {
        self.windows.stats()
    }

    /// What was dropped since this was asked last: windows, frames and samples, of which somebody should be warned.
    pub(super) fn untold(&mut self) -> Option<ClipStats> {
        let stats = self.windows.stats();
        let lost = stats.dropped + stats.late_frames + stats.late_samples;
        let before = std::mem::replace(&mut self.told, lost);
        (lost > before).then_some(stats)
    }
}

/// The format of sound at this rate.
///
/// # Errors
/// When caps are another; with those that would be accepted.
pub(super) fn sound_format(given: &gst::CapsRef, rate: u32) -> Result<SoundFormat> {
    let accepted = caps::audio(Some(rate));
    SoundFormat::of(given)
        .filter(|_| given.is_subset(&accepted))
        .ok_or_else(|| Error::option("audio caps", given, format!("{accepted}; audioresample makes them")))
}

/// Where a stream's entry lies.
fn place(stream: ClipStream) -> usize {
    usize::from(stream == ClipStream::Audio)
}

impl Cut {
    /// The window as the model reads it, in a buffer.
    ///
    /// # Errors
    /// When its media are not of the model's shape.
    pub(super) fn into_buffer(mut self) -> Result<gst::Buffer> {
        let inputs = Arc::new(self.preprocessor.preprocess(&self.clip)?);
        let mut buffer = tensor_bytes::write_pair(inputs.image(), inputs.audio());
        self.meta.inputs = Some(inputs);
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(self.meta.window.running_time);
            buffer.set_duration(self.meta.window.duration);
            buffer.set_offset(self.meta.window.id);
            self.meta.attach(buffer);
        }
        Ok(buffer)
    }
}
