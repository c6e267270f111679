//! How a layer moves: a smooth map from the frame to its texture, and back.

use std::f32::consts::TAU;

use super::sine::{cosine, sine};

/// The waves of a motion never compress or stretch by more than this, so that the map can be inverted.
const MAX_STRAIN: f32 = 0.35;

/// No layer shrinks below this size.
const MIN_ZOOM: f32 = 0.05;

/// A number that changes with time: steadily, or swinging.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    start: f32,
    rate: f32,
    swing: Option<Swing>,
}

#[derive(Clone, Copy, Debug)]
struct Swing {
    period: f32,
    phase: f32,
}

impl Track {
    /// Always `value`.
    pub fn fixed(value: f32) -> Self {
        Self::steady(value, 0.0)
    }

    /// `start` at time 0, then `rate` more every frame.
    pub fn steady(start: f32, rate: f32) -> Self {
        Self { start, rate, swing: None }
    }

    /// `start` at time 0, then to and fro with a period of `period` frames (above 0), never changing faster than `rate` per frame.
    /// A `phase` of 0 (full turns) begins at full speed, one of 0.25 at the upper end.
    pub fn swinging(start: f32, rate: f32, period: f32, phase: f32) -> Self {
        Self { start, rate, swing: Some(Swing { period, phase }) }
    }

    /// The value at time `t`.
    pub fn at(&self, t: f32) -> f32 {
        let passed = match self.swing {
            None => t,
            Some(Swing { period, phase }) => period / TAU * (sine(t / period + phase) - sine(phase)),
        };
        self.start + self.rate * passed
    }

    /// The same changes, from another start.
    pub(super) fn from(self, start: f32) -> Self {
        Self { start, ..self }
    }

    fn sped_up(self, factor: f32) -> Self {
        Self { rate: self.rate * factor, ..self }
    }
}

/// A ripple of a layer: texels are displaced by `amplitude · sin(frequency · place + phase + speed · t)`.
#[derive(Clone, Copy, Debug)]
pub struct Wave {
    /// The largest displacement, along x and y, in texels.
    pub amplitude: [f32; 2],
    /// Full turns per texel along x and y.
    pub frequency: [f32; 2],
    /// Full turns at the origin at time 0.
    pub phase: f32,
    /// Full turns per frame.
    pub speed: f32,
}

impl Wave {
    /// The largest relative change of length that it causes.
    fn strain(&self) -> f32 {
        let length = |[x, y]: [f32; 2]| (x * x + y * y).sqrt();
        TAU * length(self.amplitude) * length(self.frequency)
    }
}

/// An affine motion about a centre, with ripples.
///
/// A texel at `q` is seen at `centre + zoom · R(angle) · [1 shear; 0 1] · a` where `a` solves `a + ripples(a) = q`.
#[derive(Clone, Debug)]
pub struct Motion {
    centre: [Track; 2],
    angle: Track,
    zoom: Track,
    shear: Track,
    waves: Vec<Wave>,
}

impl Motion {
    /// Only moves the texture's middle: to `centre` (x and y in pixels of the frame), one texel as large as one pixel.
    pub fn new(centre: [Track; 2]) -> Self {
        Self { centre, angle: Track::fixed(0.0), zoom: Track::fixed(1.0), shear: Track::fixed(0.0), waves: Vec::new() }
    }

    /// Turned clockwise by `angle` full turns.
    #[must_use]
    pub fn turning(self, angle: Track) -> Self {
        Self { angle, ..self }
    }

    /// With `zoom` pixels per texel, taken as at least 0.05.
    #[must_use]
    pub fn zooming(self, zoom: Track) -> Self {
        Self { zoom, ..self }
    }

    /// Leaning to the right by `shear` per unit of y.
    #[must_use]
    pub fn shearing(self, shear: Track) -> Self {
        Self { shear, ..self }
    }

    /// With these ripples, made weaker where together they would fold the texture over itself.
    #[must_use]
    pub fn rippling(mut self, mut waves: Vec<Wave>) -> Self {
        let strain: f32 = waves.iter().map(Wave::strain).sum();
        if strain > MAX_STRAIN {
            weaken(&mut waves, MAX_STRAIN / strain);
        }
        self.waves = waves;
        self
    }

    /// Carried along by another motion: its middle gains the other's speed at time 0.
    #[must_use]
    pub(super) fn carried_by(mut self, other: &Self) -> Self {
        for (track, other) in self.centre.iter_mut().zip(&other.centre) {
            track.rate += other.rate;
        }
        self
    }

    /// The motion `factor` times as fast from the same start; ripples get weaker with it, but never stronger.
    #[must_use]
    pub(super) fn sped_up(mut self, factor: f32) -> Self {
        self.centre = self.centre.map(|track| track.sped_up(factor));
        for track in [&mut self.angle, &mut self.zoom, &mut self.shear] {
            *track = track.sped_up(factor);
        }
        weaken(&mut self.waves, factor.min(1.0));
        self
    }

    /// The map at time `t`.
    pub fn at(&self, t: f32) -> Placement {
        let (zoom, shear) = (self.zoom.at(t).max(MIN_ZOOM), self.shear.at(t));
        let (s, c) = (zoom * sine(self.angle.at(t)), zoom * cosine(self.angle.at(t)));
        let forward = [[c, c * shear - s], [s, s * shear + c]];
        let [[a, b], [d, e]] = forward;
        let determinant = a * e - b * d;
        let backward = [[e / determinant, -b / determinant], [-d / determinant, a / determinant]];
        let waves = self.waves.iter().map(|wave| Wave { phase: wave.phase + wave.speed * t, ..*wave }).collect();
        Placement { centre: self.centre.map(|track| track.at(t)), forward, backward, waves }
    }
}

fn weaken(waves: &mut [Wave], factor: f32) {
    for amplitude in waves.iter_mut().flat_map(|wave| &mut wave.amplitude) {
        *amplitude *= factor;
    }
}

/// Where a layer is at one moment.
#[derive(Clone, Debug)]
pub struct Placement {
    centre: [f32; 2],
    forward: [[f32; 2]; 2],
    backward: [[f32; 2]; 2],
    waves: Vec<Wave>,
}

impl Placement {
    /// Where the texture's middle is seen, apart from ripples.
    pub fn centre(&self) -> [f32; 2] {
        self.centre
    }

    /// The texel seen at `point` of the frame.
    #[inline]
    pub fn to_texture(&self, point: [f32; 2]) -> [f32; 2] {
        let [x, y] = self.unrippled(point);
        let [dx, dy] = self.ripple([x, y]);
        [x + dx, y + dy]
    }

    /// Where in the frame the texel `place` is seen, within 1e-3 pixels.
    #[inline]
    pub fn to_frame(&self, place: [f32; 2]) -> [f32; 2] {
        // The ripples contract distances by at least 1 / MAX_STRAIN, so this fixed point exists and is approached from anywhere.
        let mut solution = place;
        if !self.waves.is_empty() {
            for _ in 0..32 {
                let [dx, dy] = self.ripple(solution);
                let next = [place[0] - dx, place[1] - dy];
                let step = (next[0] - solution[0]).abs() + (next[1] - solution[1]).abs();
                solution = next;
                if step < 1e-4 {
                    break;
                }
            }
        }
        let [x, y] = apply(&self.forward, solution);
        [x + self.centre[0], y + self.centre[1]]
    }

    /// The farthest from the centre that a texel is seen whose distance from the middle of the texture is at most `radius`.
    pub(super) fn reach(&self, radius: f32) -> f32 {
        let ripples: f32 = self.waves.iter().map(|wave| wave.amplitude[0].abs() + wave.amplitude[1].abs()).sum();
        // The Frobenius norm bounds how much the affine part can stretch.
        let stretch = self.forward.iter().flatten().map(|value| value * value).sum::<f32>().sqrt();
        stretch * (radius + ripples)
    }

    #[inline]
    fn unrippled(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        apply(&self.backward, [x - self.centre[0], y - self.centre[1]])
    }

    #[inline]
    fn ripple(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        self.waves.iter().fold([0.0; 2], |[dx, dy], wave| {
            let height = sine(wave.frequency[0] * x + wave.frequency[1] * y + wave.phase);
            [dx + wave.amplitude[0] * height, dy + wave.amplitude[1] * height]
        })
    }
}

#[inline]
fn apply(matrix: &[[f32; 2]; 2], [x, y]: [f32; 2]) -> [f32; 2] {
    matrix.map(|[a, b]| a * x + b * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rippling() -> Motion {
        let wave = |amplitude, frequency, phase| Wave { amplitude, frequency, phase, speed: 0.05 };
        Motion::new([80.0, 60.0].map(Track::fixed))
            .turning(Track::steady(0.1, 0.02))
            .zooming(Track::swinging(1.2, 0.02, 40.0, 0.0))
            .shearing(Track::fixed(0.2))
            .rippling(vec![wave([9.0, -4.0], [0.03, 0.01], 0.3), wave([1.0, 6.0], [-0.01, 0.05], 0.0)])
    }

    #[test]
    fn the_way_back_is_exact() {
        let motion = rippling();
        for t in [0.0, 1.0, 17.5] {
            let placement = motion.at(t);
            for at in 0..400 {
                let point = [(at % 20) as f32 * 9.0 - 10.0, (at / 20) as f32 * 8.0 - 10.0];
                let [x, y] = placement.to_frame(placement.to_texture(point));
                assert!((x - point[0]).abs() < 1e-3 && (y - point[1]).abs() < 1e-3, "{point:?} became {x} {y}");
            }
        }
    }

    #[test]
    fn ripples_that_would_fold_are_weakened() {
        let strain: f32 = rippling().waves.iter().map(Wave::strain).sum();
        assert!(strain <= MAX_STRAIN * 1.001, "{strain}");
    }

    #[test]
    fn a_swinging_track_starts_at_its_rate_and_comes_back() {
        let track = Track::swinging(5.0, 2.0, 40.0, 0.0);
        assert!((track.at(1.0) - 7.0).abs() < 0.02);
        assert!((track.at(40.0) - 5.0).abs() < 1e-4);
        assert_eq!(Track::steady(5.0, 2.0).at(3.0), 11.0);
    }

    #[test]
    fn reach_bounds_the_layer() {
        let placement = rippling().at(3.0);
        for step in 0..64 {
            let turns = step as f32 / 64.0;
            let [x, y] = placement.to_frame([30.0 * cosine(turns), 30.0 * sine(turns)]);
            let [cx, cy] = placement.centre();
            assert!((x - cx).hypot(y - cy) <= placement.reach(30.0));
        }
    }
}
