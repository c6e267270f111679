//! A file to windows, on a thread of its own: decoding, cutting and scaling go on while the model computes.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use perceiverflow::{
    Error, Result,
    media::{ClipStats, ClipStream, ClipWindow},
    tasks::{Autoencode, ClipInputs, ClipPreprocessor, Latents, WindowPreprocessor},
    video_file::{Media, MediaReader, VideoFormat},
};

use super::ClipArguments;
use crate::{
    interrupt::{ATTENTION, Interrupt},
    model::ModelArguments,
    output::complain,
    progress::{Progress, Unit},
};

/// Windows that may wait for the model, besides those of its next call.
const QUEUE: usize = 2;

/// Windows of one file that are trained on, about: those of a longer file lie further apart.
#[cfg(feature = "train")]
const PLACES: u64 = 32;

/// The windows of a file to train on. Without a stride they overlap by half, so that there are more of them.
#[cfg(feature = "train")]
pub(crate) fn windows_to_train_on(
    path: &Path,
    arguments: &ClipArguments,
    preprocessor: ClipPreprocessor,
) -> Result<Vec<ClipInputs>> {
    let shape = preprocessor.shape();
    let mut reader = MediaReader::open(path, shape.sample_rate)?;
    let mut options = arguments.cutting().options(&shape, reader.video_format().is_some(), reader.has_sound());
    if arguments.stride_frames.is_none() {
        let frames = reader.duration().map_or(0, |duration| shape.place_of(duration) / shape.samples_per_frame as u64);
        options.stride_frames = ((frames / PLACES) as usize).max(shape.frames.div_ceil(2));
    }
    let (mut cutter, mut windows) = (ClipWindow::new(shape, options)?, Vec::new());
    cut_all(&mut reader, &mut cutter, &preprocessor.into(), |window| {
        windows.push(window.inputs);
        true
    })?;
    Ok(windows)
}

/// One window, ready for the model.
#[derive(Debug)]
pub(crate) struct Window {
    time: Duration,
    duration: Duration,
    pub(crate) inputs: ClipInputs,
}

impl Window {
    /// When it begins and ends.
    pub(crate) fn range(&self) -> Range<Duration> {
        self.time..self.time + self.duration
    }
}

/// One window as the model remembers it.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// When it begins.
    pub(crate) time: Duration,
    /// How long it lasts: less than the model's window where the media end within it.
    pub(crate) duration: Duration,
    pub(crate) latents: Latents,
}

impl Encoded {
    /// When it ends.
    pub(crate) fn end(&self) -> Duration {
        self.time + self.duration
    }
}

/// The windows of a file as they come.
#[derive(Debug)]
pub(crate) struct Windows {
    path: PathBuf,
    windows: Receiver<Result<Window>>,
    reading: JoinHandle<(ClipStats, u64)>,
    /// Size and clock of the pictures; none where the file has no video.
    pub(crate) video: Option<VideoFormat>,
    pub(crate) has_sound: bool,
    /// How many to expect, as far as the file tells.
    expected: Option<u64>,
}

impl Windows {
    /// Opens `path` and begins to read.
    pub(crate) fn read(path: &Path, arguments: &ClipArguments, preprocessor: impl Into<WindowPreprocessor>) -> Result<Self> {
        let preprocessor = preprocessor.into();
        let shape = preprocessor.shape();
        let reader = MediaReader::open(path, shape.sample_rate)?;
        let (video, has_sound) = (reader.video_format(), reader.has_sound());
        if video.is_none() && !preprocessor.hears() {
            return Err(Error::format(path, "it has no video: an image classifier hears nothing"));
        }
        let options = preprocessor.suited(arguments.cutting().options(&shape, video.is_some(), has_sound));
        let stride = shape.time_of((options.stride_frames * shape.samples_per_frame) as u64);
        let expected = reader.duration().map(|duration| duration.div_duration_f64(stride).ceil() as u64);
        let cutter = ClipWindow::new(shape, options)?;
        let (sender, windows) = bounded(QUEUE);
        let refused = |error: std::io::Error| Error::Stopped { model: "reading".into(), reason: error.to_string() };
        let reading = std::thread::Builder::new()
            .name("read".into())
            .spawn(move || send_all(reader, cutter, &preprocessor, &sender))
            .map_err(refused)?;
        Ok(Self { path: path.to_owned(), windows, reading, video, has_sound, expected })
    }

    /// Encodes every window, a batch in one call, and hands each batch on; then as [`each_batch`](Self::each_batch).
    pub(crate) fn encode(
        self,
        task: &Autoencode,
        model: &ModelArguments,
        quiet: bool,
        interrupt: &Interrupt,
        mut take: impl FnMut(&[Encoded]) -> Result<()>,
    ) -> Result<Progress> {
        self.each_batch(model, quiet, interrupt, |windows| {
            let latents = task.encode(&windows.iter().map(|window| &window.inputs).collect::<Vec<_>>())?;
            let encoded = windows.iter().zip(latents);
            let encoded = encoded.map(|(window, latents)| Encoded { time: window.time, duration: window.duration, latents });
            take(&encoded.collect::<Vec<Encoded>>())
        })
    }

    /// Hands every window on, as many together as one model call takes; then says what the file lacked. What comes back is to be finished
    /// when all is written.
    pub(crate) fn each_batch(
        self,
        model: &ModelArguments,
        quiet: bool,
        interrupt: &Interrupt,
        mut take: impl FnMut(&[Window]) -> Result<()>,
    ) -> Result<Progress> {
        let mut progress = Progress::begin(self.expected, Unit::WINDOWS, quiet);
        loop {
            let windows = self.next_batch(model.batch_size as usize, interrupt)?;
            if windows.is_empty() {
                break;
            }
            take(&windows)?;
            windows.iter().for_each(|window| progress.step(window.range().end));
        }
        self.finish()?;
        Ok(progress)
    }

    /// The next windows, at most `batch` of them; fewer only at the end.
    fn next_batch(&self, batch: usize, interrupt: &Interrupt) -> Result<Vec<Window>> {
        let mut windows = Vec::new();
        while windows.len() < batch {
            interrupt.check()?;
            match self.windows.recv_timeout(ATTENTION) {
                Ok(window) => windows.push(window?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(windows)
    }

    fn finish(self) -> Result<()> {
        let path = self.path.display();
        let ended = self.reading.join();
        let (stats, damaged) = ended.map_err(|_| Error::Stopped { model: "reading".into(), reason: "it panicked".into() })?;
        if damaged > 0 {
            complain(&format!("warning: {path}: {damaged} damaged packets or pictures"));
        }
        if stats.dropped > 0 {
            complain(&format!("warning: {path}: {} windows were left out, partial or without sound", stats.dropped));
        }
        if stats.windows == 0 {
            return Err(Error::format(&self.path, "not a single window; accepted are longer files, or --partial-window pad"));
        }
        Ok(())
    }
}

/// Sends every window on. Ends early when nobody listens any more.
fn send_all(
    mut reader: MediaReader,
    mut cutter: ClipWindow,
    preprocessor: &WindowPreprocessor,
    windows: &Sender<Result<Window>>,
) -> (ClipStats, u64) {
    let read = cut_all(&mut reader, &mut cutter, preprocessor, |window| windows.send(Ok(window)).is_ok());
    if let Err(error) = read {
        // Nobody listens when this cannot be said.
        let _ = windows.send(Err(error));
    }
    (cutter.stats(), reader.damaged())
}

/// Hands every window of a file to `take`, until that wants no more.
fn cut_all(
    reader: &mut MediaReader,
    cutter: &mut ClipWindow,
    preprocessor: &WindowPreprocessor,
    mut take: impl FnMut(Window) -> bool,
) -> Result<()> {
    let mut pass_on = |cutter: &mut ClipWindow| -> Result<bool> {
        while let Some(clip) = cutter.next()? {
            let window = Window { time: clip.time, duration: clip.duration, inputs: preprocessor.preprocess(&clip)? };
            if !take(window) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    while let Some(media) = reader.next_media()? {
        match media {
            Media::Frame(frame) => cutter.push_frame(frame)?,
            Media::Audio(chunk) if preprocessor.hears() => cutter.push_audio(chunk)?,
            Media::Audio(_) => {}
        }
        if !pass_on(cutter)? {
            return Ok(());
        }
    }
    cutter.finish(ClipStream::Video);
    cutter.finish(ClipStream::Audio);
    pass_on(cutter).map(drop)
}
