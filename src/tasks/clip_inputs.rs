//! Windows of video and sound to the numbers a multimodal model reads.

use candle_core::{Device, Tensor};

use crate::{
    error::{Error, Result},
    media::{Clip, ClipShape, Picture, Raster},
    perceiver::{ImageSize, PerceiverConfig},
};

/// Colours of a pixel.
const COLOURS: usize = 3;

/// How a picture of any size and shape meets the model's square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// The largest square in the middle, as the authors' notebook does it.
    #[default]
    Crop,
    /// The whole picture, each side to the square's.
    Stretch,
    /// The whole picture in its shape, black beside it.
    Letterbox,
}

/// One window as the model reads it: float32, on the processor. That of an image classifier is one picture, normalised as it asks.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipInputs {
    image: Vec<f32>,
    audio: Vec<f32>,
}

impl ClipInputs {
    /// T × 3 × Y × X, 0 … 1.
    pub fn image(&self) -> &[f32] {
        &self.image
    }

    /// Samples, −1 … 1.
    pub fn audio(&self) -> &[f32] {
        &self.audio
    }

    /// A picture as an image classifier reads it, 3 × Y × X of this size, without sound.
    ///
    /// # Errors
    /// For a picture of another size.
    pub(super) fn of_picture(picture: &Tensor, size: ImageSize) -> Result<Self> {
        let (given, accepted) = (picture.dims(), [COLOURS, size.height, size.width]);
        if given != accepted {
            return Err(Error::tensor("picture", format!("{given:?}"), format!("{accepted:?}, the image processor's size")));
        }
        Ok(Self { image: picture.flatten_all()?.to_vec1()?, audio: Vec::new() })
    }
}

/// Turns windows into model inputs. It needs the model's configuration, not its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipPreprocessor {
    shape: ClipShape,
    side: usize,
    framing: Framing,
}

impl ClipPreprocessor {
    /// For models of `config`.
    pub fn new(config: &PerceiverConfig, framing: Framing) -> Self {
        let shape = ClipShape {
            frames: config.num_frames,
            samples_per_frame: config.audio_samples_per_frame,
            sample_rate: config.multimodal.sample_rate,
        };
        Self { shape, side: config.image_size * config.multimodal.patch, framing }
    }

    /// What a window holds.
    pub fn shape(&self) -> ClipShape {
        self.shape
    }

    /// Rows and columns of the model's square.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The numbers of a window. What was not there is black and silent.
    ///
    /// # Errors
    /// When the window is not of [`shape`](Self::shape).
    pub fn preprocess(&self, clip: &Clip) -> Result<ClipInputs> {
        if clip.pictures.len() != self.shape.frames {
            return Err(Error::tensor("window's pictures", clip.pictures.len(), self.shape.frames.to_string()));
        }
        let frame = COLOURS * self.side * self.side;
        let mut image = vec![0.0; self.shape.frames * frame];
        for (picture, planes) in clip.pictures.iter().zip(image.chunks_exact_mut(frame)) {
            if let Some(picture) = picture {
                self.draw(picture, planes);
            }
        }
        self.inputs(image, clip.samples.clone())
    }

    /// Inputs that were made elsewhere: `image` T × 3 × Y × X in 0 … 1, and the window's samples.
    ///
    /// # Errors
    /// When there are not as many numbers as the model reads.
    pub fn inputs(&self, image: Vec<f32>, audio: Vec<f32>) -> Result<ClipInputs> {
        let shape = [self.shape.frames, COLOURS, self.side, self.side];
        if image.len() != shape.iter().product::<usize>() {
            return Err(Error::tensor("image", image.len(), format!("{shape:?} numbers")));
        }
        if audio.len() != self.shape.samples() {
            return Err(Error::tensor("audio", audio.len(), format!("{} samples", self.shape.samples())));
        }
        Ok(ClipInputs { image, audio })
    }

    /// B × T × 3 × Y × X and B × samples × 1 of several windows.
    pub(super) fn tensors(&self, windows: &[&ClipInputs], device: &Device) -> Result<(Tensor, Tensor)> {
        let joined =
            |part: fn(&ClipInputs) -> &[f32]| windows.iter().flat_map(|window| part(window)).copied().collect::<Vec<_>>();
        let image = (windows.len(), self.shape.frames, COLOURS, self.side, self.side);
        let audio = (windows.len(), self.shape.samples(), 1);
        Ok((
            Tensor::from_vec(joined(ClipInputs::image), image, device)?,
            Tensor::from_vec(joined(ClipInputs::audio), audio, device)?,
        ))
    }

    /// A picture into three planes, R, G and B.
    fn draw(&self, picture: &Picture, planes: &mut [f32]) {
        let (width, height) = (picture.width(), picture.height());
        let (shorter, longer) = (width.min(height), width.max(height));
        let whole = Raster::<COLOURS>::from(picture);
        let drawn = match self.framing {
            Framing::Crop => {
                whole.cut((width - shorter) / 2, (height - shorter) / 2, shorter, shorter).resized(self.side, self.side)
            }
            Framing::Stretch => whole.resized(self.side, self.side),
            Framing::Letterbox => {
                let scaled = |side: usize| (side * self.side).div_ceil(longer).min(self.side);
                whole.resized(scaled(width), scaled(height))
            }
        };
        let (left, top) = ((self.side - drawn.width()) / 2, (self.side - drawn.height()) / 2);
        let plane = self.side * self.side;
        for (row, pixels) in drawn.pixels().chunks_exact(drawn.width()).enumerate() {
            let start = (top + row) * self.side + left;
            for (at, pixel) in pixels.iter().enumerate() {
                // The raster counts from −1 to 1.
                (0..COLOURS).for_each(|colour| planes[colour * plane + start + at] = (pixel[colour] + 1.0) / 2.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn preprocessor(framing: Framing) -> ClipPreprocessor {
        ClipPreprocessor { shape: ClipShape { frames: 2, samples_per_frame: 3, sample_rate: 30 }, side: 2, framing }
    }

    /// A red, a green, a blue and a white column of two pixels, and a frame that is missing.
    fn clip() -> Clip {
        const COLUMNS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]];
        Clip {
            pictures: vec![Some(Arc::new(Picture::from_fn(4, 2, |x, _| COLUMNS[x]))), None],
            samples: vec![0.5; 6],
            missing_samples: 0,
            time: Duration::ZERO,
            duration: Duration::from_millis(200),
            index: 0,
        }
    }

    fn first_picture(framing: Framing) -> [Vec<f32>; 3] {
        let inputs = preprocessor(framing).preprocess(&clip()).unwrap();
        assert!(inputs.image()[12..].iter().all(|&level| level == 0.0), "a missing picture is black");
        assert_eq!(inputs.audio(), [0.5; 6]);
        std::array::from_fn(|colour| inputs.image()[colour * 4..(colour + 1) * 4].to_vec())
    }

    #[test]
    fn the_middle_is_cut_out() {
        assert_eq!(first_picture(Framing::Crop), [vec![0.0; 4], vec![1.0, 0.0, 1.0, 0.0], vec![0.0, 1.0, 0.0, 1.0]]);
    }

    #[test]
    fn stretched_columns_mix() {
        let [red, _, blue] = first_picture(Framing::Stretch);
        assert!(red[0] > red[1] && blue[1] > blue[0], "{red:?} {blue:?}");
    }

    #[test]
    fn a_letterbox_keeps_the_shape() {
        let [_, _, blue] = first_picture(Framing::Letterbox);
        assert!(blue[1] > 0.5 && blue[2..] == [0.0, 0.0], "one row of picture, one of black: {blue:?}");
    }

    #[test]
    fn another_window_is_refused() {
        let short = Clip { samples: vec![0.0; 5], ..clip() };
        assert!(preprocessor(Framing::Crop).preprocess(&short).unwrap_err().to_string().contains("6 samples"));
        let empty = Clip { pictures: Vec::new(), ..clip() };
        assert!(preprocessor(Framing::Crop).preprocess(&empty).is_err());
    }
}
