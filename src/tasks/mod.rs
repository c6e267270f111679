//! One file for each job: the only place where media meet tensors.

mod flow_error;
mod optical_flow;

#[cfg(feature = "train")]
pub(crate) use optical_flow::neighbourhoods;

pub use flow_error::FlowError;
pub use optical_flow::{OpticalFlow, Tiling};
