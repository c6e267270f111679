//! One picture: packed 8-bit RGB.

use std::path::Path;

use crate::error::{Error, Result};

/// A picture of X × Y pixels: rows from the top, each pixel R, G, B, one byte each, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// Takes `rgb`, which must hold `height · width · 3` bytes.
    ///
    /// # Errors
    /// When a side is zero or the number of bytes is another.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        let expected = width.checked_mul(height).and_then(|n| n.checked_mul(3));
        if width == 0 || height == 0 || expected != Some(rgb.len()) {
            return Err(Error::tensor(
                "picture",
                (height, width, rgb.len()),
                "rows, columns and rows · columns · 3 bytes, none zero",
            ));
        }
        Ok(Self { width, height, rgb })
    }

    /// A picture whose pixel at column `x` and row `y` is `pixel(x, y)`. Sides of zero are taken as one.
    pub fn from_fn(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                rgb.extend_from_slice(&pixel(x, y));
            }
        }
        Self { width, height, rgb }
    }

    /// Reads a PNG or JPEG file; grey and transparent pictures become RGB (transparency is dropped).
    ///
    /// # Errors
    /// When the file cannot be read or is neither.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(&std::fs::read(path).map_err(Error::io(path))?, path)
    }

    /// The same of a file's bytes; `path` names them in messages.
    ///
    /// # Errors
    /// When they are neither.
    pub fn decode(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self> {
        let decoded = image::load_from_memory(bytes)
            .map_err(|e| Error::format(path, format!("not a readable PNG or JPEG picture ({e})")))?
            .into_rgb8();
        let (width, height) = decoded.dimensions();
        Self::new(width as usize, height as usize, decoded.into_raw())
    }

    /// The PNG file of this picture.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::write_buffer_with_format(
            &mut bytes,
            &self.rgb,
            self.width as u32,
            self.height as u32,
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .expect("a picture's buffer has its size, and memory takes any amount");
        bytes.into_inner()
    }

    /// Number of columns, X.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, Y.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, Y × X × 3.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, Y × X × 3, for drawing.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The pixel at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Sets the pixel at column `x`, row `y`; does nothing outside the picture, so that drawing may run over the edge.
    pub fn set_pixel(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = (y * self.width + x) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_of_another_size_is_refused() {
        assert!(Picture::new(2, 2, vec![0; 11]).is_err());
        assert!(Picture::new(0, 2, vec![]).is_err());
        assert!(Picture::new(usize::MAX, 2, vec![0; 6]).is_err());
    }

    #[test]
    fn png_keeps_every_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let picture = Picture::from_fn(5, 3, |x, y| [x as u8 * 50, y as u8 * 80, 7]);
        std::fs::write(&path, picture.to_png()).unwrap();
        assert_eq!(Picture::open(&path).unwrap(), picture);
    }

    #[test]
    fn a_file_that_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.png");
        std::fs::write(&path, "hello").unwrap();
        let message = Picture::open(&path).unwrap_err().to_string();
        assert!(message.contains("text.png") && message.contains("PNG or JPEG"), "{message}");
    }
}
