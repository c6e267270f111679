//! What is put on the pictures of a window.

use rand::Rng;

use crate::media::Picture;

/// The highest level of black, of a range of 1.
const BLACK: f32 = 0.05;

/// Nothing to see: levels of at most 0.05, with a little noise or none.
pub(super) fn black<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    let (level, noise) = (rng.random_range(0..=8u8), rng.random_range(0..=4u8));
    each_level(pictures, |_| level + if noise == 0 { 0 } else { rng.random_range(0..=noise) });
}

/// Whether no level of any picture is above 0.05 of the range.
pub(super) fn is_black(pictures: &[Picture]) -> bool {
    pictures.iter().flat_map(Picture::rgb).all(|&level| f32::from(level) <= BLACK * 255.0)
}

/// Every frame from `first` on repeats the one before.
pub(super) fn freeze(pictures: &mut [Picture], first: usize) {
    if let Some((kept, rest)) = pictures.get_mut(first.saturating_sub(1)..).and_then(<[Picture]>::split_first_mut) {
        rest.fill(kept.clone());
    }
}

/// Bars of white, yellow, cyan, green, magenta, red, blue and perhaps black.
pub(super) fn colour_bars<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    const BARS: [[u8; 3]; 8] = [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]];
    let level = if rng.random_bool(0.6) { 191 } else { 255 };
    let (count, noise) = (rng.random_range(7..=8usize), rng.random_range(0..=6u8));
    let (bottom, strip) = (rng.random_range(0.6..1.4f32), [rng.random_range(0..=255u8); 3]);
    let Some((width, height)) = pictures.first().map(|picture| (picture.width(), picture.height())) else { return };
    let chart = Picture::from_fn(width, height, |x, y| {
        let bar = x * count / width;
        match y as f32 >= bottom * height as f32 {
            // The strip below the bars has them in the other order with every second one missing, or one grey.
            true if strip[0].is_multiple_of(2) && bar.is_multiple_of(2) => BARS[count - 1 - bar].map(|on| on * level),
            true => strip.map(|grey| if strip[0].is_multiple_of(2) { 16 } else { grey }),
            false => BARS[bar].map(|on| on * level),
        }
    });
    for picture in pictures {
        picture.clone_from(&chart);
        picture.rgb_mut().iter_mut().for_each(|level| *level = level.saturating_add(rng.random_range(0..=noise)));
    }
}

/// Grey noise that is new in every frame.
pub(super) fn snow<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    let share = (rng.random_range(0.65..1.3f32)).min(1.0);
    // Grains of one or two pixels: a receiver's snow, seen at the size of the window.
    let grain = rng.random_range(1..=2usize);
    for picture in pictures {
        let (width, columns) = (picture.width(), picture.width().div_ceil(grain));
        let mut grains = vec![0u8; columns * picture.height().div_ceil(grain)];
        rng.fill(&mut grains[..]);
        for (at, pixel) in picture.rgb_mut().chunks_exact_mut(3).enumerate() {
            let noise = f32::from(grains[at / width / grain * columns + at % width / grain]);
            pixel.iter_mut().for_each(|level| *level = ((1.0 - share) * f32::from(*level) + share * noise) as u8);
        }
    }
}

/// Blocks that are flat, or show another place, from some frame on that is no later than `latest`.
pub(super) fn macroblocks<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture], latest: usize) {
    let Some((width, height)) = pictures.first().map(|picture| (picture.width(), picture.height())) else { return };
    let side = (width / if rng.random_bool(0.5) { 8 } else { 5 }).max(2);
    let (share, change) = (rng.random_range(0.15..0.6), rng.random_range(0.0..1.0f64));
    let first = rng.random_range(0..=latest);
    let mut wrong: Vec<Option<Block>> = Vec::new();
    for picture in &mut pictures[first..] {
        // Some decoders keep the damage until the next key frame, some show new damage in every frame.
        if wrong.is_empty() || rng.random_bool(change) {
            let blocks = width.div_ceil(side) * height.div_ceil(side);
            wrong = (0..blocks).map(|_| rng.random_bool(share).then(|| Block::random(rng, width, height))).collect();
            if wrong.iter().all(Option::is_none) {
                wrong[0] = Some(Block::random(rng, width, height));
            }
        }
        let before = picture.clone();
        for (number, block) in wrong.iter().enumerate() {
            let Some(block) = block else { continue };
            let (left, top) = (number % width.div_ceil(side) * side, number / width.div_ceil(side) * side);
            for y in top..(top + side).min(height) {
                for x in left..(left + side).min(width) {
                    let colour = match *block {
                        Block::Flat => before.pixel(left, top),
                        Block::Colour(colour) => colour,
                        Block::Torn(dx, dy) => before.pixel((x + dx) % width, (y + dy) % height),
                    };
                    picture.set_pixel(x, y, colour);
                }
            }
        }
    }
}

/// What a broken block shows.
enum Block {
    /// The colour of its first pixel.
    Flat,
    /// A colour of its own.
    Colour([u8; 3]),
    /// Another place, so many pixels to the right and down.
    Torn(usize, usize),
}

impl Block {
    fn random<R: Rng + ?Sized>(rng: &mut R, width: usize, height: usize) -> Self {
        match rng.random_range(0..5) {
            0 | 1 => Self::Flat,
            2 => Self::Colour([(); 3].map(|()| rng.random())),
            _ => Self::Torn(rng.random_range(width / 8..=width / 2), rng.random_range(0..=height / 2)),
        }
    }
}

/// Out of focus: three box filters on each axis, near to a Gaussian.
pub(super) fn blur<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    let Some(side) = pictures.first().map(Picture::width) else { return };
    let reach = rng.random_range(side.div_ceil(24)..=(side / 12).max(side.div_ceil(24)));
    for picture in pictures {
        let (width, height) = (picture.width(), picture.height());
        for _ in 0..3 {
            let rgb = picture.rgb_mut();
            for row in rgb.chunks_exact_mut(3 * width) {
                (0..3).for_each(|channel| box_filter(&mut row[channel..], width, 3, reach));
            }
            (0..3 * width).for_each(|column| box_filter(&mut rgb[column..], height, 3 * width, reach));
        }
    }
}

/// The mean over `reach` levels to each side; `count` levels lie `step` apart, and the ends repeat.
fn box_filter(levels: &mut [u8], count: usize, step: usize, reach: usize) {
    let line: Vec<u32> = (0..count).map(|at| u32::from(levels[at * step])).collect();
    let at = |place: isize| line[place.clamp(0, count as isize - 1) as usize];
    let (reach, taken) = (reach as isize, 2 * reach as u32 + 1);
    let mut sum: u32 = (-reach..=reach).map(at).sum();
    for place in 0..count as isize {
        levels[place as usize * step] = ((sum + taken / 2) / taken) as u8;
        sum = sum + at(place + reach + 1) - at(place - reach);
    }
}

/// A photographer's flash, or a strobe.
pub(super) fn flash<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    let light = rng.random_range(0.35..0.8f32) * 255.0;
    for _ in 0..rng.random_range(1..=2) {
        // Neither the first frame nor the last: a flash is over before one knows it.
        if pictures.len() > 2 {
            let at = rng.random_range(1..pictures.len() - 1);
            each_level(&mut pictures[at..=at], |level| (f32::from(level) + light) as u8);
        }
    }
}

/// To or from black over the frames from `first` on.
pub(super) fn fade<R: Rng + ?Sized>(rng: &mut R, pictures: &mut [Picture]) {
    let count = pictures.len();
    let length = rng.random_range((0.7 * count as f32) as usize..=count).max(2);
    let (first, out) = (rng.random_range(0..=count - length.min(count)), rng.random_bool(0.5));
    for (at, picture) in pictures.iter_mut().enumerate() {
        let passed = (at.saturating_sub(first) as f32 / (length - 1) as f32).min(1.0);
        let share = if out { 1.0 - passed } else { passed };
        each_level(std::slice::from_mut(picture), |level| (share * f32::from(level)) as u8);
    }
}

fn each_level(pictures: &mut [Picture], mut change: impl FnMut(u8) -> u8) {
    pictures.iter_mut().flat_map(Picture::rgb_mut).for_each(|level| *level = change(*level));
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(5)
    }

    fn pictures() -> Vec<Picture> {
        (0..8).map(|t| Picture::from_fn(48, 48, |x, y| [(5 * x) as u8, (5 * y) as u8, 10 * t as u8])).collect()
    }

    fn mean(picture: &Picture) -> f64 {
        picture.rgb().iter().map(|&level| f64::from(level)).sum::<f64>() / picture.rgb().len() as f64
    }

    #[test]
    fn black_is_at_most_a_twentieth() {
        for seed in 0..50 {
            let mut pictures = pictures();
            black(&mut ChaCha8Rng::seed_from_u64(seed), &mut pictures);
            assert!(is_black(&pictures));
        }
        assert!(!is_black(&pictures()));
    }

    #[test]
    fn frozen_frames_repeat_the_one_before() {
        let mut frozen = pictures();
        freeze(&mut frozen, 3);
        assert_eq!(frozen[..3], pictures()[..3]);
        assert!(frozen[3..].iter().all(|picture| *picture == frozen[2]));
        freeze(&mut frozen, 0);
        assert!(frozen.iter().all(|picture| *picture == frozen[0]));
    }

    #[test]
    fn snow_is_new_in_every_frame_and_grey() {
        let mut snowy: Vec<Picture> = vec![Picture::from_fn(48, 48, |_, _| [128; 3]); 3];
        snow(&mut rng(), &mut snowy);
        assert_ne!(snowy[0], snowy[1]);
        assert!(snowy[0].rgb().chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }

    #[test]
    fn blur_keeps_the_mean_and_flattens() {
        let mut checks = vec![Picture::from_fn(48, 48, |x, y| [if (x + y) % 2 == 0 { 0 } else { 200 }; 3])];
        blur(&mut rng(), &mut checks);
        assert!(checks[0].rgb().iter().all(|level| (70..=130).contains(level)));
    }

    #[test]
    fn blocks_break_some_of_the_picture_and_not_all() {
        let mut broken = pictures();
        macroblocks(&mut rng(), &mut broken, 4);
        let clean = pictures();
        let last = clean.len() - 1;
        let same = broken[last].rgb().iter().zip(clean[last].rgb()).filter(|(a, b)| a == b).count();
        let share = same as f64 / clean[last].rgb().len() as f64;
        assert!((0.3..0.95).contains(&share), "{share}");
    }

    #[test]
    fn a_fade_ends_or_begins_black_and_a_flash_is_short() {
        let mut faded = pictures();
        fade(&mut rng(), &mut faded);
        assert!(mean(&faded[0]).min(mean(&faded[7])) < 5.0);
        let mut flashed = pictures();
        flash(&mut rng(), &mut flashed);
        let brighter = flashed.iter().zip(pictures()).filter(|(after, before)| mean(after) > mean(before) + 30.0).count();
        assert!((1..=2).contains(&brighter), "{brighter}");
    }

    #[test]
    fn bars_are_bars() {
        let mut bars = pictures();
        colour_bars(&mut rng(), &mut bars);
        let [white, yellow] = [bars[0].pixel(1, 1), bars[0].pixel(8, 1)];
        assert!(white.iter().chain(&yellow[..2]).all(|&level| level >= 191) && yellow[2] < 20, "{white:?} {yellow:?}");
    }
}
