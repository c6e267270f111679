//! Files of pictures, clips and sounds, read whole.

use std::path::{Path, PathBuf};
#[cfg(feature = "video-file")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "video-file")]
use perceiverflow::video_file::{Media, MediaReader};
use perceiverflow::{
    Error, Result,
    media::{Filter, Picture, resample},
};

/// Of sound that nobody listens to.
#[cfg(feature = "video-file")]
const ANY_RATE: u32 = 8000;

/// The picture, shrunk until its shorter side is `shorter`.
pub(super) fn shrunk(picture: Picture, shorter: usize) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let least = width.min(height);
    if least <= shorter {
        return Ok(picture);
    }
    let [rows, columns] = [height, width].map(|length| (length * shorter).div_ceil(least));
    let rgb = resample(picture.rgb(), 3, [height, width], [rows, columns], Filter::Bicubic);
    Picture::new(columns, rows, rgb)
}

/// All samples of a file's sound, of one channel.
#[cfg(feature = "video-file")]
pub(super) fn samples(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let mut reader = MediaReader::open(path, rate)?;
    let mut samples = Vec::new();
    while let Some(media) = reader.next_media()? {
        if let Media::Audio(chunk) = media {
            samples.extend(chunk.samples);
        }
    }
    Ok(samples)
}

/// A frame of a file's video for every `interval`, if it has one, as `kept` keeps it.
#[cfg(feature = "video-file")]
pub(super) fn frames(path: &Path, interval: Duration, kept: impl Fn(Picture) -> Result<Picture>) -> Result<Vec<Picture>> {
    let mut reader = MediaReader::open(path, ANY_RATE)?;
    let (mut next, mut pictures) = (Duration::ZERO, Vec::new());
    while let Some(media) = reader.next_media()? {
        if let Media::Frame(frame) = media
            && frame.time >= next
        {
            // Not later than it would have been: frames come when they come.
            next = (next + interval).max(frame.time);
            pictures.push(kept(Arc::unwrap_or_clone(frame.picture))?);
        }
    }
    Ok(pictures)
}

#[cfg(not(feature = "video-file"))]
pub(super) fn samples(path: &Path, _: u32) -> Result<Vec<f32>> {
    Err(Error::option("--sounds", path.display(), "no files: this program was built without the feature video-file"))
}

/// A frame of every second of a file's video.
#[cfg(feature = "video-file")]
pub(super) fn every_second(path: &Path) -> Result<Vec<Picture>> {
    frames(path, Duration::from_secs(1), Ok)
}

#[cfg(not(feature = "video-file"))]
pub(super) fn every_second(path: &Path) -> Result<Vec<Picture>> {
    Err(Error::option("--textures", path.display(), "pictures: this program was built without the feature video-file"))
}

/// Which files of each folder. Where there are fewer than ten, every part is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// All but every tenth.
    Trained,
    /// Every tenth.
    HeldOut,
}

impl Part {
    /// One file of so many is held out.
    const HELD_OUT: usize = 10;

    fn of(self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        if self == Self::Whole || files.len() < Self::HELD_OUT {
            return files;
        }
        let held_out = |at: usize| at % Self::HELD_OUT == Self::HELD_OUT - 1;
        let (held_out, trained): (Vec<_>, Vec<_>) = files.into_iter().enumerate().partition(|(at, _)| held_out(*at));
        (if self == Self::HeldOut { held_out } else { trained }).into_iter().map(|(_, path)| path).collect()
    }
}

/// A part of the files of folders whose names end so. In the order of their names, so that the same folders give the same examples.
pub(super) fn listed(option: &str, folders: &[PathBuf], endings: &[&str], what: &str, part: Part) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.retain(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            endings.contains(&extension.to_ascii_lowercase().as_str())
        });
        if paths.is_empty() {
            return Err(Error::option(option, folder.display(), format!("a folder with {what}: {}", endings.join(", "))));
        }
        paths.sort();
        files.extend(part.of(paths));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenth_file_is_held_out_if_there_are_as_many() {
        let files = |count: usize| (0..count).map(|at| PathBuf::from(at.to_string())).collect::<Vec<_>>();
        assert_eq!(Part::HeldOut.of(files(25)), ["9", "19"].map(PathBuf::from));
        let trained = Part::Trained.of(files(25));
        assert!(trained.len() == 23 && !trained.contains(&PathBuf::from("19")));
        assert_eq!(Part::Whole.of(files(25)), files(25));
        assert!([Part::Trained, Part::HeldOut].iter().all(|part| part.of(files(9)) == files(9)));
    }
}
