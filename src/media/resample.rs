//! Resizing of 8-bit pictures, bit for bit as Pillow does it (version 12 and before): antialiased, horizontally and then vertically, each
//! pass in 22-bit fixed point and rounded to 8 bits.

/// The filters of Pillow, by their names there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// The source pixel under the centre.
    Nearest,
    /// A windowed sinc over 3 pixels.
    Lanczos,
    /// A triangle.
    Bilinear,
    /// A cubic with a = −0.5.
    #[default]
    Bicubic,
    /// The mean of a pixel's area.
    Box,
    /// A windowed sinc over 1 pixel.
    Hamming,
}

impl Filter {
    /// Pixels on each side that count, at the filter's own scale.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        match self {
            Self::Nearest => 0.0,
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Hamming if x.abs() >= 1.0 => 0.0,
            Self::Hamming => sinc(x) * (0.54 + 0.46 * (x.abs() * std::f64::consts::PI).cos()),
            Self::Bicubic => {
                const A: f64 = -0.5;
                match x.abs() {
                    x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
                    x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
                    _ => 0.0,
                }
            }
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for sums beyond the range.
const BITS: u32 = 22;

/// Resizes a picture of `from` rows and columns with `channels` interleaved channels to `to` rows and columns.
///
/// # Panics
/// When `pixels` is not as long as its size says, or a side is 0.
pub fn resample(pixels: &[u8], channels: usize, from: [usize; 2], to: [usize; 2], filter: Filter) -> Vec<u8> {
    assert_eq!(pixels.len(), from[0] * from[1] * channels, "pixels of a picture of {from:?}");
    assert!(from.iter().chain(&to).all(|&side| side > 0), "{from:?} to {to:?}");
    let [rows, columns] = from;
    let across = match to[1] == columns {
        true => pixels.to_vec(),
        false => {
            let taps = taps(columns, to[1], filter);
            pixels.chunks_exact(columns * channels).flat_map(|row| pass(row, channels, 1, &taps)).collect()
        }
    };
    match to[0] == rows {
        true => across,
        false => pass(&across, channels, to[1], &taps(rows, to[0], filter)),
    }
}

/// What makes one output sample: where its source samples start, and their weights.
struct Taps {
    start: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    // Shrinking widens the filter, so that every source sample counts.
    let widening = scale.max(1.0);
    let support = filter.support() * widening;
    if filter == Filter::Nearest {
        // Centres are added up, not multiplied out: Pillow does so, and at some sizes the rounding shows.
        let centres = std::iter::successors(Some(scale * 0.5), |centre| Some(centre + scale));
        return centres
            .take(to)
            .map(|centre| Taps { start: (centre as usize).min(from - 1), weights: vec![1 << BITS] })
            .collect();
    }
    let one = |x: usize| {
        let centre = (x as f64 + 0.5) * scale;
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> =
            (start..end).map(|source| filter.weight((source as f64 - centre + 0.5) * (1.0 / widening))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| {
            let weight = if sum == 0.0 { weight } else { weight / sum };
            (weight * f64::from(1 << BITS) + 0.5f64.copysign(weight)) as i32
        };
        Taps { start, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

/// Filters along the slower axis of samples that are `width` groups of `channels` apart.
fn pass(source: &[u8], channels: usize, width: usize, taps: &[Taps]) -> Vec<u8> {
    let stride = width * channels;
    let mut out = Vec::with_capacity(taps.len() * stride);
    for Taps { start, weights } in taps {
        for at in 0..stride {
            let samples = source[start * stride + at..].iter().step_by(stride);
            let sum: i32 = samples.zip(weights).map(|(&sample, &weight)| i32::from(sample) * weight).sum();
            out.push(((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Filter; 6] = [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

    #[test]
    fn an_even_picture_stays_even() {
        for filter in ALL {
            for to in [[1, 1], [3, 9], [40, 2], [5, 7]] {
                assert!(resample(&[77; 5 * 7 * 3], 3, [5, 7], to, filter).iter().all(|&x| x == 77), "{filter:?} {to:?}");
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let pixels: Vec<u8> = (0..60).map(|x| x * 4).collect();
        for filter in ALL {
            assert_eq!(resample(&pixels, 3, [4, 5], [4, 5], filter), pixels);
        }
    }

    #[test]
    fn a_box_averages_whole_pixels() {
        assert_eq!(resample(&[0, 10, 20, 40], 1, [1, 4], [1, 2], Filter::Box), [5, 30]);
    }

    #[test]
    fn axes_are_not_confused() {
        let wide: Vec<u8> = vec![9, 1, 9, 1, 9, 1];
        assert_eq!(resample(&wide, 2, [1, 3], [2, 3], Filter::Bicubic), [9, 1, 9, 1, 9, 1, 9, 1, 9, 1, 9, 1]);
        assert_eq!(resample(&wide, 2, [3, 1], [3, 2], Filter::Bicubic), [9, 1, 9, 1, 9, 1, 9, 1, 9, 1, 9, 1]);
    }
}
