//! A picture that can be looked up at any real coordinate.

use super::{shape::Shape, sine::floor};
use crate::media::Picture;

/// A raster of colours with opacity, sampled bilinearly. Its coordinates are in texels, (0, 0) the middle of the raster.
///
/// Outside its raster a fresh texture goes on mirrored; one that was cut out is transparent there.
#[derive(Clone, Debug)]
pub struct Texture {
    width: usize,
    height: usize,
    texels: Vec<[u8; 4]>,
    cut_out: bool,
}

impl Texture {
    /// An opaque texture whose texel at column `x`, row `y` of the raster is `texel(x, y)`. Sides of zero are taken as one.
    pub fn from_fn(width: usize, height: usize, mut texel: impl FnMut(usize, usize) -> [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut texels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let [r, g, b] = texel(x, y);
                texels.push([r, g, b, 255]);
            }
        }
        Self { width, height, texels, cut_out: false }
    }

    /// An opaque texture of a picture's pixels.
    pub fn from_picture(picture: &Picture) -> Self {
        Self::from_fn(picture.width(), picture.height(), |x, y| picture.pixel(x, y))
    }

    /// Keeps what lies inside `shape`, with an edge that fades over about a texel; the rest becomes transparent.
    #[must_use]
    pub fn cut_out(mut self, shape: &Shape) -> Self {
        let middle = self.middle();
        for (at, texel) in self.texels.iter_mut().enumerate() {
            let place = [(at % self.width) as f32 - middle[0], (at / self.width) as f32 - middle[1]];
            texel[3] = ((shape.depth(place) + 0.5).clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
        self.cut_out = true;
        self
    }

    /// Half the raster's diagonal: no texel lies farther from the middle.
    pub(super) fn radius(&self) -> f32 {
        let [x, y] = self.middle();
        (x * x + y * y).sqrt() + 1.0
    }

    /// Whether it ends somewhere: it was cut out.
    pub(super) fn is_cut_out(&self) -> bool {
        self.cut_out
    }

    fn middle(&self) -> [f32; 2] {
        [(self.width - 1) as f32 / 2.0, (self.height - 1) as f32 / 2.0]
    }

    /// Colour and opacity at `place`, each 0 to 255.
    #[inline]
    pub(super) fn sample(&self, place: [f32; 2]) -> [f32; 4] {
        let Some((corners, [fx, fy])) = self.corners(place) else { return [0.0; 4] };
        let [a, b, c, d] = corners.map(|at| self.texels[at].map(f32::from));
        let mix = |a: [f32; 4], b: [f32; 4], share: f32| -> [f32; 4] { std::array::from_fn(|i| a[i] + share * (b[i] - a[i])) };
        mix(mix(a, b, fx), mix(c, d, fx), fy)
    }

    /// Whether `place` belongs to the texture: its opacity there is above one half.
    #[inline]
    pub(super) fn covers(&self, place: [f32; 2]) -> bool {
        if !self.cut_out {
            return true;
        }
        let Some((corners, [fx, fy])) = self.corners(place) else { return false };
        let [a, b, c, d] = corners.map(|at| f32::from(self.texels[at][3]));
        let (top, bottom) = (a + fx * (b - a), c + fx * (d - c));
        top + fy * (bottom - top) > 127.5
    }

    /// The four texels around `place` (top left, top right, bottom left, bottom right) and how far it lies between them; none
    /// outside a cut-out raster.
    #[inline]
    fn corners(&self, [x, y]: [f32; 2]) -> Option<([usize; 4], [f32; 2])> {
        let [mx, my] = self.middle();
        let (x, y) = (x + mx, y + my);
        let (left, top) = (floor(x), floor(y));
        let fraction = [x - left as f32, y - top as f32];
        let (width, height) = (self.width as i32, self.height as i32);
        let inside = left >= 0 && top >= 0 && left < width - 1 && top < height - 1;
        if inside {
            let at = top as usize * self.width + left as usize;
            return Some(([at, at + 1, at + self.width, at + self.width + 1], fraction));
        }
        if self.cut_out {
            return None;
        }
        let mirrored = |at: i32, side: i32| {
            let at = at.rem_euclid(2 * side);
            at.min(2 * side - 1 - at) as usize
        };
        let [x0, x1] = [left, left.saturating_add(1)].map(|at| mirrored(at, width));
        let [y0, y1] = [top, top.saturating_add(1)].map(|at| mirrored(at, height) * self.width);
        Some(([y0 + x0, y0 + x1, y1 + x0, y1 + x1], fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_texels_it_is_bilinear_and_outside_mirrored() {
        let texture = Texture::from_fn(4, 1, |x, _| [x as u8 * 10, 0, 0]);
        let red = |x: f32| texture.sample([x - 1.5, 0.0])[0];
        assert_eq!([red(0.0), red(0.5), red(3.0)], [0.0, 5.0, 30.0]);
        assert_eq!([red(-1.0), red(-2.0), red(4.0), red(5.0), red(8.0)], [0.0, 10.0, 30.0, 20.0, 0.0]);
        assert!(red(1e30).is_finite() && red(-1e30).is_finite());
    }

    #[test]
    fn a_cut_out_ends() {
        let texture = Texture::from_fn(21, 21, |_, _| [9, 9, 9]).cut_out(&Shape::disc(6.0));
        assert!(texture.covers([5.0, 0.0]) && !texture.covers([7.0, 0.0]) && !texture.covers([100.0, 0.0]));
        assert_eq!(texture.sample([0.0, 0.0])[3], 255.0);
        assert_eq!(texture.sample([0.0, 9.0])[3], 0.0);
    }
}
