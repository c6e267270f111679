//! Outputs that stand for several pixels of a video each. Not in the published code, where each pixel has an output of its own.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::error::{Error, Result};

/// A video whose outputs are blocks of pixels.
#[derive(Clone, Copy, Debug)]
pub struct VideoPatches {
    /// T, Y, X of the video.
    pixels: [usize; 3],
    /// T, Y, X of a block, divisors of them.
    patch: [usize; 3],
}

/// Pixels in the order in which they were asked for, by the blocks that were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedPixels {
    /// Flat indices of the blocks, rising.
    pub patches: Vec<u32>,
    /// For each pixel its place among the pixels of these blocks.
    places: Vec<u32>,
}

impl VideoPatches {
    /// Of a video of T × Y × X `pixels`, in blocks of `patch`, which divide them.
    pub fn new(pixels: [usize; 3], patch: [usize; 3]) -> Self {
        Self { pixels, patch }
    }

    /// T, Y, X of the blocks.
    pub fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.pixels[axis] / self.patch[axis])
    }

    /// Pixels of a block.
    pub fn pixels_of_patch(&self) -> usize {
        self.patch.iter().product()
    }

    /// The blocks that pixels lie in, given by their flat indices.
    ///
    /// # Errors
    /// For a pixel outside the video.
    pub fn ask(&self, pixels: &[u32]) -> Result<AskedPixels> {
        let (count, of_patch) = (self.pixels.iter().product::<usize>(), self.pixels_of_patch());
        let mut places = Vec::with_capacity(pixels.len());
        let mut found = BTreeMap::new();
        for &pixel in pixels {
            if pixel as usize >= count {
                return Err(Error::tensor("subsampled_output_points", pixel, format!("less than {count}")));
            }
            let (patch, place) = self.place(pixel as usize);
            found.insert(patch, 0);
            places.push((patch, place));
        }
        found.values_mut().enumerate().for_each(|(number, at)| *at = number * of_patch);
        let places = places.into_iter().map(|(patch, place)| (found[&patch] + place) as u32).collect();
        Ok(AskedPixels { patches: found.into_keys().map(|patch| patch as u32).collect(), places })
    }

    /// The block of a pixel, and its place in it.
    fn place(&self, pixel: usize) -> (usize, usize) {
        let (mut rest, mut patch, mut place) = (pixel, 0, 0);
        let (mut patches, mut places) = (1, 1);
        for axis in (0..3).rev() {
            let at = rest % self.pixels[axis];
            rest /= self.pixels[axis];
            patch += at / self.patch[axis] * patches;
            place += at % self.patch[axis] * places;
            patches *= self.pixels[axis] / self.patch[axis];
            places *= self.patch[axis];
        }
        (patch, place)
    }

    /// Outputs of blocks, B × blocks × (pixels of a block · channels), as pixels, B × pixels × channels: those that were asked for, or all of
    /// the video where every block was.
    ///
    /// # Errors
    /// For other shapes.
    pub fn pixels(&self, outputs: &Tensor, asked: Option<&AskedPixels>) -> Result<Tensor> {
        let (b, patches, numbers) = outputs.dims3()?;
        let channels = numbers / self.pixels_of_patch();
        if let Some(asked) = asked {
            let pixels = outputs.reshape((b, patches * self.pixels_of_patch(), channels))?;
            return Ok(pixels.index_select(&Tensor::new(asked.places.as_slice(), outputs.device())?, 1)?);
        }
        let ([times, rows, columns], [t, y, x]) = (self.grid(), self.patch);
        let pixels = outputs.reshape(vec![b, times, rows, columns, t, y, x, channels])?;
        let pixels = pixels.permute(vec![0, 1, 4, 2, 5, 3, 6, 7])?.contiguous()?;
        Ok(pixels.reshape((b, self.pixels.iter().product::<usize>(), channels))?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Four frames of 4 × 6 pixels in blocks of 2 × 2 × 3.
    fn patches() -> VideoPatches {
        VideoPatches::new([4, 4, 6], [2, 2, 3])
    }

    /// Each output is the flat index of its pixel.
    fn outputs(asked: &[u32]) -> Tensor {
        let of = patches();
        let mut values = vec![0f32; asked.len() * of.pixels_of_patch()];
        for pixel in 0..96 {
            let (patch, place) = of.place(pixel);
            for (number, _) in asked.iter().enumerate().filter(|&(_, &asked)| asked as usize == patch) {
                values[number * of.pixels_of_patch() + place] = pixel as f32;
            }
        }
        Tensor::from_vec(values, (1, asked.len(), of.pixels_of_patch()), &Device::Cpu).unwrap()
    }

    #[test]
    fn every_pixel_comes_back_in_its_place() {
        assert_eq!((patches().grid(), patches().pixels_of_patch()), ([2, 2, 2], 12));
        let all: Vec<u32> = (0..8).collect();
        let pixels: Vec<f32> = patches().pixels(&outputs(&all), None).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(pixels, (0..96).map(|pixel| pixel as f32).collect::<Vec<_>>());
    }

    #[test]
    fn a_few_pixels_ask_for_their_blocks_alone() {
        let asked = patches().ask(&[95, 3, 4, 2]).unwrap();
        assert_eq!(asked.patches, [0, 1, 7]);
        let pixels: Vec<f32> =
            patches().pixels(&outputs(&asked.patches), Some(&asked)).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(pixels, [95.0, 3.0, 4.0, 2.0]);
        assert!(patches().ask(&[96]).unwrap_err().to_string().contains("less than 96"));
    }
}
