//! The model: tensors in, tensors out. No media, no files, no threads.
//!
//! Perceiver IO (Jaegle et al. 2021, "Perceiver IO: A General Architecture for Structured Inputs & Outputs") as Hugging Face
//! publishes it, with the same names:
//!
//! ```text
//! Inputs → PerceiverEncoder → latents → decoder with its queries → outputs
//! ```
//!
//! Shapes are written with one alphabet: B batch, M inputs, C input channels, N latents, D latent channels, O outputs, E query
//! channels, H heads; T, Y, X for time, rows, columns.

mod activation;
mod attention;
mod config;
mod cost;
pub mod decode;
mod encoder;
mod fold;
mod image_processor;
mod inputs;
pub mod loss;
pub mod models;
pub(crate) mod mu_law;
mod position;
pub mod postprocess;
pub mod preprocess;
mod stages;
pub mod tokenizer;
mod weights;

pub use activation::Activation;
pub use attention::{Attention, LayerOptions, LayerOutput, PerceiverLayer};
pub use config::{AttentionShape, FlowConfig, ImageClassificationConfig, MultimodalConfig, PerceiverConfig, ProblemType};
pub use cost::Cost;
pub use encoder::{EncoderOutput, HeadMask, PerceiverEncoder};
pub use fold::Folding;
pub use image_processor::{ImageSize, Levels, PerceiverImageProcessor};
pub use inputs::{Block, Inputs, Join, Positions};
pub use position::{
    FourierGrid, FourierOptions, FourierPositions, PositionArguments, PositionEncoding, PositionOptions, TrainableOptions,
};
pub use stages::{Stage, Watch};
pub use tokenizer::PerceiverTokenizer;
pub use weights::{LayerNorm, Linear, Weights};

/// What to keep besides the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The latents before every self-attention layer and after every block.
    pub hidden_states: bool,
    /// The attention probabilities; they need memory for every score.
    pub attentions: bool,
}
