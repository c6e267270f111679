//! `PerceiverImageProcessor`, once `PerceiverFeatureExtractor`: pictures to what the image classifiers take.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    media::{Filter, resample},
};

/// A centre crop, a resize, a scale and a normalisation, named and by default as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerceiverImageProcessor {
    /// Whether the middle is cut out: of the shorter side, the part that `size` is of `crop_size`.
    pub do_center_crop: bool,
    /// What `size` is compared with. No picture is ever cropped to this size.
    pub crop_size: ImageSize,
    /// Whether the picture is resized to `size`.
    pub do_resize: bool,
    /// The size of the result.
    pub size: ImageSize,
    /// The filter of the resize, by Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming.
    #[serde(with = "pillow")]
    pub resample: Filter,
    /// Whether levels are multiplied with `rescale_factor`.
    pub do_rescale: bool,
    /// What levels are multiplied with.
    pub rescale_factor: f64,
    /// Whether `image_mean` is subtracted and the rest divided by `image_std`.
    pub do_normalize: bool,
    /// The mean of each colour, or of all.
    pub image_mean: Levels,
    /// The deviation of each colour, or of all.
    pub image_std: Levels,
}

/// Rows and columns. Files from before 2022 give one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Size")]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Side(usize),
    Both { height: usize, width: usize },
}

impl From<Size> for ImageSize {
    fn from(size: Size) -> Self {
        match size {
            Size::Side(side) => Self { height: side, width: side },
            Size::Both { height, width } => Self { height, width },
        }
    }
}

/// A number for each colour, or one for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Levels {
    /// One for all.
    All(f64),
    /// One for each.
    Each(Vec<f64>),
}

impl Levels {
    fn of(&self, field: &str, channels: usize) -> Result<Vec<f32>> {
        match self {
            Self::All(level) => Ok(vec![*level as f32; channels]),
            Self::Each(levels) if levels.len() == channels => Ok(levels.iter().map(|&level| level as f32).collect()),
            Self::Each(levels) => Err(Error::option(field, format!("{levels:?}"), format!("one number, or {channels}"))),
        }
    }
}

/// Filters by the numbers that Pillow gives them.
mod pillow {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::media::Filter;

    const NUMBERED: [Filter; 6] =
        [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Filter, D::Error> {
        let number = usize::deserialize(input)?;
        NUMBERED.get(number).copied().ok_or_else(|| D::Error::custom(format!("resample = {number}: accepted is 0 to 5")))
    }

    // The signature is serde's.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(filter: &Filter, output: S) -> Result<S::Ok, S::Error> {
        NUMBERED.iter().position(|numbered| numbered == filter).serialize(output)
    }
}

impl Default for PerceiverImageProcessor {
    fn default() -> Self {
        Self {
            do_center_crop: true,
            crop_size: ImageSize { height: 256, width: 256 },
            do_resize: true,
            size: ImageSize { height: 224, width: 224 },
            resample: Filter::Bicubic,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: Levels::Each(vec![0.485, 0.456, 0.406]),
            image_std: Levels::Each(vec![0.229, 0.224, 0.225]),
        }
    }
}

impl PerceiverImageProcessor {
    /// Reads and checks a `preprocessor_config.json`, of today or from before 2022.
    ///
    /// # Errors
    /// When the file cannot be read, is no JSON, or a field is outside what is accepted.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let processor: Self =
            serde_json::from_slice(&text).map_err(|e| Error::format(path, format!("no image processor ({e})")))?;
        processor.validate().map_err(|e| Error::format(path, e.to_string()))?;
        Ok(processor)
    }

    fn validate(&self) -> Result<()> {
        for (field, size) in [("crop_size", self.crop_size), ("size", self.size)] {
            if [size.height, size.width].iter().any(|side| !(1..=LARGEST).contains(side)) {
                let given = format!("{} rows, {} columns", size.height, size.width);
                return Err(Error::option(field, given, format!("sides of 1 to {LARGEST}")));
            }
        }
        Ok(())
    }

    /// A picture of 8-bit levels (0 … 255) or float32, Y × X × colours or colours × Y × X, as colours × Y × X: float32 once scaled or
    /// normalised, else what it was. As in the reference a first axis of 1 or 3 is taken for the colours, so that a picture of one or
    /// three rows has to come with its colours first. Float levels are resized through 8 bits: whole ones as they are, others must be in
    /// 0 … 1.
    ///
    /// # Errors
    /// For another shape or type, levels outside their range, or when nothing is left by the crop.
    pub fn preprocess(&self, image: &Tensor) -> Result<Tensor> {
        self.validate()?;
        let mut picture = Pixels::read(image)?;
        if self.do_center_crop {
            picture = picture.centre_crop(self.size, self.crop_size)?;
        }
        if self.do_resize {
            picture = picture.resize([self.size.height, self.size.width], self.resample)?;
        }
        if self.do_rescale {
            picture.levels = Values::Float(picture.levels.scaled(self.rescale_factor));
        }
        if self.do_normalize {
            let mean = self.image_mean.of("image_mean", picture.channels)?;
            let std = self.image_std.of("image_std", picture.channels)?;
            let mut levels = picture.levels.into_float();
            for pixel in levels.chunks_exact_mut(picture.channels) {
                pixel.iter_mut().zip(mean.iter().zip(&std)).for_each(|(level, (mean, std))| *level = (*level - mean) / std);
            }
            picture.levels = Values::Float(levels);
        }
        picture.into_tensor()
    }
}

/// The longest side of any picture here: far above what cameras give, far below what could overflow.
const LARGEST: usize = 1 << 15;

/// Pixels with interleaved channels.
struct Pixels {
    rows: usize,
    columns: usize,
    channels: usize,
    levels: Values,
}

enum Values {
    Byte(Vec<u8>),
    Float(Vec<f32>),
}

impl Values {
    fn into_float(self) -> Vec<f32> {
        match self {
            Self::Byte(levels) => levels.into_iter().map(f32::from).collect(),
            Self::Float(levels) => levels,
        }
    }

    /// Multiplied in double precision and rounded once, as the reference does it.
    fn scaled(&self, factor: f64) -> Vec<f32> {
        match self {
            Self::Byte(levels) => levels.iter().map(|&level| (f64::from(level) * factor) as f32).collect(),
            Self::Float(levels) => levels.iter().map(|&level| (f64::from(level) * factor) as f32).collect(),
        }
    }
}

impl Pixels {
    fn read(image: &Tensor) -> Result<Self> {
        let refused = || {
            let given = format!("{:?} {:?}", image.dims(), image.dtype());
            Error::tensor("image", given, "rows, columns, colours or colours, rows, columns of u8 or f32, with 1 or 3 colours")
        };
        let channels_last = match *image.dims() {
            [1 | 3, _, _] => image.permute((1, 2, 0))?,
            [_, _, 1 | 3] => image.clone(),
            _ => return Err(refused()),
        };
        let (rows, columns, channels) = channels_last.dims3()?;
        if rows * columns == 0 {
            return Err(refused());
        }
        let flat = channels_last.contiguous()?.flatten_all()?;
        let levels = match image.dtype() {
            DType::U8 => Values::Byte(flat.to_vec1()?),
            DType::F32 => Values::Float(flat.to_vec1()?),
            _ => return Err(refused()),
        };
        Ok(Self { rows, columns, channels, levels })
    }

    /// The middle of the picture, `size` / `crop_size` of its shorter side; black around it where that is larger than the picture.
    fn centre_crop(&self, size: ImageSize, crop_size: ImageSize) -> Result<Self> {
        let shorter = self.rows.min(self.columns) as f64;
        let part = |size: usize, crop: usize| (size as f64 / crop as f64 * shorter) as usize;
        let (rows, columns) = (part(size.height, crop_size.height), part(size.width, crop_size.width));
        if [rows, columns].iter().any(|side| !(1..=LARGEST).contains(side)) {
            let given = format!("{} rows, {} columns", self.rows, self.columns);
            return Err(Error::tensor("image", given, format!("a picture whose centre crop has sides of 1 to {LARGEST}")));
        }
        let (top, left) = (offset(self.rows, rows), offset(self.columns, columns));
        let levels = match &self.levels {
            Values::Byte(levels) => Values::Byte(self.window(levels, [top, left], [rows, columns])),
            Values::Float(levels) => Values::Float(self.window(levels, [top, left], [rows, columns])),
        };
        Ok(Self { rows, columns, levels, ..*self })
    }

    /// The levels from `top` and `left` on, zero outside the picture.
    fn window<T: Copy + Default>(&self, levels: &[T], [top, left]: [isize; 2], [rows, columns]: [usize; 2]) -> Vec<T> {
        let inside = |at: isize, length: usize| usize::try_from(at).ok().filter(|&at| at < length);
        let mut out = Vec::with_capacity(rows * columns * self.channels);
        for row in (top..).take(rows) {
            for column in (left..).take(columns) {
                match (inside(row, self.rows), inside(column, self.columns)) {
                    (Some(row), Some(column)) => {
                        let start = (row * self.columns + column) * self.channels;
                        out.extend_from_slice(&levels[start..start + self.channels]);
                    }
                    _ => out.extend(std::iter::repeat_n(T::default(), self.channels)),
                }
            }
        }
        out
    }

    fn resize(&self, to: [usize; 2], filter: Filter) -> Result<Self> {
        let resized = |levels: &[u8]| resample(levels, self.channels, [self.rows, self.columns], to, filter);
        let levels = match &self.levels {
            Values::Byte(levels) => Values::Byte(resized(levels)),
            Values::Float(levels) if whole(levels) => {
                Values::Byte(resized(&levels.iter().map(|&level| level as u8).collect::<Vec<_>>()))
            }
            Values::Float(levels) => {
                if let Some(level) = levels.iter().find(|level| !(0.0..=1.0).contains(*level)) {
                    return Err(Error::tensor("image", level, "levels of 0 to 1, or whole ones of 0 to 255, to be resized"));
                }
                let bytes: Vec<u8> = self.levels.scaled(255.0).into_iter().map(|level| level as u8).collect();
                Values::Float(Values::Byte(resized(&bytes)).scaled(1.0 / 255.0))
            }
        };
        Ok(Self { rows: to[0], columns: to[1], levels, ..*self })
    }

    fn into_tensor(self) -> Result<Tensor> {
        let shape = (self.rows, self.columns, self.channels);
        let interleaved = match self.levels {
            Values::Byte(levels) => Tensor::from_vec(levels, shape, &Device::Cpu)?,
            Values::Float(levels) => Tensor::from_vec(levels, shape, &Device::Cpu)?,
        };
        Ok(interleaved.permute((2, 0, 1))?.contiguous()?)
    }
}

/// Whether float levels are those of 8 bits, as near as the reference asks.
fn whole(levels: &[f32]) -> bool {
    levels.iter().map(|&level| f64::from(level)).all(|level| {
        let near = (level - level.trunc()).abs() <= 1e-8 + 1e-5 * level.trunc().abs();
        near && (0.0..=255.0).contains(&level)
    })
}

/// Where a crop of `crop` begins in `side`: rounded down inside; where it is larger the picture is rounded up into it.
fn offset(side: usize, crop: usize) -> isize {
    match side.checked_sub(crop) {
        Some(rest) => (rest / 2) as isize,
        None => -((crop - side).div_ceil(2) as isize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> PerceiverImageProcessor {
        let size = |side| ImageSize { height: side, width: side };
        PerceiverImageProcessor { size: size(4), crop_size: size(4), ..Default::default() }
    }

    #[test]
    fn colours_may_come_first_or_last() {
        let last = Tensor::arange(0u8, 5 * 7 * 3, &Device::Cpu).unwrap().reshape((5, 7, 3)).unwrap();
        let first = last.permute((2, 0, 1)).unwrap();
        let values = |image: &Tensor| small().preprocess(image).unwrap().to_vec3::<f32>().unwrap();
        assert_eq!(values(&last), values(&first));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let refused = |image: Tensor| small().preprocess(&image).unwrap_err().to_string();
        let zeros = |shape: &[usize], dtype: DType| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        assert!(refused(zeros(&[5, 5], DType::U8)).contains("1 or 3 colours"));
        assert!(refused(zeros(&[5, 5, 4], DType::U8)).contains("1 or 3 colours"));
        assert!(refused(zeros(&[5, 5, 3], DType::U32)).contains("u8 or f32"));
        assert!(refused(zeros(&[5, 0, 3], DType::U8)).contains("[5, 0, 3]"));
        assert!(refused(zeros(&[5, 5, 1], DType::U8)).contains("image_mean"));
        let negative = (zeros(&[5, 5, 3], DType::F32) - 0.5).unwrap();
        assert!(refused(negative).contains("levels of 0 to 1"));
        let one = PerceiverImageProcessor { crop_size: ImageSize { height: 9, width: 9 }, ..small() };
        assert!(one.preprocess(&zeros(&[2, 2, 3], DType::U8)).unwrap_err().to_string().contains("centre crop"));
    }

    #[test]
    fn sizes_of_nothing_and_filters_without_a_name_are_refused() {
        let parsed = |text: &str| serde_json::from_str::<PerceiverImageProcessor>(text);
        assert!(parsed(r#"{"size": 0}"#).unwrap().validate().unwrap_err().to_string().contains("size"));
        assert!(parsed(r#"{"resample": 6}"#).unwrap_err().to_string().contains("0 to 5"));
    }
}
