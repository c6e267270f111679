//! One file for each job: the only place where media meet tensors.

mod optical_flow;

pub use optical_flow::{OpticalFlow, Tiling};
