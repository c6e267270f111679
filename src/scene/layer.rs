//! A texture that moves.

use super::{Motion, Placement, Texture};

/// One layer of a scene: a texture, all of it or cut to a shape, and how it moves.
#[derive(Clone, Debug)]
pub struct Layer {
    texture: Texture,
    motion: Motion,
}

impl Layer {
    /// A layer of `texture` moving by `motion`.
    pub fn new(texture: Texture, motion: Motion) -> Self {
        Self { texture, motion }
    }

    /// What it looks like.
    pub fn texture(&self) -> &Texture {
        &self.texture
    }

    /// How it moves.
    pub fn motion(&self) -> &Motion {
        &self.motion
    }

    /// The rows and columns of a frame of `width` × `height` that it can touch when placed so: first and last-but-one.
    pub(super) fn bounds(&self, placement: &Placement, width: usize, height: usize) -> [std::ops::Range<usize>; 2] {
        if !self.texture.is_cut_out() {
            return [0..height, 0..width];
        }
        let reach = placement.reach(self.texture.radius());
        let range = |middle: f32, side: usize| {
            let last = (middle + reach + 1.0).clamp(0.0, side as f32) as usize;
            ((middle - reach).clamp(0.0, side as f32) as usize).min(last)..last
        };
        let [x, y] = placement.centre();
        [range(y, height), range(x, width)]
    }
}
