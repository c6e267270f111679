//! Synthetic pairs of pictures with exact flow, as a flow model meets them.
//!
//! A model that works from coarse to fine sees second pictures that were warped by an estimate. Half of the pairs are therefore warped
//! by a blurred and disturbed copy of their own flow, and what is left of the flow is what the model has to find.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    media::{FlowField, Raster},
    scene::{Appearance, Scene, SceneOptions, TextureLibrary},
};

/// Two pictures in −1 … 1 and the flow between them.
#[derive(Clone, Debug)]
pub struct FlowPair {
    /// The picture the flow lies on.
    pub first: Raster<3>,
    /// Where it leads.
    pub second: Raster<3>,
    /// The flow, in pixels.
    pub flow: Raster<2>,
    /// How much each pixel's flow counts, Y × X: 1 where it can be seen, less where it can only be guessed.
    pub weights: Vec<f32>,
}

/// Any number of pairs, each known by its number.
#[derive(Clone, Debug)]
pub struct FlowPairs {
    library: TextureLibrary,
    width: usize,
    height: usize,
    seed: u64,
}

/// Largest motion of pairs that are left as they are, in pixels.
const MOTION: f32 = 5.0;
/// Largest motion of pairs that are warped by an estimate.
const WARPED_MOTION: f32 = 24.0;
/// Weight of pixels that are hidden or out of the frame in the second picture.
const HIDDEN: f32 = 0.3;
/// Beyond this much flow a pixel does not count: a coarser estimate is there to find it.
const OUT_OF_REACH: f32 = 8.0;

impl FlowPairs {
    /// Pairs of `width` × `height` with textures from `library`. The same seed and number give the same pair.
    pub fn new(library: TextureLibrary, width: usize, height: usize, seed: u64) -> Self {
        Self { library, width, height, seed }
    }

    /// The pair of this number.
    pub fn pair(&self, number: u64) -> FlowPair {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        let warped = random.random_bool(0.5);
        let options = SceneOptions {
            width: self.width,
            height: self.height,
            max_motion: if warped { WARPED_MOTION } else { MOTION },
            ..Default::default()
        };
        let scene = Scene::random(&mut random, &options, &self.library);
        let (before, after) = exposures(&mut random);
        let first = Raster::from(&scene.picture_with(0.0, &before));
        let second = Raster::from(&scene.picture_with(1.0, &after));
        let (flow, visible) = scene.flow(0.0, 1.0);
        let flow = field(&flow);
        let (second, flow) = if warped { warp_by_an_estimate(&mut random, &second, &flow) } else { (second, flow) };
        let weights = flow.pixels().iter().zip(visible).map(|(&[u, v], visible)| match u.hypot(v) {
            length if length > OUT_OF_REACH || !length.is_finite() => 0.0,
            _ if visible => 1.0,
            _ => HIDDEN,
        });
        FlowPair { weights: weights.collect(), first, second, flow }
    }
}

/// Exposures of the two frames: mostly the same light with new noise, sometimes each its own.
fn exposures(random: &mut ChaCha8Rng) -> (Appearance, Appearance) {
    let strength: f32 = random.random();
    let before = Appearance::random(random, strength);
    let change = if random.random_bool(0.3) { 0.5 * strength } else { 0.05 };
    let drift = Appearance::random(random, change);
    let after = Appearance {
        gain: before.gain * drift.gain,
        offset: before.offset + drift.offset,
        noise_seed: drift.noise_seed,
        ..before.clone()
    };
    (before, after)
}

fn field(flow: &FlowField) -> Raster<2> {
    Raster::from_fn(flow.width(), flow.height(), |x, y| flow.at(x, y))
}

/// The second picture warped by an estimate of the flow, and the flow that is left.
fn warp_by_an_estimate(random: &mut ChaCha8Rng, second: &Raster<3>, flow: &Raster<2>) -> (Raster<3>, Raster<2>) {
    let (width, height) = (flow.width(), flow.height());
    // An estimate at a coarser scale: averaged over cells, each off by a little.
    let cell = random.random_range(4..=16usize);
    let off: f32 = 1.2 * random.random::<f32>().powi(2) + 0.05;
    let shift: [f32; 2] = [(); 2].map(|()| random.random_range(-1.0..1.0f32) * off);
    let mut estimate = flow.resized(width.div_ceil(cell), height.div_ceil(cell));
    for vector in estimate.pixels_mut() {
        *vector = [vector[0] + shift[0] + random.random_range(-off..off), vector[1] + shift[1] + random.random_range(-off..off)];
    }
    let estimate = estimate.resized(width, height);
    let rest = Raster::from_fn(width, height, |x, y| {
        let [u, v] = flow.pixels()[y * width + x];
        // The rest r leads to where the estimate, read there, leads to the true place: r = flow − estimate(place + r).
        let mut rest = [0f32; 2];
        for _ in 0..8 {
            let [known_u, known_v] = estimate.sample(x as f32 + rest[0], y as f32 + rest[1]);
            rest = [u - known_u, v - known_v];
        }
        rest
    });
    (second.warped(&estimate), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_explains_the_second_picture() {
        let pairs = FlowPairs::new(TextureLibrary::procedural(), 64, 48, 3);
        let difference = |a: &Raster<3>, b: &Raster<3>, weights: &[f32]| {
            let (mut sum, mut count) = (0f32, 0f32);
            for ((a, b), &weight) in a.pixels().iter().zip(b.pixels()).zip(weights) {
                let seen = if weight == 1.0 { 1.0 } else { 0.0 };
                sum += seen * (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>();
                count += seen;
            }
            sum / count
        };
        let (mut still, mut moved) = (0f32, 0f32);
        for number in 0..40 {
            let pair = pairs.pair(number);
            still += difference(&pair.first, &pair.second, &pair.weights);
            moved += difference(&pair.first, &pair.second.warped(&pair.flow), &pair.weights);
        }
        assert!(moved < 0.75 * still, "{moved} against {still}");
    }

    #[test]
    fn the_same_number_gives_the_same_pair() {
        let pairs = || FlowPairs::new(TextureLibrary::procedural(), 32, 32, 9);
        assert_eq!(pairs().pair(5).second, pairs().pair(5).second);
        assert_ne!(pairs().pair(5).second, pairs().pair(6).second);
    }
}
