//! Which labels a window gets, and the window itself.

use std::collections::BTreeSet;

use rand::{Rng, RngCore};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Fault,
    camera::{Camera, Shot},
    damage, distortion, sight, voices,
};
use crate::{
    media::{ClipShape, Picture},
    scene::{ClipLibrary, Content, SoundLibrary, TextureLibrary},
};

/// Largest grains: from an eighth of a level to one level of a byte.
const GRAINS: [f32; 4] = [0.0005, 0.001, 0.002, 0.004];

/// A window and everything that is true of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultyWindow {
    /// T square pictures.
    pub pictures: Vec<Picture>,
    /// Samples, −1 to 1.
    pub samples: Vec<f32>,
    /// Its labels.
    pub faults: BTreeSet<Fault>,
    /// Labels of which nobody knows whether they hold: how the camera of a real clip moved, or what a sound is of.
    pub unknown: BTreeSet<Fault>,
    grain: Grain,
}

/// What is lost of a picture as its levels become whole: each pixel of a window is the mean of many of a camera's, and even where nothing
/// moves no two frames are quite the same.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grain {
    /// The largest of it, 0 to 1.
    level: f32,
    seed: u64,
}

impl FaultyWindow {
    /// The levels of the pictures with their grain, T × 3 × Y × X in 0 … 1.
    pub fn levels(&self) -> Vec<f32> {
        let frozen = self.faults.contains(&Fault::Freeze);
        let mut grain_of = 0;
        let frames = self.pictures.iter().enumerate().flat_map(|(number, picture)| {
            if !(frozen && number > 0 && self.pictures[number - 1] == *picture) {
                grain_of = number as u64;
            }
            let mut rng = ChaCha8Rng::seed_from_u64(self.grain.seed);
            rng.set_stream(grain_of);
            let pixels = picture.width() * picture.height();
            let mut planes = vec![0.0; 3 * pixels];
            for (at, &byte) in picture.rgb().iter().enumerate() {
                let grain = if self.grain.level > 0.0 { self.grain.level * rng.random_range(-1.0..1.0f32) } else { 0.0 };
                planes[at % 3 * pixels + at / 3] = (f32::from(byte) / 255.0 + grain).clamp(0.0, 1.0);
            }
            planes
        });
        frames.collect()
    }

    /// Whether some frame differs from the one before in its grain alone.
    pub fn is_still_but_for_its_grain(&self) -> bool {
        !self.faults.contains(&Fault::Freeze) && self.pictures.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// Any number of windows, each known by its number.
#[derive(Clone, Debug)]
pub struct FaultyWindows {
    material: Material,
    shape: ClipShape,
    side: usize,
    seed: u64,
    is_clean: bool,
}

/// What windows are made of. The default is formulas and chance alone.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// Of the pictures.
    pub textures: TextureLibrary,
    /// Of the sound, at the windows' rate.
    pub sounds: SoundLibrary,
    /// Instead of scenes, at the windows' rate.
    pub clips: ClipLibrary,
}

impl FaultyWindows {
    /// Windows of `shape` with pictures of `side` × `side` pixels, made of `material`. The same seed and number give the same window.
    pub fn new(material: Material, shape: ClipShape, side: usize, seed: u64) -> Self {
        Self { material, shape, side, seed, is_clean: false }
    }

    /// The same with no fault put on them: what is seen and heard, cuts and fades.
    #[must_use]
    pub fn clean(&self) -> Self {
        Self { is_clean: true, ..self.clone() }
    }

    /// Whether chance puts a fault on a window.
    fn puts(&self, rng: &mut ChaCha8Rng, probability: f64) -> bool {
        rng.random_bool(probability) && !self.is_clean
    }

    /// The window of this number.
    pub fn window(&self, number: u64) -> FaultyWindow {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let (mut faults, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        let pictures = self.video(&mut rng, &mut faults, &mut unknown);
        let samples = self.sound(&mut rng, &mut faults, &mut unknown);
        // What is drawn by a machine has none.
        let drawn = [Fault::Black, Fault::ColourBars].iter().any(|fault| faults.contains(fault)) && rng.random_bool(0.5);
        let grains = rng.random_range(0..GRAINS.len());
        let level = if drawn { 0.0 } else { rng.random_range(0.5..1.0f32) * GRAINS[grains] };
        FaultyWindow { pictures, samples, faults, unknown, grain: Grain { level, seed: rng.next_u64() } }
    }

    fn video(&self, rng: &mut ChaCha8Rng, faults: &mut BTreeSet<Fault>, unknown: &mut BTreeSet<Fault>) -> Vec<Picture> {
        let frames = self.shape.frames;
        let camera = Camera::random(rng);
        let clip = self.material.clips.draw(rng, self.side, frames);
        let is_real = clip.is_some();
        let Shot { mut pictures, mut before_wall } = match clip {
            Some(pictures) => Shot { pictures, before_wall: false },
            None => camera.shoot(rng, &self.material.textures, self.side, frames),
        };
        let mut has_texture = sight::has_texture(&pictures[0]);
        if self.puts(rng, 0.12) {
            let replaced = if rng.random_bool(0.5) { Fault::Black } else { Fault::ColourBars };
            match replaced {
                Fault::Black => damage::black(rng, &mut pictures),
                _ => damage::colour_bars(rng, &mut pictures),
            }
            faults.insert(replaced);
            return pictures;
        }
        let frozen = self.puts(rng, 0.14);
        let snowy = !frozen && self.puts(rng, 0.1);
        let mut cut = None;
        // What cannot be seen is taken back.
        let mut put = |fault: Fault, pictures: &mut Vec<Picture>, damage: &mut dyn FnMut(&mut [Picture])| {
            let mut damaged = pictures.clone();
            damage(&mut damaged);
            if sight::is_changed(pictures, &damaged) {
                *pictures = damaged;
                faults.insert(fault);
            }
        };
        if !frozen && frames > 2 {
            if rng.random_bool(0.15) {
                let at = rng.random_range(1..frames - 1);
                let other = camera.shoot(rng, &self.material.textures, self.side, frames);
                has_texture &= sight::has_texture(&other.pictures[0]);
                before_wall |= other.before_wall;
                pictures[at..].clone_from_slice(&other.pictures[at..]);
                cut = Some(at);
            }
            // What is faded to black can hardly be lit by a flash as well.
            match rng.random_range(0..100) {
                0..12 if !self.is_clean => put(Fault::Flash, &mut pictures, &mut |pictures| damage::flash(rng, pictures)),
                12..26 => put(Fault::Fade, &mut pictures, &mut |pictures| damage::fade(rng, pictures)),
                _ => {}
            }
        }
        // A soft shape before a wall may be what it is.
        if self.puts(rng, 0.16) && has_texture && !before_wall {
            put(Fault::Blur, &mut pictures, &mut |pictures| damage::blur(rng, pictures));
        }
        if !snowy && self.puts(rng, 0.14) {
            // A frozen picture is one of the first.
            let latest = if frozen { 0 } else { frames / 2 };
            put(Fault::Macroblocks, &mut pictures, &mut |pictures| damage::macroblocks(rng, pictures, latest));
        }
        if cut.is_some_and(|at| sight::is_cut(&pictures[at - 1], &pictures[at])) {
            faults.insert(Fault::Cut);
        } else if is_real {
            unknown.insert(Fault::Cut);
        }
        if frozen {
            let first = rng.random_range(0..=frames / 3);
            damage::freeze(&mut pictures, first);
            faults.insert(Fault::Freeze);
            unknown.clear();
        } else if snowy {
            // Under this much snow nothing else can be told.
            damage::snow(rng, &mut pictures);
            faults.clear();
            unknown.clear();
            faults.insert(Fault::Snow);
        } else if is_real || before_wall || camera == Camera::Whip {
            unknown.extend([Fault::Pan, Fault::Zoom, Fault::StaticShot]);
        } else if has_texture {
            faults.extend(camera.label());
        }
        if damage::is_black(&pictures) {
            // A shot of the night, which is no less black.
            faults.clear();
            unknown.clear();
            faults.insert(Fault::Black);
        }
        pictures
    }

    fn sound(&self, rng: &mut ChaCha8Rng, faults: &mut BTreeSet<Fault>, unknown: &mut BTreeSet<Fault>) -> Vec<f32> {
        let rate = self.shape.sample_rate as f32;
        let (mut sound, content) = voices::clean(rng, &self.material.sounds, self.shape.samples(), rate);
        if self.puts(rng, 0.12) {
            distortion::silence(rng, &mut sound);
            faults.insert(Fault::Silence);
            return sound;
        }
        let toned = self.puts(rng, 0.14);
        if toned {
            distortion::tone(rng, &mut sound, rate);
            faults.insert(Fault::Tone);
        } else {
            match content {
                Some(Content::Speech) => drop(faults.insert(Fault::Speech)),
                Some(Content::Other) => drop(faults.insert(Fault::OtherSound)),
                None => unknown.extend([Fault::Speech, Fault::OtherSound]),
            }
        }
        if self.puts(rng, 0.16) {
            distortion::hum(rng, &mut sound, rate);
            faults.insert(Fault::Hum);
        }
        if self.puts(rng, 0.16) {
            distortion::hiss(rng, &mut sound);
            faults.insert(Fault::Hiss);
        }
        if rng.random_bool(0.08) {
            distortion::offset(rng, &mut sound);
        }
        if !toned && self.puts(rng, 0.18) {
            distortion::clipping(rng, &mut sound);
            faults.insert(Fault::Clipping);
        } else {
            distortion::keep_headroom(&mut sound);
        }
        if self.puts(rng, 0.18) && distortion::dropout(rng, &mut sound, rate) {
            faults.insert(Fault::Dropout);
        }
        if distortion::is_silent(&sound) {
            // A recording's own pause, which is no less a silence.
            for content in [Fault::Speech, Fault::OtherSound] {
                faults.remove(&content);
                unknown.remove(&content);
            }
            faults.insert(Fault::Silence);
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Recording;

    fn windows(seed: u64) -> FaultyWindows {
        let shape = ClipShape { frames: 8, samples_per_frame: 640, sample_rate: 8000 };
        FaultyWindows::new(Material::default(), shape, 24, seed)
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
        let shape = ClipShape { frames: 8, samples_per_frame: 640, sample_rate: 8000 };
        let of = |content| Recording { samples: (0..9000).map(|at| (at as f32).sin()).collect(), content };
        let sounds = SoundLibrary::mixed(vec![of(Content::Speech), of(Content::Other)], 0.5);
        let windows = FaultyWindows::new(Material { sounds, ..Material::default() }, shape, 24, 3);
        let drawn: Vec<_> = (0..400).map(|number| windows.window(number).faults).collect();
        for fault in Fault::ALL {
            let count = drawn.iter().filter(|faults| faults.contains(&fault)).count();
            assert!((8..200).contains(&count), "{fault}: {count} of 400");
        }
        assert!(drawn.iter().any(|faults| faults.len() > 3));
        assert!(drawn.iter().all(|faults| !faults.contains(&Fault::Black) || !faults.contains(&Fault::Pan)));
    }

    #[test]
    fn clean_windows_have_no_fault() {
        let said = (0..200).flat_map(|number| windows(5).clean().window(number).faults);
        // Faint sounds may be silent by themselves.
        let faults = said.filter(|fault| !fault.is_content() && *fault != Fault::Silence);
        assert_eq!(faults.collect::<Vec<_>>(), []);
        assert_eq!(windows(5).clean().window(3), windows(5).clean().window(3));
    }

    #[test]
    fn frozen_windows_stand_still_and_others_do_not() {
        let windows = windows(4);
        for number in 0..200 {
            let window = windows.window(number);
            let levels = window.levels();
            let frames: Vec<&[f32]> = levels.chunks(levels.len() / 8).collect();
            let still = frames[2..].windows(2).all(|pair| pair[0] == pair[1]);
            match window.faults.contains(&Fault::Freeze) {
                true => assert!(still, "{number}"),
                // Black may be without noise, and so may bars.
                false if window.faults.contains(&Fault::StaticShot) => assert!(!still, "{number}"),
                false => {}
            }
        }
    }
}
