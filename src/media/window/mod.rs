//! The window policies: which media make one model call.
//!
//! Pure: media in, windows out; no threads, no clock.

mod clip;
mod pair;

pub use clip::{Clip, ClipShape};
pub use pair::{FramePair, PairWindow};
