//! Which labels a window gets, and the window itself.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Fault, camera::Camera, damage, distortion, voices};
use crate::{
    media::{ClipShape, Picture},
    scene::TextureLibrary,
};

/// A window and everything that is true of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultyWindow {
    /// T square pictures.
    pub pictures: Vec<Picture>,
    /// Samples, −1 to 1.
    pub samples: Vec<f32>,
    /// Its labels.
    pub faults: BTreeSet<Fault>,
}

/// Any number of windows, each known by its number.
#[derive(Clone, Debug)]
pub struct FaultyWindows {
    library: TextureLibrary,
    shape: ClipShape,
    side: usize,
    seed: u64,
}

impl FaultyWindows {
    /// Windows of `shape` with pictures of `side` × `side` pixels and textures from `library`. The same seed and number give the same
    /// window.
    pub fn new(library: TextureLibrary, shape: ClipShape, side: usize, seed: u64) -> Self {
        Self { library, shape, side, seed }
    }

    /// The window of this number.
    pub fn window(&self, number: u64) -> FaultyWindow {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let mut faults = BTreeSet::new();
        let pictures = self.video(&mut rng, &mut faults);
        let samples = self.sound(&mut rng, &mut faults);
        FaultyWindow { pictures, samples, faults }
    }

    fn video(&self, rng: &mut ChaCha8Rng, faults: &mut BTreeSet<Fault>) -> Vec<Picture> {
        let frames = self.shape.frames;
        let camera = Camera::random(rng);
        let mut pictures = camera.shoot(rng, &self.library, self.side, frames);
        if rng.random_bool(0.12) {
            let replaced = if rng.random_bool(0.5) { Fault::Black } else { Fault::ColourBars };
            match replaced {
                Fault::Black => damage::black(rng, &mut pictures),
                _ => damage::colour_bars(rng, &mut pictures),
            }
            faults.insert(replaced);
            return pictures;
        }
        let frozen = rng.random_bool(0.14);
        let snowy = !frozen && rng.random_bool(0.1);
        if !frozen && frames > 2 {
            if rng.random_bool(0.15) {
                let at = rng.random_range(1..frames - 1);
                let other = camera.shoot(rng, &self.library, self.side, frames);
                pictures[at..].clone_from_slice(&other[at..]);
                faults.insert(Fault::Cut);
            }
            // What is faded to black can hardly be lit by a flash as well.
            match rng.random_range(0..100) {
                0..12 => {
                    damage::flash(rng, &mut pictures);
                    faults.insert(Fault::Flash);
                }
                12..26 => {
                    damage::fade(rng, &mut pictures);
                    faults.insert(Fault::Fade);
                }
                _ => {}
            }
        }
        if rng.random_bool(0.14) {
            damage::blur(rng, &mut pictures);
            faults.insert(Fault::Blur);
        }
        if !snowy && rng.random_bool(0.14) {
            damage::macroblocks(rng, &mut pictures);
            faults.insert(Fault::Macroblocks);
        }
        if frozen {
            let first = rng.random_range(0..=frames / 3);
            damage::freeze(&mut pictures, first);
            faults.insert(Fault::Freeze);
        } else if snowy {
            // Under this much snow nothing else can be told.
            damage::snow(rng, &mut pictures);
            faults.clear();
            faults.insert(Fault::Snow);
        } else {
            faults.extend(camera.label());
        }
        pictures
    }

    fn sound(&self, rng: &mut ChaCha8Rng, faults: &mut BTreeSet<Fault>) -> Vec<f32> {
        let rate = self.shape.sample_rate as f32;
        let mut sound = voices::clean(rng, self.shape.samples(), rate);
        if rng.random_bool(0.12) {
            distortion::silence(rng, &mut sound);
            faults.insert(Fault::Silence);
            return sound;
        }
        let toned = rng.random_bool(0.14);
        if toned {
            distortion::tone(rng, &mut sound, rate);
            faults.insert(Fault::Tone);
        }
        if rng.random_bool(0.16) {
            distortion::hum(rng, &mut sound, rate);
            faults.insert(Fault::Hum);
        }
        if rng.random_bool(0.16) {
            distortion::hiss(rng, &mut sound);
            faults.insert(Fault::Hiss);
        }
        if !toned && rng.random_bool(0.18) {
            distortion::clipping(rng, &mut sound);
            faults.insert(Fault::Clipping);
        } else {
            distortion::keep_headroom(&mut sound);
        }
        if rng.random_bool(0.18) && distortion::dropout(rng, &mut sound, rate) {
            faults.insert(Fault::Dropout);
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(seed: u64) -> FaultyWindows {
        let shape = ClipShape { frames: 8, samples_per_frame: 640, sample_rate: 8000 };
        FaultyWindows::new(TextureLibrary::procedural(), shape, 24, seed)
    }

    #[test]
    fn the_same_number_gives_the_same_window() {
        let window = windows(1).window(7);
        assert_eq!((window.pictures.len(), window.samples.len()), (8, 5120));
        assert_eq!(window, windows(1).window(7));
        assert_ne!(window, windows(1).window(8));
        assert_ne!(window, windows(2).window(7));
    }

    #[test]
    fn every_label_comes_up_and_none_is_everywhere() {
        let windows = windows(3);
        let drawn: Vec<_> = (0..400).map(|number| windows.window(number).faults).collect();
        for fault in Fault::ALL {
            let count = drawn.iter().filter(|faults| faults.contains(&fault)).count();
            assert!((8..200).contains(&count), "{fault}: {count} of 400");
        }
        assert!(drawn.iter().any(|faults| faults.len() > 3));
        assert!(drawn.iter().all(|faults| !faults.contains(&Fault::Black) || !faults.contains(&Fault::Pan)));
    }

    #[test]
    fn frozen_windows_stand_still_and_others_do_not() {
        let windows = windows(4);
        for number in 0..200 {
            let window = windows.window(number);
            let still = window.pictures[2..].windows(2).all(|pair| pair[0] == pair[1]);
            match window.faults.contains(&Fault::Freeze) {
                true => assert!(still, "{number}"),
                // Black may be without noise, and so may bars.
                false if window.faults.contains(&Fault::StaticShot) => assert!(!still, "{number}"),
                false => {}
            }
        }
    }
}
