//! Queries to outputs: one file for each decoder.

mod basic;
mod optical_flow;

pub use basic::{BasicDecoder, BasicDecoderOptions, Decoded, unravel};
pub use optical_flow::{OpticalFlowDecoder, OpticalFlowDecoderOptions};
