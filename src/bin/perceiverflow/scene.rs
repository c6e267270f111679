//! `perceiverflow scene`: a clip of our own whose flow is known exactly.

use std::{io::Write, path::PathBuf, str::FromStr, sync::Arc};

use clap::Args;
use perceiverflow::{
    Result,
    formats::{write_beside, write_flow},
    media::{FlowField, Frame, Picture},
    scene::{SAMPLE_RATE, Scene, demo_scene},
    video_file::{Ratio, Sound, VideoFormat, VideoWriter},
};

use crate::{
    interrupt::Interrupt,
    output::{WritingArguments, check_file},
    progress::{Progress, Unit},
    series::Series,
};

/// The sound of a scene comes from where its shapes are.
const CHANNELS: u32 = 2;

/// Render a clip of a moving scene with sound, whose optical flow is known exactly.
///
/// The same options make the same pictures everywhere.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow scene scene.mp4
  perceiverflow scene scene.mp4 --pairs pairs/ --frames 10 && perceiverflow evaluate flow --pairs pairs/")]
pub(crate) struct Arguments {
    /// The video: mp4, m4v, mov, mkv or webm
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Folder for the exact flow from each frame to the next, NAME_000000.flo and on; made if missing
    #[arg(long, value_name = "DIR")]
    flo: Option<PathBuf>,

    /// Folder for the frames with their exact flow, NAME_000000_1.png, _2.png, .flo and _valid.png and on, as `evaluate flow` reads
    /// them; made if missing
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,

    /// Columns and rows, each 1 or more
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "320x240")]
    size: Size,

    /// Number of frames, 1 or more
    #[arg(long, value_name = "FRAMES", default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,

    /// Frames per second, a number or a fraction above 0
    #[arg(long, value_name = "RATE", default_value = "25")]
    rate: Ratio,

    #[command(flatten)]
    writing: WritingArguments,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    width: usize,
    height: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
        text.split_once('x')
            .and_then(|(width, height)| Some(Self { width: side(width)?, height: side(height)? }))
            .ok_or_else(|| format!("accepted is WIDTHxHEIGHT, each 1 to {MAX_SIDE}, such as 320x240"))
    }
}

/// The longest side of a rendered picture: what H.264 can hold.
const MAX_SIDE: usize = 16_384;

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<()> {
        check_file(&self.output, self.writing.overwrite, &[])?;
        let interrupt = Interrupt::listen();
        let scene = demo_scene(self.size.width, self.size.height);
        let mut flo =
            self.flo.as_deref().map(|folder| Series::begin(folder, &self.output, self.writing.overwrite)).transpose()?;
        let mut pairs =
            self.pairs.as_deref().map(|folder| Series::begin(folder, &self.output, self.writing.overwrite)).transpose()?;

        let format = VideoFormat::new(self.size.width, self.size.height, self.rate)?;
        let sound = Sound::Samples { rate: SAMPLE_RATE, channels: CHANNELS };
        let mut writer = VideoWriter::create(&self.output, &format, sound)?;
        let mut track = Track::new(&scene, &format, self.frames);
        let mut progress = Progress::begin(Some(u64::from(self.frames)), Unit::FRAMES, self.writing.quiet);
        let mut next = Arc::new(scene.picture(0.0));
        for number in 0..u64::from(self.frames) {
            interrupt.check()?;
            let [time, end] = [number, number + 1].map(|ticks| format.time_base.time(ticks));
            let picture = next.clone();
            writer.write(&Frame { picture: picture.clone(), time, duration: Some(end - time) })?;
            writer.write_sound(track.up_to(end.as_secs_f64()))?;
            progress.step(end);
            if number + 1 < u64::from(self.frames) {
                let [t0, t1] = [number, number + 1].map(|frame| frame as f32);
                next = Arc::new(scene.picture(t1));
                if flo.is_some() || pairs.is_some() {
                    let (flow, visible) = scene.flow(t0, t1);
                    if let Some(series) = &mut flo {
                        series.write(number, ".flo", |path| write_flow(path, &flow))?;
                    }
                    if let Some(series) = &mut pairs {
                        write_pair(series, number, [&picture, &next], &flow, &visible)?;
                    }
                }
            }
        }
        writer.finish()?;
        flo.into_iter().chain(pairs).for_each(Series::keep);
        progress.finish();
        Ok(())
    }
}

fn write_pair(series: &mut Series<'_>, number: u64, pictures: [&Picture; 2], flow: &FlowField, visible: &[bool]) -> Result<()> {
    let mask = Picture::from_fn(flow.width(), flow.height(), |x, y| [u8::from(visible[y * flow.width() + x]) * 255; 3]);
    for (ending, picture) in [("_1.png", pictures[0]), ("_2.png", pictures[1]), ("_valid.png", &mask)] {
        series.write(number, ending, |path| write_beside(path, |file| file.write_all(&picture.to_png())))?;
    }
    series.write(number, ".flo", |path| write_flow(path, flow))
}

/// The sound of a scene, handed out as far as the pictures have come.
struct Track {
    samples: Vec<f32>,
    given: usize,
}

impl Track {
    fn new(scene: &Scene, format: &VideoFormat, frames: u32) -> Self {
        let end = format.time_base.time(u64::from(frames));
        let sound = scene.sound(samples_until(end.as_secs_f64()), format.frame_rate.value() as f32);
        Self { samples: sound.into_iter().flatten().collect(), given: 0 }
    }

    /// What has not been given yet of the sound before `seconds`.
    fn up_to(&mut self, seconds: f64) -> &[f32] {
        let end = (samples_until(seconds) * CHANNELS as usize).clamp(self.given, self.samples.len());
        let begin = std::mem::replace(&mut self.given, end);
        &self.samples[begin..end]
    }
}

fn samples_until(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_is_as_long_as_the_pictures_and_each_part_is_given_once() {
        let rate = Ratio { numerator: 30_000, denominator: 1001 };
        let format = VideoFormat::new(16, 12, rate).unwrap();
        let mut track = Track::new(&demo_scene(16, 12), &format, 30);
        let parts: Vec<usize> = (1..=30).map(|end| track.up_to(format.time_base.time(end).as_secs_f64()).len()).collect();
        assert_eq!(parts.iter().sum::<usize>(), 48_048 * 2);
        assert!(parts.iter().all(|part| part / 2 == 1601 || part / 2 == 1602));
    }

    #[test]
    fn sizes_are_two_numbers_above_zero() {
        assert!("320x240".parse::<Size>().is_ok());
        for text in ["320", "0x4", "4x-1", "x", "99999x2"] {
            assert!(text.parse::<Size>().unwrap_err().contains("WIDTHxHEIGHT"), "{text}");
        }
    }
}
