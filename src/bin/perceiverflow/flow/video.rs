//! Flow of a video: decoding, the model, and drawing with encoding, each in its own thread with a bounded queue between.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use perceiverflow::{
    Error, Result,
    engine::{FlowResult, FlowSession},
    formats::write_flow,
    media::{FlowField, Frame, PairWindow},
    render::{FlowStyle, draw_flow},
    video_file::{Sound, VideoReader, VideoWriter},
};

use crate::{
    interrupt::{ATTENTION, Interrupt},
    model::FlowModelArguments,
    output::{check_file, complain},
    progress::{Progress, Unit},
    series::Series,
};

/// Frames that may wait between two stages: enough to even out their pace, few enough to hold in memory.
const QUEUE: usize = 4;

/// How long the other stages have to end after a failure, so that no library is torn down under them. A long model call is not
/// waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to do.
pub(super) struct Job<'a> {
    pub(super) input: &'a Path,
    pub(super) output: Option<&'a Path>,
    pub(super) flo: Option<&'a Path>,
    pub(super) overwrite: bool,
    pub(super) quiet: bool,
    pub(super) distance: usize,
    pub(super) interval: u64,
    pub(super) style: FlowStyle,
    pub(super) model: &'a FlowModelArguments,
}

pub(super) fn run(job: &Job<'_>) -> Result<()> {
    if let Some(output) = job.output {
        check_file(output, job.overwrite, &[job.input])?;
    }
    let interrupt = Interrupt::listen();
    let reader = VideoReader::open(job.input)?;
    let window = PairWindow::new(job.distance, job.interval)?;
    let session = FlowSession::new(Arc::new(job.model.open()?), window, job.model.tiling());
    let series = job.flo.map(|folder| Series::begin(folder, job.input, job.overwrite)).transpose()?;
    let writer = job.output.map(|output| VideoWriter::create(output, &reader.format(), Sound::Copied(job.input))).transpose()?;
    for stream in writer.iter().flat_map(VideoWriter::left_out) {
        complain(&format!("warning: {} cannot hold {stream}", job.output.unwrap_or(Path::new("")).display()));
    }

    let progress = Progress::begin(reader.frames(), Unit::FRAMES, job.quiet);
    let (frames, decoded) = bounded(QUEUE);
    let (estimates, estimated) = bounded(QUEUE);
    let decoding = stage("decode", move || decode(reader, &frames))?;
    let pairing = Pairing::new(job.input, job.distance);
    let modelling = stage("model", move || estimate(session, pairing, &decoded, &estimates))?;
    let mut sink = Sink { writer, series, style: &job.style, progress };
    let outcome = sink.take_all(&estimated, &interrupt);
    // The stages before end as soon as they notice that nobody listens.
    drop(estimated);
    if outcome.is_err() {
        let patience = Instant::now() + PATIENCE;
        while !(modelling.is_finished() && decoding.is_finished()) && Instant::now() < patience {
            std::thread::sleep(ATTENTION / 10);
        }
        return outcome;
    }
    ended(modelling, "model")?;
    let damaged = ended(decoding, "decode")?;
    sink.finish()?;
    if damaged > 0 {
        complain(&format!("warning: {}: {damaged} damaged packets or pictures", job.input.display()));
    }
    Ok(())
}

/// A frame and what is to be drawn on it.
struct Estimate {
    frame: Frame,
    field: Arc<FlowField>,
    /// The number of the frame when the flow is its own.
    window: Option<u64>,
}

/// Sends every frame on; returns how many packets were damaged. Ends early when nobody listens any more.
fn decode(mut reader: VideoReader, frames: &Sender<Result<Frame>>) -> u64 {
    while let Some(frame) = reader.next_frame().transpose() {
        let failed = frame.is_err();
        if frames.send(frame).is_err() || failed {
            break;
        }
    }
    reader.damaged()
}

/// Sends every frame on with its flow. Ends early when nobody listens any more.
fn estimate(
    mut session: FlowSession,
    mut pairing: Pairing,
    decoded: &Receiver<Result<Frame>>,
    estimates: &Sender<Result<Estimate>>,
) {
    for frame in decoded {
        let estimate = frame.and_then(|frame| Ok(pairing.push(frame.clone(), session.push(frame)?)));
        let failed = estimate.is_err();
        if let Some(estimate) = estimate.transpose()
            && (estimates.send(estimate).is_err() || failed)
        {
            return;
        }
    }
    for estimate in pairing.finish() {
        if estimates.send(estimate).is_err() {
            return;
        }
    }
}

/// Puts each frame together with the flow that begins at it, or the newest where it has none.
struct Pairing {
    video: PathBuf,
    distance: usize,
    waiting: VecDeque<Frame>,
    newest: Option<Arc<FlowField>>,
}

impl Pairing {
    /// For windows of frames of `video` that are `distance` apart.
    fn new(video: &Path, distance: usize) -> Self {
        Self { video: video.to_owned(), distance, waiting: VecDeque::new(), newest: None }
    }

    /// Takes the next frame and the flow of the window that it completes; returns the frame whose turn it is.
    fn push(&mut self, frame: Frame, result: Option<FlowResult>) -> Option<Estimate> {
        self.waiting.push_back(frame);
        let window = result.as_ref().map(|result| result.index);
        self.newest = result.map(|result| result.field).or(self.newest.take());
        if self.waiting.len() <= self.distance {
            return None;
        }
        let (frame, field) = self.waiting.pop_front().zip(self.newest.clone())?;
        Some(Estimate { frame, field, window })
    }

    /// The frames that are too late to begin a window.
    fn finish(self) -> impl Iterator<Item = Result<Estimate>> {
        let Self { video, distance, waiting, newest } = self;
        let frames = waiting.len();
        waiting.into_iter().map(move |frame| match newest.clone() {
            Some(field) => Ok(Estimate { frame, field, window: None }),
            None => {
                let reason = format!("no two of its frames are {distance} apart, {frames} in all; accepted is a longer video");
                Err(Error::format(&video, reason))
            }
        })
    }
}

/// The end of the line.
struct Sink<'a> {
    writer: Option<VideoWriter>,
    series: Option<Series<'a>>,
    style: &'a FlowStyle,
    progress: Progress,
}

impl Sink<'_> {
    /// Draws and writes all that comes.
    fn take_all(&mut self, estimated: &Receiver<Result<Estimate>>, interrupt: &Interrupt) -> Result<()> {
        loop {
            interrupt.check()?;
            match estimated.recv_timeout(ATTENTION) {
                Ok(estimate) => self.take(estimate?)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Gives the output its name, and lets it stay.
    fn finish(self) -> Result<()> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        if let Some(series) = self.series {
            series.keep();
        }
        self.progress.finish();
        Ok(())
    }

    fn take(&mut self, estimate: Estimate) -> Result<()> {
        let Estimate { mut frame, field, window } = estimate;
        if let Some((series, number)) = self.series.as_mut().zip(window) {
            series.write(number, ".flo", |path| write_flow(path, &field))?;
        }
        if let Some(writer) = &mut self.writer {
            draw_flow(Arc::make_mut(&mut frame.picture), &field, self.style)?;
            writer.write(&frame)?;
        }
        self.progress.step(frame.time);
        Ok(())
    }
}

fn stage<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    let refused = |error: std::io::Error| Error::Stopped { model: name.to_owned(), reason: error.to_string() };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(refused)
}

fn ended<T>(stage: JoinHandle<T>, name: &str) -> Result<T> {
    stage.join().map_err(|_| Error::Stopped { model: name.to_owned(), reason: "it panicked".into() })
}

#[cfg(test)]
mod tests {
    use perceiverflow::media::Picture;

    use super::*;

    fn frame(number: u64) -> Frame {
        let picture = Arc::new(Picture::from_fn(2, 2, |_, _| [number as u8; 3]));
        Frame { picture, time: Duration::from_millis(number * 40), duration: None }
    }

    /// What a session that looks at every `interval`-th frame would answer, its field holding the window's number.
    fn result(number: u64, distance: u64, interval: u64) -> Option<FlowResult> {
        let index = number.checked_sub(distance)?;
        let field = Arc::new(FlowField::from_fn(2, 2, |_, _| [index as f32, 0.0]));
        let [time, duration] = [index, distance].map(|frames| Duration::from_millis(frames * 40));
        (index % interval == 0).then_some(FlowResult { time, duration, index, field })
    }

    /// For each frame of a video of `frames`: the window whose flow is drawn on it, and whether it is its own.
    fn paired(distance: u64, interval: u64, frames: u64) -> Vec<(u64, u64, bool)> {
        let mut pairing = Pairing::new(Path::new("clip.mp4"), distance as usize);
        let mut all: Vec<Estimate> = (0..frames).filter_map(|n| pairing.push(frame(n), result(n, distance, interval))).collect();
        all.extend(pairing.finish().map(Result::unwrap));
        let number = |estimate: &Estimate| estimate.frame.time.as_millis() as u64 / 40;
        all.iter().map(|e| (number(e), e.field.at(0, 0)[0] as u64, e.window == Some(number(e)))).collect()
    }

    #[test]
    fn each_frame_gets_its_own_flow_or_the_newest() {
        assert_eq!(paired(1, 1, 3), [(0, 0, true), (1, 1, true), (2, 1, false)]);
        assert_eq!(paired(2, 1, 4), [(0, 0, true), (1, 1, true), (2, 1, false), (3, 1, false)]);
        assert_eq!(paired(1, 3, 5), [(0, 0, true), (1, 0, false), (2, 0, false), (3, 3, true), (4, 3, false)]);
    }

    #[test]
    fn a_video_without_a_window_is_an_error() {
        let mut pairing = Pairing::new(Path::new("clip.mp4"), 1);
        assert!(pairing.push(frame(0), None).is_none());
        let message = pairing.finish().next().unwrap().err().unwrap().to_string();
        assert!(message.contains("clip.mp4") && message.contains("1 in all"), "{message}");
    }
}
