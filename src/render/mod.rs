//! Results to pixels.

mod text;

pub use text::{CHARACTER, draw_text};
