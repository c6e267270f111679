//! Modalities to [`Inputs`](super::Inputs): one file for each.

mod audio;
mod audio_profile;
mod downsample;
mod image;
mod multimodal;
mod one_hot;
mod space_to_depth;
mod text;
mod video_profile;

pub use audio::{AudioOptions, AudioPreprocessor};
pub use audio_profile::AudioProfile;
pub use downsample::Conv2dDownsample;
pub use image::{ImageOptions, ImagePreprocessor, PrepType};
pub use multimodal::{ModalityPreprocessor, MultimodalPreprocessor};
pub use one_hot::OneHotPreprocessor;
pub use space_to_depth::space_to_depth;
pub use text::TextPreprocessor;
pub use video_profile::VideoProfile;
