//! Moving textured scenes whose optical flow is known exactly, with a sound of their own.
//!
//! A [`Scene`] is a stack of [`Layer`]s: a backdrop that fills the frame and cut-out shapes in front of it. Each layer is a
//! [`Texture`] and a [`Motion`] that maps the frame to it at any time, so any moment can be drawn and the way of any pixel between
//! two moments is a formula, not an estimate. Scenes feed training, tests and the demo clip, and need no foreign media.
//!
//! Times are counted in frames. Pixel centres have whole coordinates, (0, 0) the top-left one. All arithmetic here is basic
//! floating point that every machine rounds alike (see the sine in `sine.rs`), so the same seed gives the same bytes everywhere.

mod appearance;
mod clip_library;
mod demo;
pub mod faults;
mod flow;
mod layer;
mod library;
mod motion;
mod pattern;
mod picture;
mod random;
mod shape;
mod sine;
mod sound;
mod sound_library;
mod texture;

pub use appearance::Appearance;
pub use clip_library::ClipLibrary;
pub use demo::{DEMO_FRAME_RATE, DEMO_FRAMES, demo_scene};
pub use layer::Layer;
pub use library::TextureLibrary;
pub use motion::{Motion, Placement, Track, Wave};
pub use random::SceneOptions;
pub use shape::Shape;
pub use sound::SAMPLE_RATE;
pub use sound_library::{Content, Recording, SoundLibrary};
pub use texture::Texture;

/// A backdrop and the layers in front of it, seen through a frame of fixed size.
#[derive(Clone, Debug)]
pub struct Scene {
    width: usize,
    height: usize,
    layers: Vec<Layer>,
}

impl Scene {
    /// A scene of X × Y = `width` × `height` pixels: `backdrop`, then `foreground` from the farthest to the nearest. Sides of zero
    /// are taken as one.
    pub fn new(width: usize, height: usize, backdrop: Layer, foreground: impl IntoIterator<Item = Layer>) -> Self {
        let layers = std::iter::once(backdrop).chain(foreground).collect();
        Self { width: width.max(1), height: height.max(1), layers }
    }

    /// Number of columns, X.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, Y.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The layers, the backdrop first and the nearest last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}
