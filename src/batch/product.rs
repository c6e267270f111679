//! What a file becomes besides rows: flow fields window by window, and latents, media and cues at its end.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    Clips, Input, Job,
    earlier::Kept,
    folder::{Artefact, OutputFolder},
    reading::Opened,
    row::{FlowStatistics, Row, RowLabel},
    spool::Spool,
    windows::WindowAnswer,
};
use crate::{
    error::Result,
    formats::{
        latents::{LatentsInfo, LatentsWindow, LatentsWriter, window_offset},
        web_vtt, write_beside, write_flow,
    },
    media::{Label, Labels},
    tasks::{Autoencode, Framing, VideoQueries},
    video_file::{DecodedWindow, Kind, Reconstruction},
};

/// How the names of products end that a spool is kept for.
const LATENTS: &str = ".safetensors";
const VIDEO: &str = ".mp4";
const SOUND: &str = ".wav";

/// Bytes of a number in a record.
const NUMBER: usize = size_of::<f32>();

/// The product of one file.
#[derive(Debug)]
pub(super) struct Product {
    job: Job,
    input: Input,
    opened: Opened,
    /// Its name below the output folder; empty where rows are all there is.
    name: String,
    path: PathBuf,
    spool: Option<Spool>,
}

impl Product {
    /// Begins the product of a file, or goes on with it.
    pub(super) fn open(folder: &OutputFolder, job: Job, input: &Input, opened: Opened) -> Result<Self> {
        let named = |kind, ending: &str| OutputFolder::name(kind, input, ending);
        let name = match &job {
            Job::Classify { cues: true, .. } => named(Artefact::Cues, ".vtt"),
            Job::Encode { .. } => named(Artefact::Latents, LATENTS),
            Job::Reconstruct { .. } => named(Artefact::Media, if opened.video.is_some() { VIDEO } else { SOUND }),
            Job::Flow { .. } | Job::Classify { .. } => String::new(),
        };
        let path = if name.is_empty() { PathBuf::new() } else { folder.place(&name)? };
        let record = match &job {
            Job::Encode { clips } => Some(clips.model.latent_dims().iter().product::<usize>() * NUMBER),
            Job::Reconstruct { clips, queries } => Some(record_of(&clips.model, *queries, opened)?.iter().sum()),
            Job::Flow { .. } | Job::Classify { .. } => None,
        };
        let spool = record.map(|record| Spool::open(&path, record)).transpose()?;
        Ok(Self { job, input: input.clone(), opened, name, path, spool })
    }

    /// Completes a window's row with what the model said, and keeps what does not go into it.
    pub(super) fn take(&mut self, row: &mut Row, answer: WindowAnswer, folder: &OutputFolder) -> Result<()> {
        let mut record = Vec::new();
        match answer {
            WindowAnswer::Flow(field) => {
                row.flow = Some(FlowStatistics::of(&field));
                if let Job::Flow { fields: true, .. } = self.job {
                    let name = OutputFolder::name(Artefact::Flow, &self.input, &format!("/{:06}.flo", row.window));
                    write_flow(folder.place(&name)?, &field)?;
                    row.flow_file = Some(name);
                }
            }
            WindowAnswer::Scores(scores) => row.labels = Some(RowLabel::all(&self.job.labels(&scores))),
            WindowAnswer::Latents(values) => {
                if let Job::Encode { clips } = &self.job {
                    row.latents_offset = Some(window_offset(clips.model.latent_dims(), row.window));
                }
                row.latents_file = Some(self.name.clone());
                record = bytes(&values);
            }
            WindowAnswer::Reconstruction { video, sound } => {
                row.media_file = Some(self.name.clone());
                record.extend(video.into_iter().flatten().map(|level| (level * 255.0).round().clamp(0.0, 255.0) as u8));
                record.extend(sound.iter().flat_map(|samples| bytes(samples)));
            }
        }
        self.spool.as_mut().map_or(Ok(()), |spool| spool.write(row.window, &record))
    }

    /// Makes the file of all windows from the first on, up to one that is missing. Its spool stays, for whoever tries or does it again.
    pub(super) fn finish(&mut self, windows: &BTreeMap<u64, Kept>) -> Result<()> {
        let windows: Vec<(u64, &Kept)> =
            (0..).zip(windows).take_while(|(n, (window, _))| n == *window).map(|(n, (_, w))| (n, w)).collect();
        if windows.is_empty() {
            return Ok(());
        }
        match (&self.job, &mut self.spool) {
            (Job::Classify { cues: true, .. }, _) => write_cues(&self.path, &windows)?,
            (Job::Encode { clips }, Some(spool)) => write_latents(&self.path, &windows, spool, &clips.model, &self.input)?,
            (Job::Reconstruct { clips: Clips { model, cutting, .. }, queries }, Some(spool)) => {
                let source = self.opened.video.map(|format| (format, cutting.framing));
                let kind = Kind { video: self.opened.video.is_some(), sound: self.opened.has_sound };
                let mut file = Reconstruction::create(&self.path, kind, model, *queries, source)?;
                let sizes = record_of(model, *queries, self.opened)?;
                for (number, window) in windows {
                    file.push(decoded(&spool.read(number)?, sizes, kind, window))?;
                }
                file.finish()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Removes the spool of a file that the journal calls done. Not before: killed in between, a run could not do the file again.
    pub(super) fn remove_spool(folder: &OutputFolder, job: &Job, input: &Input) -> Result<()> {
        let (kind, endings): (_, &[&str]) = match job {
            Job::Encode { .. } => (Artefact::Latents, &[LATENTS]),
            Job::Reconstruct { .. } => (Artefact::Media, &[VIDEO, SOUND]),
            Job::Flow { .. } | Job::Classify { .. } => return Ok(()),
        };
        endings.iter().try_for_each(|ending| Spool::remove(&folder.path().join(OutputFolder::name(kind, input, ending))))
    }
}

/// Bytes of a window's pictures, a byte for each level, and of its samples.
fn record_of(model: &Autoencode, queries: VideoQueries, opened: Opened) -> Result<[usize; 2]> {
    let (width, height) = queries.size(model.video_grid())?;
    let video = opened.video.map_or(0, |_| model.video_grid()[0] * width * height * 3);
    let samples = model.preprocessor(Framing::default()).shape().samples();
    Ok([video, if opened.has_sound { samples * NUMBER } else { 0 }])
}

fn decoded(record: &[u8], [video, _]: [usize; 2], kind: Kind, window: &Kept) -> DecodedWindow {
    let (levels, samples) = record.split_at(video);
    DecodedWindow {
        time: window.time,
        duration: window.duration,
        video: kind.video.then(|| levels.iter().map(|&level| f32::from(level) / 255.0).collect()),
        sound: kind.sound.then(|| numbers(samples)),
    }
}

fn write_latents(path: &Path, windows: &[(u64, &Kept)], spool: &mut Spool, model: &Autoencode, input: &Input) -> Result<()> {
    let source = input.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let info = LatentsInfo { model_hash: model.hash().to_owned(), source, dims: model.latent_dims() };
    let mut writer = LatentsWriter::create(path, info)?;
    for &(number, Kept { time, duration, .. }) in windows {
        writer.push(&LatentsWindow { time: *time, duration: *duration, values: numbers(&spool.read(number)?) })?;
    }
    writer.finish()
}

fn write_cues(path: &Path, windows: &[(u64, &Kept)]) -> Result<()> {
    let label =
        |row: &RowLabel| Label { index: row.index, name: row.label.as_str().into(), confidence: row.score.unwrap_or(f32::NAN) };
    let cue = |window: &Kept| {
        web_vtt::cue(&(window.time..window.time + window.duration), &Labels::new(window.labels.iter().map(label).collect()))
    };
    let cues = windows.iter().fold(web_vtt::HEADER.to_owned(), |cues, (_, window)| cues + &cue(window));
    write_beside(path, |file| file.write_all(cues.as_bytes()))
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(NUMBER).map(|bytes| f32::from_le_bytes(std::array::from_fn(|at| bytes[at]))).collect()
}
