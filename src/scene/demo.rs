//! The scene of the demo clip: fixed, so that everybody sees the same.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Layer, Motion, Scene, Shape, Texture, Track, Wave,
    pattern::noise,
    sine::{cosine, floor, sine},
};

/// Frames per second that the demo scene is made for.
pub const DEMO_FRAME_RATE: u32 = 25;

/// Frames after which the demo scene is back where it began.
pub const DEMO_FRAMES: usize = 150;

const PERIOD: f32 = DEMO_FRAMES as f32;

/// A chart of hills that drifts, a turning wheel, a balloon that comes and goes, and a star that passes in front of both; up to
/// about 4 pixels per frame at 320 × 240, in proportion at other sizes.
pub fn demo_scene(width: usize, height: usize) -> Scene {
    let unit = (width as f32 / 320.0).min(height as f32 / 240.0).max(1.0 / 240.0);
    let place = |x: f32, y: f32| [x * width as f32, y * height as f32];
    let swing = |start: f32, rate: f32, turns: f32, phase: f32| Track::swinging(start, rate, PERIOD / turns, phase);
    let mut rng = ChaCha8Rng::seed_from_u64(20);

    let [bx, by] = place(0.5, 0.5);
    let drift = Motion::new([swing(bx, -1.2 * unit, 1.0, 0.0), swing(by, 0.4 * unit, 2.0, 0.0)]);
    let side = |length: usize| length + (140.0 * unit) as usize;
    let backdrop = Layer::new(ground(&mut rng, side(width), side(height), unit), drift);

    let [wx, wy] = place(0.34, 0.52);
    let radius = 62.0 * unit;
    let turning = Motion::new([swing(wx, 0.5 * unit, 1.0, 0.25), swing(wy, 0.7 * unit, 2.0, 0.0)])
        .turning(Track::steady(0.0, 1.0 / PERIOD));
    let wheel = Layer::new(wheel(&mut rng, radius).cut_out(&Shape::disc(radius)), turning);

    let [hx, hy] = place(0.75, 0.4);
    let radius = 40.0 * unit;
    let ripple = Wave { amplitude: [0.0, 2.5 * unit], frequency: [0.014 / unit, 0.0], phase: 0.0, speed: 6.0 / PERIOD };
    let floating = Motion::new([swing(hx, 0.8 * unit, 2.0, 0.25), Track::fixed(hy)])
        .zooming(swing(1.0, 0.018, 2.0, 0.0))
        .rippling(vec![ripple]);
    let balloon = Layer::new(balloon(&mut rng, radius).cut_out(&Shape::disc(radius)), floating);

    let [sx, sy] = place(0.5, 0.55);
    // A quarter turn apart, the two swings are an ellipse.
    let circling = Motion::new([swing(sx, 3.2 * unit, 1.0, 0.0), swing(sy + 50.0 * unit, 2.0 * unit, 1.0, 0.25)])
        .turning(Track::steady(0.0, -1.0 / PERIOD));
    let radius = 26.0 * unit;
    let star = Layer::new(star(&mut rng, radius).cut_out(&Shape::star(radius, 5, 0.52)), circling);

    Scene::new(width, height, backdrop, [balloon, wheel, star])
}

type Colour = [f32; 3];

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|channel| a[channel] + share.clamp(0.0, 1.0) * (b[channel] - a[channel]))
}

fn shaded(colour: Colour, light: f32) -> [u8; 3] {
    colour.map(|value| (value * light + 0.5) as u8)
}

/// Teal hills in bands under fine grain.
fn ground(rng: &mut ChaCha8Rng, width: usize, height: usize, unit: f32) -> Texture {
    let side = width.max(height);
    let hills = noise(rng, side, 90.0 * unit, 3);
    let grain = noise(rng, side, 7.0 * unit, 2);
    Texture::from_fn(width, height, |x, y| {
        let at = y * side + x;
        let level = 9.0 * hills[at];
        let band = level - floor(level) as f32;
        let line = (1.0 - (band - 0.5).abs() * 14.0 / unit.max(1.0)).clamp(0.0, 1.0);
        let colour = mix([24.0, 52.0, 78.0], [104.0, 158.0, 150.0], hills[at]);
        shaded(mix(colour, [214.0, 226.0, 196.0], 0.35 * line), 0.65 + 0.6 * grain[at])
    })
}

/// Coloured rays with rings, like a game wheel.
fn wheel(rng: &mut ChaCha8Rng, radius: f32) -> Texture {
    let side = 2 * radius as usize + 4;
    let grain = noise(rng, side, radius / 10.0, 2);
    let rays: [[f32; 2]; 6] = std::array::from_fn(|ray| [cosine(ray as f32 / 12.0), sine(ray as f32 / 12.0)]);
    Texture::from_fn(side, side, |x, y| {
        let middle = (side - 1) as f32 / 2.0;
        let (dx, dy) = ((x as f32 - middle) / radius, (y as f32 - middle) / radius);
        let distance = (dx * dx + dy * dy).sqrt();
        // The product of the distances to six lines through the middle changes its sign from ray to ray.
        let sign = rays.iter().fold(1.0, |sign: f32, [c, s]| sign * ((c * dy - s * dx) * radius * 1.5).clamp(-1.0, 1.0));
        let colour = mix([196.0, 58.0, 44.0], [244.0, 190.0, 78.0], 0.5 + 0.5 * sign);
        let ring = 1.0 - ((distance - 0.62).abs() * radius / 2.0).min(1.0);
        let hub = ((0.22 - distance) * radius + 0.5).clamp(0.0, 1.0);
        let rim = ((distance - 0.9) * radius + 0.5).clamp(0.0, 1.0);
        let colour = mix(mix(mix(colour, [250.0, 240.0, 220.0], ring), [60.0, 40.0, 52.0], hub), [60.0, 40.0, 52.0], rim);
        shaded(colour, 0.8 + 0.35 * grain[y * side + x])
    })
}

/// A ball of gores, light from the upper left.
fn balloon(rng: &mut ChaCha8Rng, radius: f32) -> Texture {
    let side = 2 * radius as usize + 4;
    let grain = noise(rng, side, radius / 7.0, 2);
    Texture::from_fn(side, side, |x, y| {
        let middle = (side - 1) as f32 / 2.0;
        let (dx, dy) = ((x as f32 - middle) / radius, (y as f32 - middle) / radius);
        let across = dx / (1.0 - (dy * dy).min(0.99)).sqrt();
        let gore = sine(across * 1.75) * radius / 8.0;
        let colour = mix([70.0, 96.0, 190.0], [236.0, 236.0, 244.0], 0.5 + gore);
        let waist = 1.0 - ((dy - 0.1).abs() * radius / 5.0).min(1.0);
        let (lx, ly) = (dx + 0.35, dy + 0.4);
        shaded(
            mix(colour, [232.0, 96.0, 120.0], 2.0 * waist),
            1.05 - 0.32 * (lx * lx + ly * ly) + 0.2 * (grain[y * side + x] - 0.5),
        )
    })
}

/// Brushed gold.
fn star(rng: &mut ChaCha8Rng, radius: f32) -> Texture {
    let side = 2 * radius as usize + 4;
    let grain = noise(rng, side, radius / 4.0, 3);
    Texture::from_fn(side, side, |x, y| {
        let middle = (side - 1) as f32 / 2.0;
        let (dx, dy) = ((x as f32 - middle) / radius, (y as f32 - middle) / radius);
        let colour = mix([255.0, 244.0, 170.0], [226.0, 120.0, 34.0], 1.1 * (dx * dx + dy * dy).sqrt());
        shaded(colour, 0.7 + 0.5 * grain[y * side + x])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_by_up_to_about_four_pixels() {
        let scene = demo_scene(320, 240);
        for frame in [0, 40, 80, 120] {
            let (field, visible) = scene.flow(frame as f32, frame as f32 + 1.0);
            let largest = field.max_magnitude();
            assert!((2.0..4.5).contains(&largest), "frame {frame}: {largest}");
            assert!(visible.iter().filter(|&&v| v).count() > visible.len() * 9 / 10);
        }
    }

    #[test]
    fn it_comes_back_to_its_beginning() {
        let scene = demo_scene(64, 48);
        let (first, last) = (scene.picture(0.0), scene.picture(PERIOD));
        let difference = first.rgb().iter().zip(last.rgb()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(difference <= 2, "{difference}");
    }
}
