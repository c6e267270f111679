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

pub use error::{Error, Result};
