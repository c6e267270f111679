//! The window policies: which media make one model call.
//!
//! Pure: media in, windows out; no threads, no clock.

mod clip;
mod clip_options;
mod clip_window;
mod pair;
mod picture_line;
mod sound_line;

pub use clip::{Clip, ClipShape};
pub use clip_options::{ClipOptions, ClipStats, ClipStream, HeldMedia, MissingAudio, PartialWindow};
pub use clip_window::ClipWindow;
pub use pair::{FramePair, PairWindow};
