//! One file for each job: the only place where media meet tensors.

mod autoencode;
mod classes;
mod classify_image;
mod classify_text;
mod classify_windows;
mod clip_inputs;
mod fill_mask;
mod flow_error;
mod model;
mod optical_flow;
mod queries;
mod raw;
mod reconstruction_error;
mod task;
mod text;
mod trial;

pub use autoencode::{Autoencode, Latents};
pub use classify_image::{ClassifyImage, preprocess_picture};
pub use classify_text::ClassifyText;
pub use classify_windows::{ClassifyWindows, WindowPreprocessor};
pub use clip_inputs::{ClipInputs, ClipPreprocessor, Framing};
pub use fill_mask::{FillMask, MaskedText};
pub use flow_error::FlowError;
pub use model::Model;
#[cfg(feature = "train")]
pub(crate) use optical_flow::neighbourhoods;
pub use optical_flow::{OpticalFlow, Tiling};
pub use queries::{Head, Region, VideoQueries};
pub use raw::RawModel;
pub use reconstruction_error::ReconstructionError;
pub use task::Task;
pub use trial::Trial;
