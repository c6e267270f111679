//! What synthetic examples are made of.

use std::path::{Path, PathBuf};
#[cfg(feature = "video-file")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "video-file")]
use perceiverflow::video_file::{Media, MediaReader};
use perceiverflow::{
    Error, Result,
    media::{Filter, Picture, resample},
    scene::{SoundLibrary, TextureLibrary, faults::Material},
};

use super::{CLIPS, PICTURES};

/// Whether there is something to read clips with.
const READS_FILES: bool = cfg!(feature = "video-file");
/// Of sound that nobody listens to.
#[cfg(feature = "video-file")]
const ANY_RATE: u32 = 8000;

/// Pictures are shrunk until their shorter side is so many times that of a window.
const WINDOWS: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Textures {
    /// Folder of PNG and JPEG pictures, or of clips, to cut textures from; may be given several times
    #[arg(long, value_name = "DIR")]
    textures: Vec<PathBuf>,
    /// Share of textures that come from the pictures, 0 to 1; the rest is drawn by formulas
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    share: f32,
}

/// Of windows of video and sound.
#[derive(Debug, clap::Args)]
pub(crate) struct Materials {
    #[command(flatten)]
    textures: Textures,
    /// Folder of sound or video files to cut clean sound from; may be given several times
    #[arg(long, value_name = "DIR")]
    sounds: Vec<PathBuf>,
    /// Share of clean sounds that come from the files, 0 to 1; the rest is made by formulas
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    sound_share: f32,
}

impl Materials {
    /// For windows with pictures of `side` × `side` pixels and sound of `rate` samples a second.
    pub(crate) fn open(&self, side: usize, rate: u32) -> Result<Material> {
        let share = checked_share("--sound-share", self.sound_share)?;
        let mut recordings = Vec::new();
        for path in listed("--sounds", &self.sounds, &CLIPS, "sound or video files")? {
            recordings.push(recording(&path, rate)?);
        }
        Ok(Material { textures: self.textures.library_of_windows(side)?, sounds: SoundLibrary::mixed(recordings, share) })
    }
}

/// All samples of a file's sound, of one channel.
#[cfg(feature = "video-file")]
fn recording(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let mut reader = MediaReader::open(path, rate)?;
    let mut samples = Vec::new();
    while let Some(media) = reader.next_media()? {
        if let Media::Audio(chunk) = media {
            samples.extend(chunk.samples);
        }
    }
    Ok(samples)
}

/// A frame of every second of a file's video, if it has one.
#[cfg(feature = "video-file")]
fn frames(path: &Path, pictures: &mut Vec<Picture>) -> Result<()> {
    let mut reader = MediaReader::open(path, ANY_RATE)?;
    let mut next = Duration::ZERO;
    while let Some(media) = reader.next_media()? {
        if let Media::Frame(frame) = media
            && frame.time >= next
        {
            next = frame.time + Duration::from_secs(1);
            pictures.push(Arc::unwrap_or_clone(frame.picture));
        }
    }
    Ok(())
}

#[cfg(not(feature = "video-file"))]
fn recording(path: &Path, _: u32) -> Result<Vec<f32>> {
    Err(Error::option("--sounds", path.display(), "no files: this program was built without the feature video-file"))
}

#[cfg(not(feature = "video-file"))]
fn frames(path: &Path, _: &mut Vec<Picture>) -> Result<()> {
    Err(Error::option("--textures", path.display(), "pictures: this program was built without the feature video-file"))
}

fn checked_share(option: &str, share: f32) -> Result<f32> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::option(option, share, "0 to 1"));
    }
    Ok(share)
}

/// The files of folders whose names end so. In the order of their names, so that the same folders give the same examples.
fn listed(option: &str, folders: &[PathBuf], endings: &[&str], what: &str) -> Result<Vec<PathBuf>> {
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
        files.extend(paths);
    }
    Ok(files)
}

impl Textures {
    /// Textures cut from every picture of the folders.
    pub(crate) fn library(&self) -> Result<TextureLibrary> {
        Ok(TextureLibrary::mixed(self.pictures()?, checked_share("--share", self.share)?))
    }

    /// The same, for windows of `side` × `side` pixels, each of which is to show much of a picture and not a detail.
    fn library_of_windows(&self, side: usize) -> Result<TextureLibrary> {
        let side = WINDOWS * side;
        let shrunk = |picture: Picture| {
            let (width, height) = (picture.width(), picture.height());
            let shorter = width.min(height);
            if shorter <= side {
                return Ok(picture);
            }
            let [rows, columns] = [height, width].map(|length| (length * side).div_ceil(shorter));
            let rgb = resample(picture.rgb(), 3, [height, width], [rows, columns], Filter::Bicubic);
            Picture::new(columns, rows, rgb)
        };
        let pictures = self.pictures()?.into_iter().map(shrunk).collect::<Result<_>>()?;
        Ok(TextureLibrary::mixed(pictures, checked_share("--share", self.share)?))
    }

    /// Every picture of the folders, and of their clips a frame a second.
    fn pictures(&self) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        let endings: Vec<&str> = PICTURES.into_iter().chain(CLIPS.into_iter().filter(|_| READS_FILES)).collect();
        for path in listed("--textures", &self.textures, &endings, "pictures or clips")? {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(ending) if PICTURES.contains(&ending.to_ascii_lowercase().as_str()) => pictures.push(Picture::open(&path)?),
                _ => frames(&path, &mut pictures)?,
            }
        }
        Ok(pictures)
    }
}
