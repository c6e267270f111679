//! Where textures come from.

use std::sync::Arc;

use rand::Rng;

use super::{Texture, pattern};
use crate::media::Picture;

/// A source of textures: formulas, pictures, or both. Cloning shares the pictures.
#[derive(Clone, Debug, Default)]
pub struct TextureLibrary {
    pictures: Arc<[Picture]>,
    share: f32,
    sharp: bool,
}

impl TextureLibrary {
    /// Every texture is drawn by formulas and chance.
    pub fn procedural() -> Self {
        Self::default()
    }

    /// Every texture is a part of one of `pictures`, scaled, flipped and recoloured. Without pictures it is the procedural library.
    pub fn from_pictures(pictures: Vec<Picture>) -> Self {
        Self::mixed(pictures, 1.0)
    }

    /// A share (0 to 1) of the textures comes from `pictures`, the rest is procedural.
    pub fn mixed(pictures: Vec<Picture>, share: f32) -> Self {
        Self { pictures: pictures.into(), share, sharp: false }
    }

    /// The same, with no part of a picture enlarged: what is soft has been made so.
    pub fn sharp(self) -> Self {
        Self { sharp: true, ..self }
    }

    /// A random opaque texture of `side` × `side` texels; a side of zero is taken as one.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R, side: usize) -> Texture {
        let side = side.max(1);
        if !self.pictures.is_empty() && rng.random::<f32>() < self.share {
            let picture = &self.pictures[rng.random_range(0..self.pictures.len())];
            part(rng, picture, side, if self.sharp { 1.0 } else { 0.5 })
        } else {
            pattern::draw(rng, side)
        }
    }
}

/// A random part of a picture at a random scale, of no fewer than `least` pixels per texel if the picture reaches. Where that shrinks it, every texel is the mean of the pixels it stands for.
fn part<R: Rng + ?Sized>(rng: &mut R, picture: &Picture, side: usize, least: f32) -> Texture {
    // Pixels per texel: at the most shrunk two and a half times, as far as the picture reaches.
    let scale = rng.random_range(least..2.5f32).min(picture.width().min(picture.height()) as f32 / side as f32);
    let extent = scale * side as f32;
    let mut origin = |length: usize| rng.random_range(0.0..=(length as f32 - extent).max(0.0));
    let (left, top) = (origin(picture.width()), origin(picture.height()));
    let [flip_x, flip_y, turn] = [(); 3].map(|()| rng.random_bool(0.5));
    let recolour = Recolour::random(rng);
    let columns = spans(left, scale, side, picture.width());
    let rows = spans(top, scale, side, picture.height());
    Texture::from_fn(side, side, |x, y| {
        let (x, y) = (if flip_x { side - 1 - x } else { x }, if flip_y { side - 1 - y } else { y });
        let (x, y) = if turn { (y, x) } else { (x, y) };
        recolour.apply(mean(picture, &columns[x], &rows[y]))
    })
}

/// The pixels a texel stands for along one axis, each with its weight; the weights sum to one.
type Span = Vec<(usize, f32)>;

/// The pixels under each of `side` texels of `scale` pixels from `origin`: shares of area where texels are larger than pixels,
/// a blend of the two nearest where they are smaller.
fn spans(origin: f32, scale: f32, side: usize, length: usize) -> Vec<Span> {
    let half = scale.max(1.0) / 2.0;
    (0..side)
        .map(|at| {
            let middle = origin + (at as f32 + 0.5) * scale;
            let (low, high) = (middle - half, middle + half);
            let first = low.max(0.0) as usize;
            let weights: Span = (first..length)
                .map(|pixel| (pixel, high.min(pixel as f32 + 1.0) - low.max(pixel as f32)))
                .take_while(|&(_, weight)| weight > 0.0)
                .collect();
            let sum: f32 = weights.iter().map(|(_, weight)| weight).sum();
            if weights.is_empty() { vec![(length - 1, 1.0)] } else { weights.into_iter().map(|(p, w)| (p, w / sum)).collect() }
        })
        .collect()
}

fn mean(picture: &Picture, columns: &Span, rows: &Span) -> [f32; 3] {
    let mut sum = [0.0; 3];
    for &(y, by) in rows {
        for &(x, bx) in columns {
            let pixel = picture.pixel(x, y);
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += by * bx * f32::from(value);
            }
        }
    }
    sum
}

/// Another contrast, brightness, balance and order of the colours.
struct Recolour {
    contrast: f32,
    offset: [f32; 3],
    order: [usize; 3],
}

impl Recolour {
    fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        let brightness = rng.random_range(-30.0..30.0);
        Self {
            contrast: rng.random_range(0.5..1.3),
            offset: [(); 3].map(|()| brightness + rng.random_range(-15.0..15.0)),
            order: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][rng.random_range(0..6)],
        }
    }

    fn apply(&self, colour: [f32; 3]) -> [u8; 3] {
        std::array::from_fn(|channel| {
            ((colour[self.order[channel]] - 128.0) * self.contrast + 128.5 + self.offset[channel]) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn shrinking_averages() {
        let checks = Picture::from_fn(64, 64, |x, y| if (x + y).is_multiple_of(2) { [0; 3] } else { [200; 3] });
        let spans = spans(0.0, 2.0, 32, 64);
        for (x, y) in [(0, 0), (7, 30), (31, 31)] {
            assert_eq!(mean(&checks, &spans[x], &spans[y]), [100.0; 3]);
        }
    }

    #[test]
    fn enlarging_blends_two_pixels() {
        let spans = spans(0.0, 0.5, 8, 4);
        assert_eq!(spans[0], [(0, 1.0)]);
        assert_eq!(spans[1], [(0, 0.75), (1, 0.25)]);
        assert_eq!(spans[2], [(0, 0.25), (1, 0.75)]);
    }

    #[test]
    fn pictures_smaller_than_the_texture_are_enlarged() {
        let library = TextureLibrary::from_pictures(vec![Picture::from_fn(3, 2, |x, y| [x as u8, y as u8, 9])]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for side in [0, 1, 2, 50] {
            library.draw(&mut rng, side);
        }
    }
}
