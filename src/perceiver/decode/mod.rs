//! Queries to outputs: one file for each decoder.

mod basic;
mod classification;
mod embedding;
mod multimodal;
mod optical_flow;
mod projection;
mod video_autoencoding;

pub use basic::{BasicDecoder, BasicDecoderOptions, Decoded, unravel};
pub use classification::ClassificationDecoder;
pub use embedding::EmbeddingDecoder;
pub use multimodal::{ModalityDecoder, MultimodalDecoder, MultimodalQuery, Points};
pub use optical_flow::{OpticalFlowDecoder, OpticalFlowDecoderOptions};
pub use projection::ProjectionDecoder;
pub use video_autoencoding::BasicVideoAutoencodingDecoder;
