//! Shots: a scene and how the camera that sees it moves.

use rand::Rng;

use super::{
    Fault,
    backdrop::{Backdrop, Kind},
};
use crate::{
    media::Picture,
    scene::{
        Appearance, Layer, Motion, Scene, Shape, TextureLibrary, Track,
        sine::{cosine, sine},
    },
};

/// Frames that follow each other.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    pub(super) pictures: Vec<Picture>,
    /// Whether what is seen is seen before a plain wall: of things that move there nobody knows whether it is the camera that does.
    pub(super) before_wall: bool,
}

/// What the camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Camera {
    Still,
    Pan,
    Zoom,
    Hand,
    /// From here to somewhere else as fast as can be: too fast for a label.
    Whip,
}

/// Sensor noise of every second still camera before which nothing moves; the others have what their light and their grain give them.
const LIVE_NOISE: f32 = 0.015;

impl Camera {
    pub(super) fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        match rng.random_range(0..12) {
            0..5 => Self::Still,
            5..7 => Self::Pan,
            7..9 => Self::Zoom,
            9..11 => Self::Hand,
            _ => Self::Whip,
        }
    }

    pub(super) fn label(self) -> Option<Fault> {
        match self {
            Self::Still => Some(Fault::StaticShot),
            Self::Pan => Some(Fault::Pan),
            Self::Zoom => Some(Fault::Zoom),
            Self::Hand | Self::Whip => None,
        }
    }

    /// `frames` frames of `side` × `side` pixels.
    pub(super) fn shoot<R: Rng + ?Sized>(self, rng: &mut R, library: &TextureLibrary, side: usize, frames: usize) -> Shot {
        let size = side as f32;
        let moves = self.moves(rng, size, frames as f32);
        // The backdrop goes on mirrored, so its texture need not be as large as the way of the camera.
        let Backdrop { texture, kind } = Backdrop::draw(rng, library, (1.6 * size) as usize);
        let backdrop = Layer::new(texture, moves.carry([0.0; 2], None));
        // Something is in focus.
        let count = rng.random_range(usize::from(kind == Kind::OutOfFocus)..=3);
        let mut alive = false;
        let foreground: Vec<Layer> = (0..count)
            .map(|_| {
                let radius = size * rng.random_range(0.08..0.3f32);
                let place = [(); 2].map(|()| size * rng.random_range(-0.45..0.45f32));
                let own = rng.random_bool(0.6).then(|| {
                    alive = true;
                    let (direction, speed) = (rng.random::<f32>(), size * rng.random_range(0.02..0.06f32));
                    [speed * cosine(direction), speed * sine(direction)]
                });
                let texture = library.draw(rng, (2.0 * radius) as usize + 4).cut_out(&Shape::random(rng, radius));
                Layer::new(texture, moves.carry(place, own))
            })
            .collect();
        let scene = Scene::new(side, side, backdrop, foreground);
        let mut light = Appearance::random(rng, 0.7);
        light.blur = light.blur.min(0.25);
        if self == Self::Still && !alive && rng.random_bool(0.5) {
            light.noise = light.noise.max(LIVE_NOISE);
        }
        let pictures =
            (0..frames).map(|t| scene.picture_with(t as f32, &Appearance { noise_seed: rng.next_u64(), ..light.clone() }));
        Shot { pictures: pictures.collect(), before_wall: kind == Kind::Wall }
    }

    fn moves<R: Rng + ?Sized>(self, rng: &mut R, side: f32, frames: f32) -> Moves {
        let angle = Track::fixed(rng.random_range(-0.04..0.04));
        let mut moves = Moves {
            middle: (side - 1.0) / 2.0,
            drift: [0.0; 2],
            sway: None,
            zoom: rng.random_range(0.85..1.15),
            growth: 0.0,
            angle,
        };
        match self {
            Self::Still => {}
            Self::Pan => {
                // Most pans are level; some go up or down, or anywhere.
                let direction = match rng.random_range(0..4) {
                    0 => rng.random(),
                    1 => 0.25 + 0.5 * f32::from(rng.random_range(0..2u8)),
                    _ => 0.5 * f32::from(rng.random_range(0..2u8)),
                };
                let speed = side * rng.random_range(1.0 / 64.0..1.0 / 12.0f32);
                moves.drift = [speed * cosine(direction), speed * sine(direction)];
            }
            Self::Whip => {
                let (direction, speed) = (rng.random::<f32>(), side * rng.random_range(1.0 / 12.0..1.0 / 3.0f32));
                moves.drift = [speed * cosine(direction), speed * sine(direction)];
            }
            Self::Zoom => {
                moves.growth = moves.zoom * rng.random_range(0.015..0.05f32);
                if rng.random_bool(0.5) {
                    moves.zoom += moves.growth * (frames - 1.0);
                    moves.growth = -moves.growth;
                }
            }
            Self::Hand => {
                // Short enough to come back within a window: half of a longer one would be a pan.
                let mut sway = || {
                    let (rate, period) = (rng.random_range(1.0 / 48.0..1.0 / 24.0f32), rng.random_range(4.0..8.0f32));
                    Track::swinging(0.0, side * rate, period, rng.random())
                };
                moves.sway = Some([sway(), sway()]);
            }
        }
        moves
    }
}

/// How everything in front of the camera is seen to move.
struct Moves {
    middle: f32,
    /// Pixels per frame.
    drift: [f32; 2],
    sway: Option<[Track; 2]>,
    /// At the first frame.
    zoom: f32,
    /// Of the zoom, with every frame.
    growth: f32,
    angle: Track,
}

impl Moves {
    /// The motion of something at `place` from the middle, which moves by `own` per frame on its own. What does so is not seen to sway
    /// with a hand: its own way is longer.
    fn carry(&self, place: [f32; 2], own: Option<[f32; 2]>) -> Motion {
        let centre = std::array::from_fn(|axis| {
            let start = self.middle + place[axis] * self.zoom;
            match (self.sway, own) {
                (Some(sway), None) => sway[axis].from(start),
                _ => Track::steady(start, self.drift[axis] + place[axis] * self.growth + own.unwrap_or_default()[axis]),
            }
        });
        Motion::new(centre).zooming(Track::steady(self.zoom, self.growth)).turning(self.angle)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    /// The largest mean difference between two frames that follow each other, over shots that are not before a wall.
    fn liveliness(camera: Camera) -> f64 {
        let library = TextureLibrary::procedural();
        let difference = |a: &Picture, b: &Picture| {
            a.rgb().iter().zip(b.rgb()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.rgb().len() as f64
        };
        let shots = (0..96).map(|seed| camera.shoot(&mut ChaCha8Rng::seed_from_u64(seed), &library, 48, 4));
        let most = |shot: Shot| shot.pictures.windows(2).map(|pair| difference(&pair[0], &pair[1])).fold(0.0, f64::max);
        let differences: Vec<f64> = shots.filter(|shot| !shot.before_wall).map(most).collect();
        differences.iter().sum::<f64>() / differences.len() as f64
    }

    #[test]
    fn cameras_that_move_change_the_picture_more() {
        let [still, pan, zoom, hand] = [Camera::Still, Camera::Pan, Camera::Zoom, Camera::Hand].map(liveliness);
        assert!(still > 0.0 && hand > still && pan > 1.5 * still && zoom > still, "{still} {pan} {zoom} {hand}");
    }
}
