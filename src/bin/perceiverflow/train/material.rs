//! What synthetic examples are made of.

use std::path::PathBuf;

use perceiverflow::{
    Error, Result,
    media::{ClipShape, Picture},
    scene::{ClipLibrary, Content, Recording, SoundLibrary, TextureLibrary, faults::Material},
};

#[cfg(feature = "video-file")]
use super::material_files::frames;
use super::{
    CLIPS, PICTURES,
    material_files::{Part, every_second, listed, samples, shrunk},
};

/// Whether there is something to read clips with.
const READS_FILES: bool = cfg!(feature = "video-file");

/// Pictures are shrunk until their shorter side is so many times that of a window.
const WINDOWS: usize = 4;

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
    /// Folder of sound or video files in which nobody speaks, to cut clean sound from; may be given several times
    #[arg(long, value_name = "DIR")]
    sounds: Vec<PathBuf>,
    /// The same of speech; with both, as much is cut from either
    #[arg(long, value_name = "DIR")]
    speech: Vec<PathBuf>,
    /// Share of clean sounds that come from the files, 0 to 1; the rest is made by formulas
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    sound_share: f32,
    /// Folder of clips with nothing wrong, to cut shots from whose camera moves nobody knows how; may be given several times
    #[cfg(feature = "video-file")]
    #[arg(long, value_name = "DIR")]
    clips: Vec<PathBuf>,
    /// Share of shots that come from the clips, 0 to 1; the others are scenes
    #[cfg(feature = "video-file")]
    #[arg(long, default_value_t = 0.15, value_name = "SHARE")]
    clip_share: f32,
}

impl Materials {
    /// For windows of `shape` with pictures of `side` × `side` pixels, of a part of each folder.
    pub(crate) fn open(&self, shape: ClipShape, side: usize, part: Part) -> Result<Material> {
        let rate = shape.sample_rate;
        let share = checked_share("--sound-share", self.sound_share)?;
        let mut recordings = Vec::new();
        for (option, folders, content) in
            [("--sounds", &self.sounds, Content::Other), ("--speech", &self.speech, Content::Speech)]
        {
            for path in listed(option, folders, &CLIPS, "sound or video files", part)? {
                recordings.push(Recording { samples: samples(&path, rate)?, content });
            }
        }
        Ok(Material {
            textures: self.textures.library_of_windows(side, part)?,
            sounds: SoundLibrary::mixed(recordings, share),
            clips: self.clips(shape, side, part)?,
        })
    }

    #[cfg(feature = "video-file")]
    fn clips(&self, shape: ClipShape, side: usize, part: Part) -> Result<ClipLibrary> {
        let interval = shape.duration() / shape.frames as u32;
        let share = checked_share("--clip-share", self.clip_share)?;
        let mut clips = Vec::new();
        for path in listed("--clips", &self.clips, &CLIPS, "clips", part)? {
            clips.push(frames(&path, interval, |picture| shrunk(picture, WINDOWS * side))?);
        }
        Ok(ClipLibrary::new(clips, share))
    }

    #[cfg(not(feature = "video-file"))]
    fn clips(&self, _: ClipShape, _: usize, _: Part) -> Result<ClipLibrary> {
        Ok(ClipLibrary::default())
    }
}

fn checked_share(option: &str, share: f32) -> Result<f32> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::option(option, share, "0 to 1"));
    }
    Ok(share)
}

impl Textures {
    /// Textures cut from every picture of the folders.
    pub(crate) fn library(&self) -> Result<TextureLibrary> {
        Ok(TextureLibrary::mixed(self.pictures(Part::Whole)?, checked_share("--share", self.share)?))
    }

    /// The same, for windows of `side` × `side` pixels, each of which is to show much of a picture and not a detail.
    fn library_of_windows(&self, side: usize, part: Part) -> Result<TextureLibrary> {
        let pictures = self.pictures(part)?.into_iter().map(|picture| shrunk(picture, WINDOWS * side)).collect::<Result<_>>()?;
        Ok(TextureLibrary::mixed(pictures, checked_share("--share", self.share)?).sharp())
    }

    /// Every picture of the folders, and of their clips a frame a second.
    fn pictures(&self, part: Part) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        let endings: Vec<&str> = PICTURES.into_iter().chain(CLIPS.into_iter().filter(|_| READS_FILES)).collect();
        for path in listed("--textures", &self.textures, &endings, "pictures or clips", part)? {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(ending) if PICTURES.contains(&ending.to_ascii_lowercase().as_str()) => pictures.push(Picture::open(&path)?),
                _ => pictures.extend(every_second(&path)?),
            }
        }
        Ok(pictures)
    }
}
