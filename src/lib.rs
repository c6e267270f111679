//! Perceiver IO (Jaegle et al. 2021) on live media: a library to embed, the program `perceiverflow`, and, in a crate of their own, the
//! GStreamer elements.
//!
//! The data goes one way, through modules that import only what lies below them:
//!
//! ```text
//! video file or pipeline → media → tasks → perceiver (preprocess → encoder → decode) → tasks → render, formats
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`media`] | pictures, frames and flow fields with their times; which frames make one model call |
//! | [`perceiver`] | the model family with its published names: tensors in, tensors out |
//! | [`checkpoint`] | weights by published tensor names: a folder, a model of the Hugging Face Hub, or one that is built in |
//! | [`tasks`] | one file for each job: media to tensors, tensors to results |
//! | [`engine`] | a session for one stream, a worker thread for many |
//! | [`render`], [`formats`] | results to pixels, results to bytes |
//! | [`scene`] | moving scenes with exact flow and sound |
//! | `video_file` | video files in and out (feature `video-file`) |
//! | `train` | trainers (feature `train`) |
//! | `batch` | archives of video files (feature `video-file`) |
//!
//! Optical flow of two pictures, with the model that is built in:
//!
//! ```
//! use perceiverflow::{
//!     compute::{DeviceChoice, Precision},
//!     scene::demo_scene,
//!     tasks::{OpticalFlow, Tiling},
//! };
//!
//! let scene = demo_scene(160, 120);
//! let (first, second) = (scene.picture(0.0), scene.picture(1.0));
//! let task = OpticalFlow::open("builtin:flow", DeviceChoice::Auto, Precision::Auto)?;
//! let fields = task.estimate(&[(&first, &second)], Tiling::default())?;
//! println!("mean motion: {:.2} pixels", fields[0].mean_magnitude());
//! # Ok::<(), perceiverflow::Error>(())
//! ```

#[cfg(feature = "video-file")]
pub mod batch;
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
