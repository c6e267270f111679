//! What is seen behind everything else.

use std::ops::Range;

use rand::Rng;

use crate::scene::{
    Texture, TextureLibrary,
    sine::{cosine, sine},
};

/// How often it is a wall, and how often out of focus where it is none.
const WALLS: f64 = 0.12;
const SOFT: f64 = 0.1;
/// Texels of a backdrop out of focus that one texel of its texture becomes.
const OUT_OF_FOCUS: Range<f32> = 3.0..8.0;
/// How much a wall's light differs from one end to the other, of 255 levels, at most.
const SHADE: f32 = 40.0;

/// The texture of a backdrop.
pub(super) struct Backdrop {
    pub(super) texture: Texture,
    pub(super) kind: Kind,
}

/// What a backdrop is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Textured,
    /// Nearly nothing can be told on it.
    Wall,
    OutOfFocus,
}

impl Backdrop {
    /// One of `side` × `side` texels.
    pub(super) fn draw<R: Rng + ?Sized>(rng: &mut R, library: &TextureLibrary, side: usize) -> Self {
        let kind = match (rng.random_bool(WALLS), rng.random_bool(SOFT)) {
            (true, _) => Kind::Wall,
            (false, true) => Kind::OutOfFocus,
            (false, false) => Kind::Textured,
        };
        let texture = match kind {
            Kind::Wall => wall(rng, library, side),
            Kind::OutOfFocus => out_of_focus(rng, library, side),
            Kind::Textured => library.draw(rng, side),
        };
        Self { texture, kind }
    }
}

/// One colour, lighter to one side, with little on it that can be told: a studio, the sky, a road; perhaps there is a floor or another wall beside it.
fn wall<R: Rng + ?Sized>(rng: &mut R, library: &TextureLibrary, side: usize) -> Texture {
    let mut any = || [(); 3].map(|()| rng.random_range(0.0..255.0f32));
    let (colour, other) = (any(), any());
    let contrast = if rng.random_bool(0.5) { rng.random_range(0.02..0.2f32) } else { 0.0 };
    let stains = out_of_focus(rng, library, side);
    let (direction, shade) = (rng.random::<f32>(), rng.random_range(0.0..SHADE));
    let slope = [cosine(direction), sine(direction)].map(|part| shade * part / side.max(1) as f32);
    let middle = side as f32 / 2.0;
    // Where the other one begins, and how softly.
    let has_edge = rng.random_bool(0.4);
    let (turn, way) = (0.25 * f32::from(rng.random_range(0..4u8)), rng.random_range(0.1..0.8f32) * middle);
    let (normal, softness) = ([cosine(turn), sine(turn)], rng.random_range(0.5..4.0f32));
    let likeness = rng.random_range(0.0..0.9f32);
    Texture::from_fn(side, side, |x, y| {
        let place = [x as f32 - middle, y as f32 - middle];
        let along = |axes: [f32; 2]| axes[0] * place[0] + axes[1] * place[1];
        let beside = if has_edge { ((along(normal) - way) / softness + 0.5).clamp(0.0, 1.0) } else { 0.0 };
        let stain = stains.sample(place);
        std::array::from_fn(|channel| {
            let level = colour[channel] + beside * (1.0 - likeness) * (other[channel] - colour[channel]);
            (level + along(slope) + contrast * (stain[channel] - 128.0) + 0.5) as u8
        })
    })
}

/// A texture far behind what the lens is focused on.
fn out_of_focus<R: Rng + ?Sized>(rng: &mut R, library: &TextureLibrary, side: usize) -> Texture {
    let scale = rng.random_range(OUT_OF_FOCUS);
    let sharp = library.draw(rng, (side as f32 / scale) as usize + 2);
    let middle = side as f32 / 2.0;
    Texture::from_fn(side, side, |x, y| {
        let [r, g, b, _] = sharp.sample([x as f32, y as f32].map(|at| (at - middle) / scale));
        [r, g, b].map(|level| (level + 0.5) as u8)
    })
}
