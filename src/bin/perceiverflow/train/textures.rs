//! Where the textures of synthetic examples come from.

use std::path::PathBuf;

use perceiverflow::{
    Error, Result,
    media::{Filter, Picture, resample},
    scene::TextureLibrary,
};

/// Pictures are shrunk until their shorter side is so many times that of a window.
const PICTURES: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Textures {
    /// Folder of PNG and JPEG pictures to cut textures from; may be given several times
    #[arg(long, value_name = "DIR")]
    textures: Vec<PathBuf>,
    /// Share of textures that come from the pictures, 0 to 1; the rest is drawn by formulas
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    share: f32,
}

impl Textures {
    /// Textures cut from every picture of the folders.
    pub(crate) fn library(&self) -> Result<TextureLibrary> {
        Ok(TextureLibrary::mixed(self.pictures()?, self.checked_share()?))
    }

    /// The same, for windows of `side` × `side` pixels, each of which is to show much of a picture and not a detail.
    pub(crate) fn library_of_windows(&self, side: usize) -> Result<TextureLibrary> {
        let side = PICTURES * side;
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
        Ok(TextureLibrary::mixed(pictures, self.checked_share()?))
    }

    fn checked_share(&self) -> Result<f32> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(Error::option("--share", self.share, "0 to 1"));
        }
        Ok(self.share)
    }

    /// Every picture of the folders.
    fn pictures(&self) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        for folder in &self.textures {
            let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
            let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            paths.retain(|path| {
                let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
                ["png", "jpg", "jpeg"].contains(&extension.to_ascii_lowercase().as_str())
            });
            if paths.is_empty() {
                return Err(Error::option("--textures", folder.display(), "a folder with PNG or JPEG pictures"));
            }
            // In the order of their names, so that the same folder gives the same examples.
            paths.sort();
            for path in paths {
                pictures.push(Picture::open(path)?);
            }
        }
        Ok(pictures)
    }
}
