//! The decoder's outputs to what a modality is made of: one file for each postprocessor.

mod audio;
mod classification;
mod multimodal;
mod projection;
mod video_patches;

pub use audio::AudioPostprocessor;
pub use classification::ClassificationPostprocessor;
pub use multimodal::{ModalityPostprocessor, MultimodalPostprocessor};
pub use projection::ProjectionPostprocessor;
pub use video_patches::{AskedPixels, VideoPatches};
