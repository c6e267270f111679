//! Scenes drawn by chance.

use std::{f32::consts::TAU, ops::RangeInclusive};

use rand::Rng;

use super::{
    Layer, Motion, Scene, Shape, TextureLibrary, Track, Wave,
    sine::{cosine, sine},
};

/// What random scenes look like.
#[derive(Clone, Debug)]
pub struct SceneOptions {
    /// Number of columns, X.
    pub width: usize,
    /// Number of rows, Y.
    pub height: usize,
    /// The largest displacement between the times 0 and 1, in pixels. Small ones are more frequent: the largest displacement of a
    /// layer is this times the square of a uniform number.
    pub max_motion: f32,
    /// How many layers are in front of the backdrop.
    pub layers: RangeInclusive<usize>,
    /// The share of layers that ripple.
    pub ripples: f32,
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self { width: 128, height: 96, max_motion: 12.0, layers: 1..=4, ripples: 0.4 }
    }
}

/// The share of layers that stand still.
const STILL: f64 = 0.05;

impl Scene {
    /// A backdrop and shapes with random textures and motions. The motions swing, so that long clips of the scene stay in view;
    /// they are at their fastest at time 0.
    pub fn random<R: Rng + ?Sized>(rng: &mut R, options: &SceneOptions, library: &TextureLibrary) -> Self {
        let (width, height) = (options.width.max(1) as f32, options.height.max(1) as f32);
        let diagonal = (width * width + height * height).sqrt();
        let camera = random_motion(rng, options, diagonal, [width / 2.0, height / 2.0]);
        let backdrop = Layer::new(library.draw(rng, (1.15 * diagonal) as usize + 1), camera.clone());

        let count = rng.random_range(options.layers.clone());
        let foreground: Vec<Layer> = (0..count)
            .map(|_| {
                let share: f32 = rng.random();
                let radius = (width.min(height) * (0.08 + 0.34 * share * share)).max(2.0);
                let shape = Shape::random(rng, radius);
                let centre = [rng.random_range(0.0..width), rng.random_range(0.0..height)];
                let mut motion = random_motion(rng, options, radius, centre);
                // Half of the shapes move with the camera, half on their own.
                if rng.random_bool(0.5) {
                    motion = slowed_to(motion.carried_by(&camera), options, radius, options.max_motion);
                }
                Layer::new(library.draw(rng, (2.0 * radius) as usize + 4).cut_out(&shape), motion)
            })
            .collect();
        Self::new(options.width, options.height, backdrop, foreground)
    }
}

/// A motion of a layer that reaches `radius` texels from its middle, which is at `centre` at time 0.
fn random_motion<R: Rng + ?Sized>(rng: &mut R, options: &SceneOptions, radius: f32, centre: [f32; 2]) -> Motion {
    let share: f32 = rng.random();
    let target = options.max_motion * share * share;
    let mut rate = |chance: f64, largest: f32| {
        let share = if rng.random_bool(chance) { rng.random_range(-1.0..1.0f32) } else { 0.0 };
        (share * target / radius).clamp(-largest, largest)
    };
    let (turning, zooming, shearing) = (rate(0.6, 0.25) / TAU, rate(0.5, 0.15), rate(0.25, 0.1));

    let (direction, speed) = (rng.random::<f32>(), target * rng.random_range(0.3..1.0));
    let velocity = [speed * cosine(direction), speed * sine(direction)];
    let period = rng.random_range(24.0..80.0f32);
    let swing = |start: f32, rate: f32, period: f32| Track::swinging(start, rate, period, 0.0);
    let zoom = rng.random_range(0.9..1.2);
    // Periods so short that no more than 40 % of the size is gained or lost, and no shear grows past recognition.
    let zoom_period = period.min(0.4 * TAU * zoom / zooming.abs().max(1e-3));
    let shear_period = period.min(0.3 * TAU / shearing.abs().max(1e-3));
    let motion = Motion::new([swing(centre[0], velocity[0], period), swing(centre[1], velocity[1], 1.3 * period)])
        .turning(swing(rng.random(), turning, period))
        .zooming(swing(zoom, zooming, zoom_period))
        .shearing(swing(rng.random_range(-0.15..0.15), shearing, shear_period));
    let ripples = rng.random::<f32>() < options.ripples;
    let count = if ripples { rng.random_range(1..=2) } else { 0 };
    let waves = (0..count).map(|_| random_wave(rng, radius, target)).collect();
    let motion = motion.rippling(waves);
    if rng.random_bool(STILL) {
        return motion.sped_up(0.0);
    }
    // Displacements grow nearly in step with speed, so a few corrections reach the target.
    let faster = target / largest_displacement(&motion, options, radius).max(1e-3);
    slowed_to(motion.sped_up(faster.clamp(0.2, 2.0)), options, radius, target)
}

/// A ripple over a layer of this radius, which displaces texels by up to about half of `target` per frame.
fn random_wave<R: Rng + ?Sized>(rng: &mut R, radius: f32, target: f32) -> Wave {
    let (direction, heading) = (rng.random::<f32>(), rng.random::<f32>());
    let (speed, share) = (rng.random_range(0.02..0.12), rng.random_range(0.1..0.5));
    let amplitude = share * target / (TAU * speed);
    let frequency = 1.0 / (rng.random_range(0.6..2.5) * radius).max(8.0);
    Wave {
        amplitude: [amplitude * cosine(direction), amplitude * sine(direction)],
        frequency: [frequency * cosine(heading), frequency * sine(heading)],
        phase: rng.random(),
        speed,
    }
}

/// Slows a motion until no texel in the frame within `radius` of the texture's middle is displaced by more than `limit` pixels from
/// time 0 to 1.
fn slowed_to(mut motion: Motion, options: &SceneOptions, radius: f32, limit: f32) -> Motion {
    for _ in 0..8 {
        let largest = largest_displacement(&motion, options, radius);
        if largest <= limit {
            return motion;
        }
        motion = motion.sped_up(0.99 * limit / largest);
    }
    motion.sped_up(0.0)
}

/// The largest displacement from time 0 to 1 on a grid of points in the frame that show texels within `radius` of the texture's
/// middle.
fn largest_displacement(motion: &Motion, options: &SceneOptions, radius: f32) -> f32 {
    let (from, to) = (motion.at(0.0), motion.at(1.0));
    let reach = from.reach(radius);
    let steps = |middle: f32, side: usize| {
        let last = side.max(1) as f32 - 1.0;
        let (low, high) = ((middle - reach).clamp(0.0, last), (middle + reach).clamp(0.0, last));
        (0..=16).map(move |step| low + (high - low) * step as f32 / 16.0)
    };
    let [cx, cy] = from.centre();
    let mut largest = 0f32;
    for y in steps(cy, options.height) {
        for x in steps(cx, options.width) {
            let texel = from.to_texture([x, y]);
            if texel[0] * texel[0] + texel[1] * texel[1] <= radius * radius {
                let [u, v] = to.to_frame(texel);
                largest = largest.max(((u - x) * (u - x) + (v - y) * (v - y)).sqrt());
            }
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{media::Picture, scene::Appearance};

    fn scene(seed: u64, options: &SceneOptions) -> Scene {
        Scene::random(&mut ChaCha8Rng::seed_from_u64(seed), options, &TextureLibrary::procedural())
    }

    /// The mean absolute difference of `first` to `second` looked up where `displacement` says, over the pixels `visible` says.
    fn difference(first: &Picture, second: &Picture, visible: &[bool], displacement: impl Fn(usize, usize) -> [f32; 2]) -> f64 {
        let (mut sum, mut count) = (0.0, 0u32);
        for y in 0..first.height() {
            for x in 0..first.width() {
                if !visible[y * first.width() + x] {
                    continue;
                }
                let [u, v] = displacement(x, y);
                let (u, v) = (x as f32 + u, y as f32 + v);
                let (left, top) = (u as usize, v as usize);
                let (fx, fy) = (u - left as f32, v - top as f32);
                let (right, bottom) = ((left + 1).min(first.width() - 1), (top + 1).min(first.height() - 1));
                for channel in 0..3 {
                    let at = |x: usize, y: usize| f32::from(second.pixel(x, y)[channel]);
                    let upper = at(left, top) * (1.0 - fx) + at(right, top) * fx;
                    let lower = at(left, bottom) * (1.0 - fx) + at(right, bottom) * fx;
                    let expected = upper * (1.0 - fy) + lower * fy;
                    sum += f64::from((f32::from(first.pixel(x, y)[channel]) - expected).abs());
                    count += 1;
                }
            }
        }
        sum / f64::from(count.max(1))
    }

    #[test]
    fn the_flow_brings_the_second_frame_back_onto_the_first() {
        let (mut still, mut warped) = (0.0, 0.0);
        for seed in 0..20 {
            let scene = scene(seed, &SceneOptions::default());
            let (first, second) = (scene.picture(0.0), scene.picture(1.0));
            let (field, visible) = scene.flow(0.0, 1.0);
            still += difference(&first, &second, &visible, |_, _| [0.0; 2]);
            let after = difference(&first, &second, &visible, |x, y| field.at(x, y));
            assert!(after < 6.0, "seed {seed}: {after}");
            warped += after;
        }
        assert!(warped < 0.25 * still, "{warped} against {still}");
    }

    #[test]
    fn no_displacement_is_above_the_largest_asked_for() {
        for seed in 0..60 {
            let options = SceneOptions { max_motion: 9.0, ..SceneOptions::default() };
            let (field, _) = scene(seed, &options).flow(0.0, 1.0);
            assert!(field.max_magnitude() < 9.0 * 1.05, "seed {seed}: {}", field.max_magnitude());
        }
    }

    #[test]
    fn displacements_come_near_the_largest_asked_for_and_are_mostly_small() {
        let largest = |seed| scene(seed, &SceneOptions::default()).flow(0.0, 1.0).0.max_magnitude();
        let mut all: Vec<f32> = (0..60).map(largest).collect();
        all.sort_by(f32::total_cmp);
        assert!(all[30] < 10.0 && all[59] > 10.0 && all[0] < 4.0, "{all:?}");
    }

    #[test]
    fn flow_there_and_back_cancels_where_visible() {
        let scene = scene(4, &SceneOptions { ripples: 1.0, layers: 0..=0, ..SceneOptions::default() });
        let (there, _) = scene.flow(0.0, 1.0);
        let (same, visible) = scene.flow(1.0, 1.0);
        assert!(same.max_magnitude() < 1e-3 && visible.iter().filter(|&&v| !v).count() < 500);
        assert!(there.max_magnitude() > 0.0);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let draw = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let scene = Scene::random(&mut rng, &SceneOptions::default(), &TextureLibrary::procedural());
            scene.picture_with(0.5, &Appearance::random(&mut rng, 1.0))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn tiny_frames_are_drawn() {
        for side in 0..4 {
            let options = SceneOptions { width: side, height: side, ..SceneOptions::default() };
            let scene = scene(side as u64, &options);
            assert_eq!(scene.picture(0.0).width(), side.max(1));
            assert_eq!(scene.flow(0.0, 1.0).1.len(), side.max(1) * side.max(1));
        }
    }
}
