//! Windows that a multimodal model has decoded to a file of video and sound.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Ratio, Sound, SoundWriter, TimeBase, VideoFormat, VideoWriter};
use crate::{
    error::{Error, Result},
    media::{ClipShape, Crossfade, Frame, Stretch},
    tasks::{Autoencode, Framing, VideoQueries},
};

/// Extensions of files that hold sound alone.
const SOUND_FILES: [&str; 4] = ["wav", "m4a", "ogg", "opus"];

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Pictures.
    pub video: bool,
    /// Samples.
    pub sound: bool,
}

/// What a model says of a window: of the kinds that its file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedWindow {
    /// When it begins.
    pub time: Duration,
    /// How long it lasts: less than the model's window where the media end within it.
    pub duration: Duration,
    /// T × Y × X × 3 levels, 0 … 1.
    pub video: Option<Vec<f32>>,
    /// Samples, −1 … 1.
    pub sound: Option<Vec<f32>>,
}

impl Kind {
    /// What fits into a file of this name, of what there is.
    ///
    /// # Errors
    /// When nothing does, or no video is there for a name of a video file.
    pub fn of(path: &Path, there: Kind) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let only_sound = extension.is_some_and(|extension| SOUND_FILES.contains(&extension.as_str()));
        let kind = Self { video: there.video && !only_sound, sound: there.sound };
        match (kind.video, kind.sound) {
            (false, false) => Err(Error::option("output", path.display(), "a video file: there is no sound to write")),
            (false, true) if !only_sound => {
                let accepted = format!("a name ending in .{}: there is no video to write", SOUND_FILES.join(", ."));
                Err(Error::option("output", path.display(), accepted))
            }
            _ => Ok(kind),
        }
    }
}

/// A file in the making. Windows that overlap are crossfaded; where they lie apart, the video stands still and the sound is silent.
pub struct Reconstruction<'a> {
    task: &'a Autoencode,
    shape: ClipShape,
    queries: VideoQueries,
    file: File,
    video: Option<VideoSeries>,
    sound: Option<SoundSeries>,
}

enum File {
    Video(Box<VideoWriter>),
    Sound(SoundWriter),
}

/// Pictures by their numbers. They are counted from a window on, until one comes that lies between them.
struct VideoSeries {
    fade: Crossfade,
    /// The place, in samples, of picture 0.
    origin: u64,
}

struct SoundSeries {
    fade: Crossfade,
    written: u64,
}

impl<'a> Reconstruction<'a> {
    /// Begins the file `path` of this kind. `source` is what the video was that the windows were cut from, as far as that is known.
    ///
    /// # Errors
    /// When the region does not lie within the model's pictures, or the file cannot be begun.
    pub fn create(
        path: &Path,
        kind: Kind,
        task: &'a Autoencode,
        queries: VideoQueries,
        source: Option<(VideoFormat, Framing)>,
    ) -> Result<Self> {
        let shape = task.preprocessor(Framing::default()).shape();
        let (width, height) = queries.size(task.video_grid())?;
        let file = if kind.video {
            let sound = if kind.sound { Sound::Samples { rate: shape.sample_rate, channels: 1 } } else { Sound::None };
            File::Video(Box::new(VideoWriter::create(path, &video_format(&shape, (width, height), source)?, sound)?))
        } else {
            File::Sound(SoundWriter::create(path, shape.sample_rate, 1)?)
        };
        let video = kind.video.then(|| VideoSeries { fade: Crossfade::new(width * height * 3), origin: 0 });
        let sound = kind.sound.then(|| SoundSeries { fade: Crossfade::new(1), written: 0 });
        Ok(Self { task, shape, queries, file, video, sound })
    }

    /// What is asked of the model for it.
    pub fn kind(&self) -> Kind {
        Kind { video: self.video.is_some(), sound: self.sound.is_some() }
    }

    /// Takes the next window, and writes what is settled.
    ///
    /// # Errors
    /// When its numbers are not the model's, or writing fails.
    pub fn push(&mut self, window: DecodedWindow) -> Result<()> {
        let DecodedWindow { time, duration, video, sound } = window;
        video.map_or(Ok(()), |levels| self.push_video(time, duration, levels))?;
        sound.map_or(Ok(()), |samples| self.push_sound(time, duration, samples))
    }

    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// When writing fails; then nothing is left.
    pub fn finish(mut self) -> Result<()> {
        let rest = self.video.as_mut().and_then(|series| Some((series.origin, series.fade.finish()?)));
        if let Some((origin, pictures)) = rest {
            self.write_pictures(origin, &pictures)?;
        }
        if let Some(samples) = self.sound.as_mut().and_then(|series| series.fade.finish()) {
            self.write_samples(&samples)?;
        }
        match self.file {
            File::Video(writer) => writer.finish(),
            File::Sound(writer) => writer.finish(),
        }
    }

    fn push_video(&mut self, time: Duration, duration: Duration, mut levels: Vec<f32>) -> Result<()> {
        let Some(series) = &mut self.video else { return Ok(()) };
        let (place, frame) = (self.shape.place_of(time), self.shape.samples_per_frame as u64);
        // As windows are made for half a frame or more, so are pictures.
        let pictures = ((self.shape.place_of(duration) + frame / 2) / frame).max(1) as usize;
        levels.truncate(pictures * (levels.len() / self.shape.frames));
        let mut settled = Vec::new();
        let follows = place.checked_sub(series.origin).is_some_and(|after| after.is_multiple_of(frame));
        if !follows {
            settled.extend(series.fade.finish().map(|pictures| (series.origin, pictures)));
            series.origin = place;
        }
        let origin = series.origin;
        settled.extend(series.fade.push((place - origin) / frame, levels).map(|pictures| (origin, pictures)));
        settled.iter().try_for_each(|(origin, pictures)| self.write_pictures(*origin, pictures))
    }

    fn write_pictures(&mut self, origin: u64, pictures: &Stretch) -> Result<()> {
        let File::Video(writer) = &mut self.file else { return Ok(()) };
        let frame = self.shape.samples_per_frame as u64;
        for (number, picture) in self.task.pictures(&pictures.values, self.queries)?.into_iter().enumerate() {
            let time = self.shape.time_of(origin + (pictures.at + number as u64) * frame);
            writer.write(&Frame { picture: Arc::new(picture), time, duration: Some(self.shape.time_of(frame)) })?;
        }
        Ok(())
    }

    fn push_sound(&mut self, time: Duration, duration: Duration, mut samples: Vec<f32>) -> Result<()> {
        let Some(series) = &mut self.sound else { return Ok(()) };
        samples.truncate(self.shape.place_of(duration) as usize);
        match series.fade.push(self.shape.place_of(time), samples) {
            Some(settled) => self.write_samples(&settled),
            None => Ok(()),
        }
    }

    fn write_samples(&mut self, samples: &Stretch) -> Result<()> {
        let Some(series) = &mut self.sound else { return Ok(()) };
        let silence = samples.at.saturating_sub(series.written) as usize;
        series.written = samples.at + samples.values.len() as u64;
        let loud: Vec<f32> = samples.values.iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
        for part in [vec![0.0; silence], loud] {
            match &mut self.file {
                File::Video(writer) => writer.write_sound(&part)?,
                File::Sound(writer) => writer.write(&part)?,
            }
        }
        Ok(())
    }
}

/// The model's pictures on the clock of its sound. Pixels keep the shape they had before the model's square.
fn video_format(shape: &ClipShape, size: (usize, usize), source: Option<(VideoFormat, Framing)>) -> Result<VideoFormat> {
    let rate = Ratio { numerator: shape.sample_rate, denominator: u32::try_from(shape.samples_per_frame).unwrap_or(u32::MAX) };
    let pixel_aspect = source.map_or(Ratio::ONE, |(format, framing)| match framing {
        Framing::Crop | Framing::Letterbox => format.pixel_aspect,
        Framing::Stretch => {
            let Ratio { numerator, denominator } = format.pixel_aspect;
            let side = |pixels: usize, ratio: u32| u32::try_from(pixels).ok()?.checked_mul(ratio);
            let stretched = side(format.width, numerator).zip(side(format.height, denominator));
            stretched.map_or(Ratio::ONE, |(numerator, denominator)| Ratio { numerator, denominator })
        }
    });
    let clock = TimeBase::of_rate(Ratio { numerator: shape.sample_rate, denominator: 1 })?;
    Ok(VideoFormat { pixel_aspect, time_base: clock, ..VideoFormat::new(size.0, size.1, rate)? })
}

impl std::fmt::Debug for Reconstruction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconstruction").field("kind", &self.kind()).field("queries", &self.queries).finish_non_exhaustive()
    }
}
