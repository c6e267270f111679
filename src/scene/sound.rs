//! What a scene sounds like: a bell-like tone for every shape in front, over soft wind.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Scene, sine::sine};

/// Samples per second.
pub const SAMPLE_RATE: u32 = 48_000;

/// Notes for the shapes, from the backdrop forwards: a pentatonic scale over A2 has no pair that clashes.
const NOTES: [f32; 5] = [220.0, 330.0, 277.5, 440.0, 370.0];

/// Overtones of a tone: multiple of its frequency, loudness.
const OVERTONES: [(f32, f32); 4] = [(1.0, 1.0), (2.0, 0.35), (3.0, 0.12), (4.01, 0.06)];

/// How much of the way to its target loudness a tone goes with every sample: 20 ms for most of it, so that nothing clicks.
const GLIDE: f32 = 0.001;

impl Scene {
    /// The sound of the first `samples` samples (left, right; -1 to 1) at [`SAMPLE_RATE`], for frames shown at `frame_rate` per
    /// second.
    ///
    /// Every shape in front hums a note that rises by up to a fourth as the shape goes up, comes from where the shape is, and gets
    /// louder with its speed. The same scene always sounds the same.
    pub fn sound(&self, samples: usize, frame_rate: f32) -> Vec<[f32; 2]> {
        let mut sound = wind(samples);
        for (number, layer) in self.layers.iter().skip(1).enumerate() {
            let note = NOTES[number % NOTES.len()];
            let (mut phase, mut loudness) = (0f64, [0.0; 2]);
            let place = |t: f32| layer.motion().at(t).centre();
            for (at, sample) in sound.iter_mut().enumerate() {
                let t = at as f32 / SAMPLE_RATE as f32 * frame_rate;
                let [x, y] = place(t);
                let [nx, ny] = place(t + 1.0);
                let speed = ((nx - x) * (nx - x) + (ny - y) * (ny - y)).sqrt();
                let across = (x / self.width as f32).clamp(0.0, 1.0);
                let up = 1.0 - (y / self.height as f32).clamp(0.0, 1.0);

                phase = (phase + f64::from(note * (1.0 + up / 3.0)) / f64::from(SAMPLE_RATE)).fract();
                let turns = phase as f32;
                let tone: f32 = OVERTONES.iter().map(|(multiple, share)| share * sine(multiple * turns)).sum();
                let level = 0.03 + 0.05 * (speed / 4.0).min(1.0);
                // Equal power: the two squared loudnesses sum to one wherever the shape is.
                for (loudness, pan) in loudness.iter_mut().zip([1.0 - across, across]) {
                    *loudness += GLIDE * (level * pan.sqrt() - *loudness);
                }
                sample[0] += loudness[0] * tone;
                sample[1] += loudness[1] * tone;
            }
        }
        for sample in sound.iter_mut().flatten() {
            *sample = sample.clamp(-1.0, 1.0);
        }
        sound
    }
}

/// Noise through two low passes whose corner rises and falls every few seconds, another for each ear.
fn wind(samples: usize) -> Vec<[f32; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut state = [[0f32; 2]; 2];
    (0..samples)
        .map(|at| {
            let seconds = at as f32 / SAMPLE_RATE as f32;
            let corner = 0.02 + 0.012 * sine(seconds / 5.0);
            state.each_mut().map(|[first, second]| {
                *first += corner * (rng.random_range(-1.0..1.0) - *first);
                *second += corner * (*first - *second);
                0.25 * *second
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Layer, Motion, Shape, Texture, Track};

    fn scene(x: f32) -> Scene {
        let grey = |_, _| [128; 3];
        let still = |centre: [f32; 2]| Motion::new(centre.map(Track::fixed));
        let disc = Layer::new(Texture::from_fn(9, 9, grey).cut_out(&Shape::disc(4.0)), still([x, 20.0]));
        Scene::new(100, 40, Layer::new(Texture::from_fn(4, 4, grey), still([50.0, 20.0])), [disc])
    }

    #[test]
    fn it_comes_from_where_the_shape_is() {
        let power = |ear: usize| scene(90.0).sound(24_000, 25.0).iter().map(|s| f64::from(s[ear]).powi(2)).sum::<f64>();
        assert!(power(1) > 2.0 * power(0));
    }

    #[test]
    fn it_is_audible_within_range_and_always_the_same() {
        let sound = scene(50.0).sound(24_000, 25.0);
        assert!(sound.iter().flatten().all(|s| s.abs() < 0.9));
        assert!(sound.iter().flatten().any(|s| s.abs() > 0.01));
        let jump = sound.windows(2).map(|pair| (pair[1][0] - pair[0][0]).abs()).fold(0.0, f32::max);
        assert!(jump < 0.05, "{jump}");
        assert_eq!(sound, scene(50.0).sound(24_000, 25.0));
    }
}
