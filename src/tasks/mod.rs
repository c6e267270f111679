//! One file for each job: the only place where media meet tensors.

mod flow_error;
mod model;
mod optical_flow;
mod raw;

pub use flow_error::FlowError;
pub use model::Model;
#[cfg(feature = "train")]
pub(crate) use optical_flow::neighbourhoods;
pub use optical_flow::{OpticalFlow, Tiling};
pub use raw::RawModel;
