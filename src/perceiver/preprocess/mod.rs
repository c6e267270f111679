//! Modalities to [`Inputs`](super::Inputs): one file for each.

mod downsample;
mod image;
mod space_to_depth;

pub use downsample::Conv2dDownsample;
pub use image::{ImageOptions, ImagePreprocessor, PrepType};
pub use space_to_depth::space_to_depth;
