//! Clean sound: voices, notes and weather, never steady for long, or a part of a recording.

use rand::Rng;

use crate::scene::{Content, SoundLibrary, sine::sine};

/// Samples whose level is measured together to find pauses.
const BLOCK: usize = 128;
/// The share of a sound's largest sample that a block with something in it reaches.
const HEARD: f32 = 0.1;
/// What a sound is of is known when it is heard in so much of the window.
const MUCH: f32 = 1.0 / 3.0;
/// The logarithm of the loudest faint sound over the faintest.
const FAINTEST: f32 = 6.0;

/// `count` samples (−1 to 1) at `rate` per second, of a recording from `library` or of one to three sources together, and what they are of, if
/// anybody can say; the loudest lies between 0.06 and 0.7, of a few that are hardly heard between 1.5e-4 and 0.06.
pub(super) fn clean<R: Rng + ?Sized>(
    rng: &mut R,
    library: &SoundLibrary,
    count: usize,
    rate: f32,
) -> (Vec<f32>, Option<Content>) {
    let share: f32 = rng.random();
    let is_faint = rng.random_bool(0.06);
    let peak = if is_faint { 1.5e-4 * (FAINTEST * share * share).exp() } else { 0.06 + 0.64 * share * share };
    let (mut sound, content) = match library.draw(rng, count) {
        None => several(rng, count, rate),
        Some(part) => (part.samples, Some(part.content)),
    };
    let content = content.filter(|_| is_heard_much(&sound) && !is_faint);
    level_at(&mut sound, peak);
    if rng.random_bool(0.05) {
        die_away(rng, &mut sound, rate);
    }
    // No room is quite silent, but some are nearly so.
    let share: f32 = rng.random();
    let is_live = !is_faint && rng.random_bool(0.5);
    let floor = if is_live { 0.0008 + 0.0042 * share } else { 2e-5 + 8e-4 * share * share * share };
    sound.iter_mut().for_each(|sample| *sample += floor * rng.random_range(-1.0..1.0f32));
    if rng.random_bool(0.2) {
        pause(rng, &mut sound, rate);
    }
    (sound, content)
}

/// Before a recording begins or after it has ended there is nothing, or the little that a lossy codec leaves there, for less than half of the window:
/// most of such pauses are short, and half of them end or begin softly.
fn pause<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32], rate: f32) {
    let share: f32 = rng.random();
    let length = (share * share * (sound.len() / 2) as f32) as usize;
    let start = if rng.random_bool(0.5) { 0 } else { sound.len() - length };
    let floor = if rng.random_bool(0.7) { 0.0 } else { rng.random_range(1e-5..2e-4f32) };
    let ramp = if rng.random_bool(0.5) { (rate * rng.random_range(0.002..0.04f32)) as usize } else { 0 };
    // From the pause into the sound.
    let mut beside: Vec<&mut f32> = match start {
        0 => sound[length..].iter_mut().take(ramp).collect(),
        _ => sound[..start].iter_mut().rev().take(ramp).collect(),
    };
    beside.iter_mut().enumerate().for_each(|(at, sample)| **sample *= (at as f32 / ramp as f32).powi(2));
    sound[start..start + length].iter_mut().for_each(|sample| *sample = floor * rng.random_range(-1.0..1.0f32));
}

/// From some moment on the sound dies away, by 60 dB in a time of 0.2 to 1 second.
fn die_away<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32], rate: f32) {
    let start = rng.random_range(0..=sound.len() / 2);
    let fall = 1e-3f32.powf(1.0 / (rate * rng.random_range(0.2..1.0f32)));
    let mut level = 1.0;
    for sample in &mut sound[start..] {
        *sample *= level;
        level *= fall;
    }
}

fn is_heard_much(sound: &[f32]) -> bool {
    let loudest = |samples: &[f32]| samples.iter().fold(0f32, |loudest, sample| loudest.max(sample.abs()));
    let least = HEARD * loudest(sound);
    let blocks = sound.chunks(BLOCK);
    blocks.clone().filter(|block| loudest(block) >= least).count() as f32 >= MUCH * blocks.len() as f32
}

/// One to three sources together. With an imitated voice among them nobody can say whether they are speech.
fn several<R: Rng + ?Sized>(rng: &mut R, count: usize, rate: f32) -> (Vec<f32>, Option<Content>) {
    let (mut sound, mut content) = (vec![0.0; count], Some(Content::Other));
    for _ in 0..rng.random_range(1..=3) {
        let loudness = rng.random_range(0.15..1.0f32);
        let source = match rng.random_range(0..5) {
            0 | 1 => {
                content = None;
                voice(rng, count, rate)
            }
            2 | 3 => notes(rng, count, rate),
            _ => weather(rng, count),
        };
        sound.iter_mut().zip(source).for_each(|(sum, sample)| *sum += loudness * sample);
    }
    (sound, content)
}

/// Makes the loudest sample `peak`.
pub(super) fn level_at(sound: &mut [f32], peak: f32) {
    let loudest = sound.iter().fold(1e-6f32, |loudest, sample| loudest.max(sample.abs()));
    sound.iter_mut().for_each(|sample| *sample *= peak / loudest);
}

/// Syllables: a gliding tone whose overtones come and go, hissing sounds before some, and pauses.
fn voice<R: Rng + ?Sized>(rng: &mut R, count: usize, rate: f32) -> Vec<f32> {
    const OVERTONES: usize = 14;
    let mut sound = vec![0.0; count];
    let pitch = rng.random_range(85.0..280.0f32);
    let mut start = 0;
    while start < count {
        let length = (rate * rng.random_range(0.08..0.28f32)) as usize + 2;
        let (from, to) = (pitch * rng.random_range(0.85..1.2f32), pitch * rng.random_range(0.8..1.2f32));
        let formants = [rng.random_range(250.0..850.0f32), rng.random_range(850.0..2600.0f32)];
        let loudness = [1.0f32; OVERTONES].iter().enumerate().map(|(number, _)| {
            let frequency = (number + 1) as f32 * (from + to) / 2.0;
            let near = |formant: f32| 1.0 / (1.0 + ((frequency - formant) / 130.0) * ((frequency - formant) / 130.0));
            if frequency > 0.45 * rate { 0.0 } else { near(formants[0]) + 0.5 * near(formants[1]) + 0.04 }
        });
        let loudness: Vec<f32> = loudness.collect();
        let mut phase: f32 = rng.random();
        for (at, sample) in sound.iter_mut().skip(start).take(length).enumerate() {
            let share = at as f32 / length as f32;
            phase = (phase + (from + share * (to - from)) / rate).fract();
            let envelope = (share * 6.0).min(1.0) * ((1.0 - share) * 3.0).min(1.0);
            let tones: f32 = loudness.iter().enumerate().map(|(number, loud)| loud * sine((number + 1) as f32 * phase)).sum();
            *sample += envelope * tones;
        }
        if rng.random_bool(0.3) {
            let (length, loud) = ((rate * rng.random_range(0.02..0.09f32)) as usize + 1, rng.random_range(0.1..0.5f32));
            for (at, sample) in sound.iter_mut().skip(start).take(length).enumerate() {
                *sample += loud * (1.0 - at as f32 / length as f32) * rng.random_range(-1.0..1.0f32);
            }
        }
        let pause = if rng.random_bool(0.25) { rng.random_range(0.05..0.25f32) } else { 0.0 };
        start += length + (rate * pause) as usize;
    }
    sound
}

/// Struck or bowed notes with overtones.
fn notes<R: Rng + ?Sized>(rng: &mut R, count: usize, rate: f32) -> Vec<f32> {
    let mut sound = vec![0.0; count];
    let window = count as f32 / rate;
    for _ in 0..rng.random_range(1..=6) {
        let frequency = 70.0 * (1.0 + rng.random_range(0.0..3.2f32)) * (1.0 + rng.random_range(0.0..2.0f32));
        // Some began before the window.
        let start = rng.random_range(-0.5..0.9f32) * window;
        let (attack, decay) = (rng.random_range(0.004..0.08f32), rng.random_range(0.1..0.9f32));
        let (loud, bright) = (rng.random_range(0.2..1.0f32), rng.random_range(0.2..0.75f32));
        let (vibrato, speed) = (rng.random_range(0.0..0.012f32), rng.random_range(4.0..7.0f32));
        let mut phase: f32 = rng.random();
        for (at, sample) in sound.iter_mut().enumerate() {
            let time = at as f32 / rate - start;
            if time < 0.0 {
                continue;
            }
            phase = (phase + frequency * (1.0 + vibrato * sine(speed * time)) / rate).fract();
            let fall = decay / (decay + time);
            let envelope = (time / attack).min(1.0) * fall * fall;
            let mut share = loud * envelope;
            for number in 1..=6 {
                if frequency * number as f32 > 0.45 * rate {
                    break;
                }
                *sample += share * sine(number as f32 * phase);
                share *= bright;
            }
        }
    }
    sound
}

/// Wind, water and crowds: noise without its high tones, which swells.
fn weather<R: Rng + ?Sized>(rng: &mut R, count: usize) -> Vec<f32> {
    let corner = rng.random_range(0.02..0.25f32);
    let (turns, phase, depth) = (rng.random_range(0.3..4.0f32), rng.random::<f32>(), rng.random_range(0.2..0.9f32));
    let mut low = [0f32; 2];
    (0..count)
        .map(|at| {
            low[0] += corner * (rng.random_range(-1.0..1.0f32) - low[0]);
            low[1] += corner * (low[0] - low[1]);
            let swell = 1.0 - depth * (0.5 + 0.5 * sine(turns * at as f32 / count as f32 + phase));
            swell * low[1] / corner.max(0.05)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::scene::Recording;

    #[test]
    fn a_recording_says_what_it_is_of_unless_it_is_mostly_a_pause() {
        let of = |heard: usize| {
            let samples = (0..5120).map(|at| if at < heard { (at as f32).sin() } else { 0.0 }).collect();
            let library = SoundLibrary::mixed(vec![Recording { samples, content: Content::Speech }], 1.0);
            clean(&mut ChaCha8Rng::seed_from_u64(1), &library, 5120, 8000.0).1
        };
        assert_eq!((of(3000), of(600)), (Some(Content::Speech), None));
    }

    #[test]
    fn it_is_heard_and_within_range() {
        for seed in 0..40 {
            let (sound, content) = clean(&mut ChaCha8Rng::seed_from_u64(seed), &SoundLibrary::procedural(), 5120, 8000.0);
            assert_ne!(content, Some(Content::Speech));
            let loudest = sound.iter().fold(0f32, |loudest, sample| loudest.max(sample.abs()));
            assert!((1e-4..0.72).contains(&loudest), "seed {seed}: {loudest}");
        }
    }
}
