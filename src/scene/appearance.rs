//! Light and camera: what changes a frame's pixels without anything moving.

use rand::{Rng, RngCore};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// How a frame is exposed and recorded. The default changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Appearance {
    /// Factor on every value; 1 changes nothing.
    pub gain: f32,
    /// Added to every value, in shares of full brightness; 0 changes nothing.
    pub offset: f32,
    /// Brightness of the middle tones, from -1 (darker) to 1 (exclusive); 0 changes nothing. Black and white stay where they are.
    pub tone: f32,
    /// Factors on red, green and blue; 1 changes nothing.
    pub tint: [f32; 3],
    /// Standard deviation of the noise, in shares of full brightness.
    pub noise: f32,
    /// The noise's seed.
    pub noise_seed: u64,
    /// Share of a pixel that goes to its neighbours on each axis, 0 to 0.5.
    pub blur: f32,
}

impl Default for Appearance {
    fn default() -> Self {
        Self { gain: 1.0, offset: 0.0, tone: 0.0, tint: [1.0; 3], noise: 0.0, noise_seed: 0, blur: 0.0 }
    }
}

impl Appearance {
    /// Some light and some noise: 0 of `strength` is the default, 1 as much as a bad camera in changing light.
    pub fn random<R: Rng + ?Sized>(rng: &mut R, strength: f32) -> Self {
        let mut around = |spread: f32| rng.random_range(-1.0..1.0f32) * spread * strength;
        let (gain, offset, tone) = (1.0 + around(0.2), around(0.06), around(0.25));
        let tint = [(); 3].map(|()| 1.0 + around(0.06));
        let share: f32 = rng.random();
        // Most cameras are good: small noise is the usual case.
        let noise = 0.06 * share * share * strength;
        let blur = if rng.random_bool(0.3) { rng.random_range(0.0..0.5) * strength.min(1.0) } else { 0.0 };
        Self { gain, offset, tone, tint, noise, noise_seed: rng.next_u64(), blur }
    }

    /// Exposes a frame of `width` columns given as R, G, B of 0 to 255, and rounds it to bytes.
    pub(super) fn expose(&self, mut frame: Vec<f32>, width: usize) -> Vec<u8> {
        if self.blur > 0.0 {
            blur(&mut frame, width, self.blur);
        }
        if *self == (Self { blur: self.blur, ..Self::default() }) {
            return frame.into_iter().map(to_byte).collect();
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.noise_seed);
        // A sum of four uniform values of width 1 has the standard deviation sqrt(1/3); near enough to a normal distribution, and
        // the same on every machine.
        let noise = self.noise * 255.0 * 3f32.sqrt() / 65_536.0;
        let factors = self.tint.map(|tint| tint * self.gain / 255.0);
        frame
            .into_iter()
            .enumerate()
            .map(|(at, value)| {
                let light = (value * factors[at % 3] + self.offset).clamp(0.0, 1.0);
                let toned = light * (1.0 + self.tone) / (1.0 - self.tone + 2.0 * self.tone * light);
                let grain = if noise > 0.0 { sum_of_four(random.next_u64()) * noise } else { 0.0 };
                to_byte(toned * 255.0 + grain)
            })
            .collect()
    }
}

/// The four 16-bit parts of `bits` added up, less their mean.
fn sum_of_four(bits: u64) -> f32 {
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    sum as f32 - 2.0 * 65_535.0
}

fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

/// Gives `share` of every pixel to its two neighbours along the rows, then along the columns; edges repeat.
fn blur(frame: &mut [f32], width: usize, share: f32) {
    let row = width * 3;
    let (side, middle) = (share / 2.0, 1.0 - share);
    for line in frame.chunks_exact_mut(row) {
        let mut before: [f32; 3] = [line[0], line[1], line[2]];
        for at in 0..row {
            let here = line[at];
            let after = line.get(at + 3).copied().unwrap_or(here);
            line[at] = middle * here + side * (before[at % 3] + after);
            before[at % 3] = here;
        }
    }
    let mut before: Vec<f32> = frame[..row].to_vec();
    for at in 0..frame.len() {
        let here = frame[at];
        let after = frame.get(at + row).copied().unwrap_or(here);
        frame[at] = middle * here + side * (before[at % row] + after);
        before[at % row] = here;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_and_no_strength_change_nothing() {
        let frame: Vec<f32> = (0..=255).flat_map(|value| [value as f32; 3]).collect();
        let bytes: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
        assert_eq!(Appearance::default().expose(frame.clone(), 16), bytes);
        let none = Appearance::random(&mut ChaCha8Rng::seed_from_u64(1), 0.0);
        assert_eq!(none.expose(frame, 16), bytes);
    }

    #[test]
    fn noise_has_the_spread_asked_for_and_its_seed_decides_it() {
        let noisy = |noise_seed| Appearance { noise: 0.05, noise_seed, ..Appearance::default() }.expose(vec![128.0; 30_000], 100);
        let bytes = noisy(1);
        let spread = bytes.iter().map(|&b| (f64::from(b) - 128.0).powi(2)).sum::<f64>() / bytes.len() as f64;
        assert!((spread.sqrt() / 255.0 - 0.05).abs() < 0.002, "{spread}");
        assert_eq!(bytes, noisy(1));
        assert_ne!(bytes, noisy(2));
    }

    #[test]
    fn blur_keeps_the_mean_of_flat_areas_and_spreads_a_point() {
        let mut point = vec![0.0; 5 * 5 * 3];
        point[(2 * 5 + 2) * 3] = 100.0;
        blur(&mut point, 5, 0.5);
        assert_eq!([point[36], point[33], point[21]], [25.0, 12.5, 12.5]);
        assert!((point.iter().sum::<f32>() - 100.0).abs() < 1e-3);
    }

    #[test]
    fn tone_keeps_black_and_white() {
        let toned = Appearance { tone: 0.5, ..Appearance::default() }.expose(vec![0.0, 128.0, 255.0], 1);
        assert_eq!((toned[0], toned[2]), (0, 255));
        assert!(toned[1] > 150);
    }
}
