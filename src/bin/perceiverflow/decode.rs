//! `perceiverflow decode`: latents of the past, asked today.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use perceiverflow::{
    Error, Result,
    formats::{PendingFile, latents::LatentsReader, web_vtt},
    tasks::{Autoencode, Head},
    video_file::{Kind, Reconstruction},
};

use crate::{
    clips::{Encoded, QueryArguments, push_decoded},
    interrupt::Interrupt,
    labelling::LabelArguments,
    model::{ModelArguments, multimodal_default},
    output::{WritingArguments, check_file, report},
    progress::{Progress, Unit},
};

/// Ask one head about latents that `perceiverflow encode` wrote: their video, their sound or their labels.
///
/// The model has to be the one that made them; its hash is in the file.
#[derive(Args, Debug)]
#[command(
    mut_arg("model", multimodal_default),
    after_help = "\
Examples:
  perceiverflow decode --model my-model clip.safetensors --head labels --json
  perceiverflow decode --model my-model clip.safetensors --head labels -o clip.vtt
  perceiverflow decode --model my-model clip.safetensors --head video -o clip.mp4 --query-stride 2
  perceiverflow decode --model my-model clip.safetensors --head audio -o clip.wav"
)]
pub(crate) struct Arguments {
    /// A file of latents
    #[arg(value_name = "LATENTS")]
    latents: PathBuf,

    /// What is asked
    #[arg(long, value_enum)]
    head: HeadName,

    /// Where the answer goes: a video file, a sound file, or for labels .vtt, .jsonl or .txt [default: labels to standard output]
    #[arg(short, long, value_name = "FILE", required_if_eq_any([("head", "video"), ("head", "audio")]))]
    output: Option<PathBuf>,

    #[command(flatten)]
    writing: WritingArguments,

    #[command(flatten)]
    queries: QueryArguments,

    #[command(flatten)]
    labels: LabelArguments,

    #[command(flatten)]
    model: ModelArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HeadName {
    /// The pixels of the windows' video
    Video,
    /// Their sound
    Audio,
    /// Their classes
    Labels,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(output) = &self.output {
            check_file(output, self.writing.overwrite, &[&self.latents])?;
        }
        let interrupt = Interrupt::listen();
        let reader = LatentsReader::open(&self.latents)?;
        let task = self.model.open_multimodal()?;
        if reader.info().model_hash != task.hash() {
            let reason = format!("latents of the model {}; {} is {}", reader.info().model_hash, self.model.name(), task.hash());
            return Err(Error::format(&self.latents, reason));
        }
        let progress = Progress::begin(Some(reader.windows() as u64), Unit::WINDOWS, self.writing.quiet);
        let mut series = Series { task: &task, reader, progress, interrupt, batch: self.model.batch_size as usize };
        match (self.head, &self.output) {
            (HeadName::Labels, output) => self.write_labels(&mut series, output.as_deref())?,
            (head, Some(output)) => {
                let there = Kind { video: head == HeadName::Video, sound: head == HeadName::Audio };
                let kind = Kind::of(output, there)?;
                let queries = self.queries.queries();
                let mut file = Reconstruction::create(output, kind, &task, queries, None)?;
                series.each(|windows| push_decoded(&mut file, &task, queries, windows))?;
                file.finish()?;
            }
            // The parser asks for an output.
            (_, None) => {}
        }
        series.progress.finish();
        Ok(())
    }

    fn write_labels(&self, series: &mut Series<'_>, output: Option<&Path>) -> Result<()> {
        let Some(output) = output else { return self.each_label(series, false, report) };
        let is_vtt = output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("vtt"));
        let mut pending = PendingFile::create(output)?;
        let write = |file: &mut File, text: &str| file.write_all(text.as_bytes()).map_err(Error::io(output));
        if is_vtt {
            write(pending.file(), web_vtt::HEADER)?;
        }
        self.each_label(series, is_vtt, |text| write(pending.file(), text))?;
        pending.publish()
    }

    fn each_label(&self, series: &mut Series<'_>, cues: bool, mut write: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let (task, source) = (series.task, series.reader.info().source.clone());
        series.each(|windows| {
            let scores = task.decode(&windows.iter().map(|window| &window.latents).collect::<Vec<_>>(), Head::Labels)?;
            windows.iter().zip(scores).try_for_each(|(window, scores)| {
                let (range, labels) =
                    (window.time..window.end(), self.labels.of_window(task.labels(&scores), |labels| task.holding(labels)));
                write(&match cues {
                    true => web_vtt::cue(&range, &self.labels.chosen(&labels)),
                    false => self.labels.line(&source, Some(range), task.hash(), &labels),
                })
            })
        })
    }
}

/// The windows of a file, a batch at a time.
struct Series<'a> {
    task: &'a Autoencode,
    reader: LatentsReader,
    progress: Progress,
    interrupt: Interrupt,
    batch: usize,
}

impl Series<'_> {
    fn each(&mut self, mut take: impl FnMut(&[Encoded]) -> Result<()>) -> Result<()> {
        let numbers: Vec<usize> = (0..self.reader.windows()).collect();
        for numbers in numbers.chunks(self.batch) {
            self.interrupt.check()?;
            let read = |&number: &usize| {
                let window = self.reader.read(number)?;
                Ok(Encoded { time: window.time, duration: window.duration, latents: self.task.latents(window.values)? })
            };
            let windows = numbers.iter().map(read).collect::<Result<Vec<_>>>()?;
            take(&windows)?;
            windows.iter().for_each(|window| self.progress.step(window.end()));
        }
        Ok(())
    }
}
