//! Perceiver IO on live media.

pub mod builtin;
pub mod checkpoint;
pub mod compute;
pub mod engine;
pub mod error;
pub mod formats;
pub mod media;
pub mod perceiver;
pub mod render;
pub mod scene;
pub mod tasks;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "video-file")]
pub mod video_file;

pub use error::{Error, Result};
