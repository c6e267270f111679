//! Modalities to [`Inputs`](super::Inputs): one file for each.

mod audio;
mod downsample;
mod image;
mod multimodal;
mod one_hot;
mod space_to_depth;
mod text;

pub use audio::{AudioOptions, AudioPreprocessor};
pub use downsample::Conv2dDownsample;
pub use image::{ImageOptions, ImagePreprocessor, PrepType};
pub use multimodal::{ModalityPreprocessor, MultimodalPreprocessor};
pub use one_hot::OneHotPreprocessor;
pub use space_to_depth::space_to_depth;
pub use text::TextPreprocessor;
