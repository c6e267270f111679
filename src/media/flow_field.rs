//! Optical flow: a displacement for every pixel.

use crate::error::{Error, Result};

/// Above this magnitude a component says that the flow there is unknown (the Middlebury convention).
pub const UNKNOWN: f32 = 1e9;

/// Where each pixel of a first picture has gone in a second one: Y × X vectors (u, v) in pixels of the first picture, u to the
/// right and v down. Unknown vectors have a component above [`UNKNOWN`] in magnitude, or one that is not a number.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowField {
    width: usize,
    height: usize,
    uv: Vec<[f32; 2]>,
}

impl FlowField {
    /// Takes `uv`, row by row from the top; it must hold `height · width` vectors.
    ///
    /// # Errors
    /// When a side is zero or the number of vectors is another.
    pub fn new(width: usize, height: usize, uv: Vec<[f32; 2]>) -> Result<Self> {
        if width == 0 || height == 0 || width.checked_mul(height) != Some(uv.len()) {
            return Err(Error::tensor("flow", (height, width, uv.len()), "rows, columns and rows · columns vectors, none zero"));
        }
        Ok(Self { width, height, uv })
    }

    /// A field whose vector at column `x` and row `y` is `vector(x, y)`. Sides of zero are taken as one.
    pub fn from_fn(width: usize, height: usize, mut vector: impl FnMut(usize, usize) -> [f32; 2]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut uv = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                uv.push(vector(x, y));
            }
        }
        Self { width, height, uv }
    }

    /// Number of columns, X.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, Y.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The vectors, Y × X.
    pub fn uv(&self) -> &[[f32; 2]] {
        &self.uv
    }

    /// The vectors, Y × X, to be changed.
    pub fn uv_mut(&mut self) -> &mut [[f32; 2]] {
        &mut self.uv
    }

    /// The vector at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the field.
    pub fn at(&self, x: usize, y: usize) -> [f32; 2] {
        self.uv[y * self.width + x]
    }

    /// Whether a vector is known: both components are numbers of magnitude up to [`UNKNOWN`].
    pub fn is_known([u, v]: [f32; 2]) -> bool {
        u.abs() <= UNKNOWN && v.abs() <= UNKNOWN
    }

    /// The known vectors.
    pub fn known(&self) -> impl Iterator<Item = [f32; 2]> + '_ {
        self.uv.iter().copied().filter(|&vector| Self::is_known(vector))
    }

    /// The largest length among the known vectors, in pixels; 0 when none is known.
    pub fn max_magnitude(&self) -> f32 {
        self.known().map(|[u, v]| u.hypot(v)).fold(0.0, f32::max)
    }

    /// The mean length of the known vectors, in pixels; 0 when none is known.
    pub fn mean_magnitude(&self) -> f32 {
        let (sum, count) = self.known().fold((0.0, 0u32), |(sum, count), [u, v]| (sum + f64::from(u.hypot(v)), count + 1));
        if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_vectors_do_not_count() {
        let field = FlowField::new(3, 1, vec![[3.0, 4.0], [1e10, 0.0], [f32::NAN, 0.0]]).unwrap();
        assert_eq!(field.known().count(), 1);
        assert_eq!(field.max_magnitude(), 5.0);
        assert_eq!(field.mean_magnitude(), 5.0);
    }
}
