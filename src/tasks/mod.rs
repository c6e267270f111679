//! One file for each job: the only place where media meet tensors.

mod autoencode;
mod clip_inputs;
mod flow_error;
mod labels;
mod model;
mod optical_flow;
mod queries;
mod raw;
mod reconstruction_error;

pub use autoencode::{Autoencode, Latents};
pub use clip_inputs::{ClipInputs, ClipPreprocessor, Framing};
pub use flow_error::FlowError;
pub use model::Model;
#[cfg(feature = "train")]
pub(crate) use optical_flow::neighbourhoods;
pub use optical_flow::{OpticalFlow, Tiling};
pub use queries::{Head, Region, VideoQueries};
pub use raw::RawModel;
pub use reconstruction_error::ReconstructionError;
