//! Floating-point pixels, and the resampling of pictures and flow fields.

use super::{FlowField, Picture};

/// Y × X pixels of C channels each, rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster<const C: usize> {
    width: usize,
    height: usize,
    pixels: Vec<[f32; C]>,
}

impl From<&Picture> for Raster<3> {
    /// RGB in −1 … 1: x / 255 · 2 − 1.
    fn from(picture: &Picture) -> Self {
        let level = |byte: u8| f32::from(byte) / 255.0 * 2.0 - 1.0;
        let pixels = picture.rgb().chunks_exact(3).map(|rgb| [level(rgb[0]), level(rgb[1]), level(rgb[2])]).collect();
        Self { width: picture.width(), height: picture.height(), pixels }
    }
}

impl From<Raster<2>> for FlowField {
    fn from(raster: Raster<2>) -> Self {
        let Raster { width, height, pixels } = raster;
        Self::new(width, height, pixels).expect("a raster has its size and no side of zero")
    }
}

impl<const C: usize> Raster<C> {
    /// Every pixel `value`. Sides of zero are taken as one.
    pub fn filled(width: usize, height: usize, value: [f32; C]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, pixels: vec![value; width * height] }
    }

    /// The pixel at column `x` and row `y` is `pixel(x, y)`. Sides of zero are taken as one.
    pub fn from_fn(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [f32; C]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let pixels = (0..width * height).map(|at| pixel(at % width, at / width)).collect();
        Self { width, height, pixels }
    }

    /// Number of columns, X.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, Y.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, Y × X.
    pub fn pixels(&self) -> &[[f32; C]] {
        &self.pixels
    }

    /// The pixels, Y × X, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [[f32; C]] {
        &mut self.pixels
    }

    /// The pixel at column `x`, row `y`; outside, the nearest one inside.
    pub fn clamped(&self, x: isize, y: isize) -> [f32; C] {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.pixels[y * self.width + x]
    }

    /// Between pixels, by bilinear interpolation; outside, the nearest edge. Pixel centres lie at whole numbers.
    pub fn sample(&self, x: f32, y: f32) -> [f32; C] {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let (above, below) = (top * self.width, bottom * self.width);
        let corners = [above + left, above + right, below + left, below + right].map(|at| self.pixels[at]);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        std::array::from_fn(|c| (0..4).map(|corner| corners[corner][c] * weights[corner]).sum())
    }

    /// What lies where `flow` points: the pixel at (x, y) of the result is this raster at (x + u, y + v).
    pub fn warped(&self, flow: &Raster<2>) -> Self {
        let width = flow.width;
        Self::from_fn(width, flow.height, |x, y| {
            let [u, v] = flow.pixels[y * width + x];
            self.sample(x as f32 + u, y as f32 + v)
        })
    }

    /// Resized with a triangle filter as wide as the reduction, so that nothing aliases; bilinear where it grows. Pixel areas map to pixel
    /// areas.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let (columns, rows) = (taps(self.width, width), taps(self.height, height));
        let mix = |weights: &[f32], pixel: &dyn Fn(usize) -> [f32; C]| {
            let mut sum = [0f32; C];
            for (tap, weight) in weights.iter().enumerate() {
                let pixel = pixel(tap);
                (0..C).for_each(|c| sum[c] += weight * pixel[c]);
            }
            sum
        };
        let across = Self::from_fn(width, self.height, |x, y| {
            let (first, weights) = &columns[x];
            mix(weights, &|tap| self.pixels[y * self.width + first + tap])
        });
        Self::from_fn(width, height, |x, y| {
            let (first, weights) = &rows[y];
            mix(weights, &|tap| across.pixels[(first + tap) * width + x])
        })
    }

    /// The part from column `x` and row `y`; what lies outside is the nearest edge.
    pub fn cut(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        Self::from_fn(width, height, |column, row| self.clamped((x + column) as isize, (y + row) as isize))
    }
}

/// For each of `to` samples the first of `from` samples it reads and their weights.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale - 0.5;
            let first = ((centre - reach).ceil().max(0.0) as usize).min(from - 1);
            let last = ((centre + reach).floor().max(0.0) as usize).clamp(first, from - 1);
            let weights: Vec<f64> =
                (first..=last).map(|source| (1.0 - (source as f64 - centre).abs() / reach).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            (first, weights.iter().map(|weight| if sum > 0.0 { (weight / sum) as f32 } else { 1.0 }).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_raster_stays_flat_at_every_size() {
        let raster = Raster::filled(7, 5, [0.25, -1.0]);
        for (width, height) in [(1, 1), (3, 9), (14, 10), (7, 2)] {
            let resized = raster.resized(width, height);
            let close = |pixel: &[f32; 2]| (pixel[0] - 0.25).abs() < 1e-6 && (pixel[1] + 1.0).abs() < 1e-6;
            assert!(resized.pixels().iter().all(close), "{width}x{height}");
        }
    }

    #[test]
    fn a_ramp_keeps_its_place() {
        let ramp = Raster::from_fn(16, 4, |x, _| [x as f32]);
        let half = ramp.resized(8, 2);
        // Pixel 3 of the half covers pixels 6 and 7.
        assert!((half.pixels()[3][0] - 6.5).abs() < 1e-5);
        let double = ramp.resized(32, 4);
        assert!((double.pixels()[13][0] - 6.25).abs() < 1e-5);
    }

    #[test]
    fn warping_by_a_shift_shifts() {
        let ramp = Raster::from_fn(9, 3, |x, y| [x as f32 + 10.0 * y as f32]);
        let moved = ramp.warped(&Raster::filled(9, 3, [1.5, 1.0]));
        assert_eq!(moved.pixels()[2][0], 13.5);
        assert_eq!(moved.pixels()[8][0], 18.0);
    }
}
