//! Textures drawn by formulas and chance.

use rand::Rng;

use super::{
    Texture,
    sine::{cosine, floor, sine},
};

/// A random opaque texture of `side` × `side` texels: clouds, stripes and checks, overlapping leaves, or specks on a gradient.
pub(super) fn draw<R: Rng + ?Sized>(rng: &mut R, side: usize) -> Texture {
    let palette = palette(rng);
    let mut colours = match rng.random_range(0..5) {
        0 => clouds(rng, side, &palette),
        1 => stripes(rng, side, &palette),
        2 => specks(rng, side, &palette),
        _ => leaves(rng, side, &palette),
    };
    if rng.random_bool(0.7) {
        let strength = rng.random_range(4.0..40.0);
        let grain = noise(rng, side, 2.5, 2);
        for (colour, grain) in colours.iter_mut().zip(grain) {
            *colour = colour.map(|value| value + strength * (grain - 0.5));
        }
    }
    Texture::from_fn(side, side, |x, y| colours[y * side + x].map(|value| (value + 0.5) as u8))
}

type Colour = [f32; 3];

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|channel| a[channel] + share * (b[channel] - a[channel]))
}

/// A few colours around one, from alike to far apart.
fn palette<R: Rng + ?Sized>(rng: &mut R) -> [Colour; 5] {
    let mut any = || [(); 3].map(|()| rng.random_range(0.0..255.0));
    let base = any();
    let others = [(); 5].map(|()| any());
    let contrast = rng.random_range(0.15..1.0);
    others.map(|other| mix(base, other, contrast))
}

/// Smooth noise of 0 to 1: `octaves` layers of it, the coarsest with grains of `grain` texels, each finer one half as large and
/// strong.
pub(super) fn noise<R: Rng + ?Sized>(rng: &mut R, side: usize, grain: f32, octaves: usize) -> Vec<f32> {
    let mut sum = vec![0.0; side * side];
    let (mut grain, mut weight) = (grain, 1.0);
    for _ in 0..octaves.max(1) {
        add_octave(rng, &mut sum, side, grain.max(1.0), weight);
        (grain, weight) = (grain / 2.0, weight / 2.0);
    }
    let (low, high) = sum.iter().fold((f32::INFINITY, 0f32), |(low, high), &value| (low.min(value), high.max(value)));
    let spread = (high - low).max(1e-6);
    sum.iter_mut().for_each(|value| *value = (*value - low) / spread);
    sum
}

/// Adds random values on a lattice of `grain` texels, joined smoothly.
fn add_octave<R: Rng + ?Sized>(rng: &mut R, sum: &mut [f32], side: usize, grain: f32, weight: f32) {
    let cells = (side as f32 / grain) as usize + 2;
    let lattice: Vec<f32> = (0..cells * cells).map(|_| weight * rng.random::<f32>()).collect();
    let places: Vec<(usize, f32)> = (0..side)
        .map(|at| {
            let place = at as f32 / grain;
            let (cell, t) = (place as usize, place - place.trunc());
            (cell, t * t * (3.0 - 2.0 * t))
        })
        .collect();
    for (&(row, ty), line) in places.iter().zip(sum.chunks_exact_mut(side)) {
        let (above, below) = (&lattice[row * cells..(row + 1) * cells], &lattice[(row + 1) * cells..(row + 2) * cells]);
        for (&(column, tx), value) in places.iter().zip(line) {
            let top = above[column] + tx * (above[column + 1] - above[column]);
            let bottom = below[column] + tx * (below[column + 1] - below[column]);
            *value += top + ty * (bottom - top);
        }
    }
}

fn clouds<R: Rng + ?Sized>(rng: &mut R, side: usize, [a, b, c, ..]: &[Colour; 5]) -> Vec<Colour> {
    let grain = any_size(rng, 5.0, side as f32 / 2.0);
    let octaves = rng.random_range(1..6);
    let first = noise(rng, side, grain, octaves);
    let second = noise(rng, side, grain * 1.5, octaves);
    first.into_iter().zip(second).map(|(first, second)| mix(mix(*a, *b, first), *c, second)).collect()
}

fn stripes<R: Rng + ?Sized>(rng: &mut R, side: usize, [a, b, c, d, ..]: &[Colour; 5]) -> Vec<Colour> {
    let turns: f32 = rng.random();
    let (along, across) = (any_size(rng, 5.0, 40.0), any_size(rng, 5.0, 40.0));
    let checks = rng.random_bool(0.5);
    let sharpness = along.min(across) * rng.random_range(0.1..0.4);
    let bend = rng.random_range(0.0..20.0);
    let warp = noise(rng, side, side as f32 / 3.0, 1);
    let (s, c_) = (sine(turns), cosine(turns));
    let band = |place: f32, period: f32| {
        let share = place / period;
        let triangle = ((share - floor(share) as f32) - 0.5).abs() - 0.25;
        (0.5 + triangle * sharpness).clamp(0.0, 1.0)
    };
    (0..side * side)
        .map(|at| {
            let (x, y) = ((at % side) as f32, (at / side) as f32);
            let first = band(c_ * x + s * y + bend * warp[at], along);
            let second = if checks { band(c_ * y - s * x, across) } else { 0.0 };
            mix(mix(*a, *b, first), mix(*c, *d, first), second)
        })
        .collect()
}

/// Discs and squares thrown over each other, small ones more often: the statistics of edges in photographs.
fn leaves<R: Rng + ?Sized>(rng: &mut R, side: usize, palette: &[Colour; 5]) -> Vec<Colour> {
    let mut colours = vec![palette[0]; side * side];
    let (smallest, largest) = (any_size(rng, 2.0, 8.0), side as f32 / 4.0);
    let square = rng.random_range(0.0..0.6);
    // As many as cover the raster about twice.
    let mut left = 2.0 * (side * side) as f32;
    while left > 0.0 {
        let radius = any_size(rng, smallest, largest.max(smallest + 1.0));
        left -= 3.0 * radius * radius;
        let centre = [(); 2].map(|()| rng.random_range(0.0..side as f32));
        let shared = palette[rng.random_range(0..palette.len())];
        let own = [(); 3].map(|()| rng.random_range(0.0..255.0));
        let leaf = Leaf { centre, radius, square: rng.random::<f32>() < square, colour: mix(shared, own, 0.25) };
        leaf.paint(&mut colours, side);
    }
    colours
}

fn specks<R: Rng + ?Sized>(rng: &mut R, side: usize, palette: &[Colour; 5]) -> Vec<Colour> {
    let gradient = noise(rng, side, side as f32 / 1.5, 1);
    let mut colours: Vec<Colour> = gradient.into_iter().map(|share| mix(palette[0], palette[1], share)).collect();
    let apart = rng.random_range(6.0..24.0f32);
    for _ in 0..((side * side) as f32 / (apart * apart)) as usize {
        let centre = [(); 2].map(|()| rng.random_range(0.0..side as f32));
        let colour = palette[rng.random_range(2..palette.len())];
        Leaf { centre, radius: rng.random_range(0.8..3.5), square: false, colour }.paint(&mut colours, side);
    }
    colours
}

struct Leaf {
    centre: [f32; 2],
    radius: f32,
    square: bool,
    colour: Colour,
}

impl Leaf {
    fn paint(&self, colours: &mut [Colour], side: usize) {
        let span = |middle: f32| {
            let end = ((middle + self.radius + 2.0) as usize).min(side);
            ((middle - self.radius - 1.0).max(0.0) as usize).min(end)..end
        };
        let [cx, cy] = self.centre;
        for y in span(cy) {
            for x in span(cx) {
                let (dx, dy) = ((x as f32 - cx).abs(), (y as f32 - cy).abs());
                let distance = if self.square { dx.max(dy) } else { (dx * dx + dy * dy).sqrt() };
                let share = (self.radius - distance + 0.5).clamp(0.0, 1.0);
                if share > 0.0 {
                    let colour = &mut colours[y * side + x];
                    *colour = mix(*colour, self.colour, share);
                }
            }
        }
    }
}

/// A size between `low` and `high`, small ones more often.
fn any_size<R: Rng + ?Sized>(rng: &mut R, low: f32, high: f32) -> f32 {
    let share: f32 = rng.random();
    low + (high - low).max(0.0) * share * share
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn noise_spans_nought_to_one_and_is_smooth() {
        let noise = noise(&mut ChaCha8Rng::seed_from_u64(1), 64, 16.0, 1);
        assert_eq!(noise.iter().copied().fold(1.0, f32::min), 0.0);
        assert!((noise.iter().copied().fold(0.0, f32::max) - 1.0).abs() < 1e-5);
        let step = noise.chunks(64).flat_map(|row| row.windows(2)).map(|pair| (pair[0] - pair[1]).abs()).fold(0.0, f32::max);
        assert!(step < 0.15, "{step}");
    }

    #[test]
    fn every_texture_has_something_to_see() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..40 {
            let texture = draw(&mut rng, 48);
            let reds: Vec<f32> = (0..48).map(|x| texture.sample([x as f32 - 23.5, 0.3])).map(|[r, g, b, _]| r + g + b).collect();
            let spread = reds.iter().copied().fold(0.0, f32::max) - reds.iter().copied().fold(f32::INFINITY, f32::min);
            assert!(spread > 3.0, "{reds:?}");
        }
    }
}
