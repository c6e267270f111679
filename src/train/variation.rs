//! What an example may look and sound like without being of another class.

use rand::Rng;

use super::Example;

/// How far a picture may be brightened or darkened and a sound be made louder or softer: by a factor, or one over it.
const LIGHT: f32 = 1.25;
const LOUDNESS: f32 = 2.0;
/// How far every level may be lifted or lowered.
const LIFT: f32 = 0.1;
/// How much a picture may be enlarged; what is beyond its edges is cut away.
const ZOOM: f32 = 1.3;

/// Changes of an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Variation {
    light: f32,
    lift: f32,
    loudness: f32,
    zoom: f32,
    /// Which part of an enlarged picture is seen, 0 … 1 from the left and from the top.
    at: [f32; 2],
    mirrored: bool,
}

impl Variation {
    /// The example as it is.
    pub(super) const NONE: Self = Self { light: 1.0, lift: 0.0, loudness: 1.0, zoom: 1.0, at: [0.5; 2], mirrored: false };

    /// Changes by chance: of levels from 0 to 1 if they are `lit`, and with left and right in each other's place if they may `mirror`.
    pub(super) fn random(random: &mut impl Rng, lit: bool, mirror: bool) -> Self {
        let mut factor = |most: f32| most.powf(random.random_range(-1.0..=1.0));
        let (light, loudness) = (factor(LIGHT), factor(LOUDNESS));
        let lift = random.random_range(-LIFT..=LIFT);
        let (light, lift) = if lit { (light, lift) } else { (1.0, 0.0) };
        let zoom = random.random_range(1.0..=ZOOM);
        let at = [random.random(), random.random()];
        Self { light, lift, loudness, zoom, at, mirrored: mirror && random.random_bool(0.5) }
    }

    /// Adds the changed levels and samples of an example.
    pub(super) fn add(&self, example: &Example, image: &mut Vec<f32>, audio: &mut Vec<f32>) {
        if let [.., rows, columns] = example.shape[..] {
            let (down, mut across) = (axis(rows, self.zoom, self.at[1]), axis(columns, self.zoom, self.at[0]));
            if self.mirrored {
                across.reverse();
            }
            for plane in example.image.chunks_exact(rows * columns) {
                for &(above, below, share) in &down {
                    let row = |number: usize| &plane[number * columns..][..columns];
                    let (above, below) = (row(above), row(below));
                    let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
                    image.extend(across.iter().map(|&(left, right, along)| {
                        let seen =
                            between(between(above[left], above[right], along), between(below[left], below[right], along), share);
                        if self.light == 1.0 && self.lift == 0.0 { seen } else { (seen * self.light + self.lift).clamp(0.0, 1.0) }
                    }));
                }
            }
        }
        audio.extend(example.audio.iter().map(|sample| (sample * self.loudness).clamp(-1.0, 1.0)));
    }
}

/// For each place on an enlarged axis the two places it lies between on the axis, and how far it is from the first towards the second.
fn axis(length: usize, zoom: f32, at: f32) -> Vec<(usize, usize, f32)> {
    let start = (length as f32 - length as f32 / zoom) * at;
    let place = |number: usize| {
        let place = (start + (number as f32 + 0.5) / zoom - 0.5).clamp(0.0, (length - 1) as f32);
        let first = place as usize;
        (first, (first + 1).min(length - 1), place - first as f32)
    };
    (0..length).map(place).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Two planes of two rows of four, rising from left to right.
    fn example() -> Example {
        let image = (0..16).map(|at| (at % 4) as f32 / 4.0).collect();
        Example { image, shape: vec![2, 2, 4], audio: vec![0.25, -0.75] }
    }

    fn changed(variation: Variation) -> (Vec<f32>, Vec<f32>) {
        let (mut image, mut audio) = (Vec::new(), Vec::new());
        variation.add(&example(), &mut image, &mut audio);
        (image, audio)
    }

    #[test]
    fn each_change_does_what_it_says() {
        assert_eq!(changed(Variation::NONE), (example().image, example().audio));
        let mirrored = changed(Variation { mirrored: true, ..Variation::NONE }).0;
        assert_eq!(mirrored[..4], [0.75, 0.5, 0.25, 0.0]);
        let enlarged = changed(Variation { zoom: 2.0, at: [1.0, 0.5], ..Variation::NONE }).0;
        assert_eq!(enlarged[..4], [0.4375, 0.5625, 0.6875, 0.75]);
        let (lit, loud) = changed(Variation { light: 2.0, lift: 0.1, loudness: 2.0, ..Variation::NONE });
        assert_eq!((&lit[..4], &loud[..]), (&[0.1, 0.6, 1.0, 1.0][..], &[0.5, -1.0][..]));
    }

    #[test]
    fn chance_keeps_sizes_and_ranges() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let (image, audio) = changed(Variation::random(&mut random, true, true));
            assert!(image.len() == 16 && image.iter().all(|level| (0.0..=1.0).contains(level)), "{image:?}");
            assert!(audio.iter().all(|sample| sample.abs() <= 1.0));
        }
        let unlit = Variation::random(&mut random, false, false);
        assert!(unlit.light == 1.0 && unlit.lift == 0.0 && !unlit.mirrored);
    }
}
