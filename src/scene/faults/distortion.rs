//! What is put on the sound of a window.

use rand::Rng;

use super::voices::level_at;
use crate::scene::sine::sine;

/// Largest sample of silence.
const SILENT: f32 = 1e-4;
/// Seconds of sound at least before and behind a gap, within the window.
const MARGIN: f32 = 0.005;
/// The least level there, as a share of the sound's.
const AROUND: f32 = 0.1;
/// Peak of sounds that are not clipped.
const HEADROOM: f32 = 0.85;

/// Nothing, or the last bits of a converter, at the beginning or the end or all through.
pub(super) fn silence<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32]) {
    let count = sound.len();
    let length = if rng.random_bool(0.6) { count } else { rng.random_range(count / 2..=count) };
    let start = if rng.random_bool(0.5) { 0 } else { count - length };
    let floor = if rng.random_bool(0.5) { 0.0 } else { SILENT };
    sound[start..start + length].iter_mut().for_each(|sample| *sample = floor * rng.random_range(-1.0..1.0f32));
}

/// Whether `sound` is a silence: half of it or more, at its beginning or its end, without a sample above 1e-4 of
/// a full scale of 1. So is no sample at all.
pub(super) fn is_silent(sound: &[f32]) -> bool {
    let quiet = |sample: &&f32| sample.abs() <= SILENT;
    let (before, behind) = (sound.iter().take_while(quiet).count(), sound.iter().rev().take_while(quiet).count());
    2 * before.max(behind) >= sound.len()
}

/// A line-up tone instead of the programme.
pub(super) fn tone<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32], rate: f32) {
    // Half of all tones are 1 kHz or 400 Hz.
    let frequency = match rng.random_range(0..4) {
        0 => 1000.0,
        1 => 400.0,
        _ => rng.random_range(200.0..3000.0f32),
    };
    let (level, mut phase) = (rng.random_range(0.05..0.8f32), rng.random::<f32>());
    for sample in sound {
        phase = (phase + frequency / rate).fract();
        *sample = level * sine(phase);
    }
}

/// White noise upon the sound.
pub(super) fn hiss<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32]) {
    let share: f32 = rng.random();
    let power = (0.012 + 0.07 * share * share).max(rng.random_range(0.2..0.8) * root_mean_square(sound));
    // A uniform number from −1 to 1 has a root mean square of 1/√3.
    let level = power * 3f32.sqrt();
    sound.iter_mut().for_each(|sample| *sample += level * rng.random_range(-1.0..1.0f32));
}

/// The mains under the sound.
pub(super) fn hum<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32], rate: f32) {
    let mains = if rng.random_bool(0.5) { 50.0 } else { 60.0 };
    let shares = [rng.random_range(0.4..1.0f32), rng.random_range(0.1..0.8), rng.random_range(0.05..0.6)];
    let power = (shares.iter().map(|share| share * share).sum::<f32>() / 2.0).sqrt();
    let share: f32 = rng.random();
    let level = (0.015 + 0.12 * share * share).max(rng.random_range(0.3..1.2) * root_mean_square(sound)) / power;
    let phases = [(); 3].map(|()| rng.random::<f32>());
    for (at, sample) in sound.iter_mut().enumerate() {
        let turns = mains * at as f32 / rate;
        let tones = (0..3).map(|number| shares[number] * sine((number + 1) as f32 * turns + phases[number]));
        *sample += level * tones.sum::<f32>();
    }
}

/// Too loud for where it was recorded.
pub(super) fn clipping<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32]) {
    let share = rng.random_range(0.04..0.25f32);
    let limit = if rng.random_bool(0.6) { 1.0 } else { rng.random_range(0.6..1.0f32) };
    let mut levels: Vec<f32> = sound.iter().map(|sample| sample.abs()).collect();
    levels.sort_by(f32::total_cmp);
    let at = ((1.0 - share) * levels.len() as f32) as usize;
    let gain = limit / levels.get(at.min(levels.len().saturating_sub(1))).copied().unwrap_or(1.0).max(1e-6);
    sound.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-limit, limit));
}

/// Packets that were lost. Each gap is where there was something to hear, and has sound before and behind it; without such a place there is none, and
/// `false` comes back.
pub(super) fn dropout<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32], rate: f32) -> bool {
    let mean = root_mean_square(sound);
    let (mut any, margin) = (false, (rate * MARGIN) as usize);
    for _ in 0..rng.random_range(1..=5) {
        let length = (rate * rng.random_range(0.008..0.05f32)) as usize;
        for _ in 0..8 {
            if sound.len() < length + 2 * margin {
                break;
            }
            let start = rng.random_range(margin..=sound.len() - length - margin);
            let end = start + length;
            let is_heard = |part: &[f32], share: f32| mean > 0.0 && root_mean_square(part) >= share * mean;
            let around = [&sound[start - margin..start], &sound[end..end + margin]];
            // Next to a pause it would only be more of it.
            if is_heard(&sound[start..end], 0.5) && around.iter().all(|part| is_heard(part, AROUND)) {
                sound[start..end].fill(0.0);
                any = true;
                break;
            }
        }
    }
    any
}

/// A level of its own that a converter adds to every sample, −0.4 to 0.4. Not a label.
pub(super) fn offset<R: Rng + ?Sized>(rng: &mut R, sound: &mut [f32]) {
    let share: f32 = rng.random_range(-1.0..1.0);
    let level = 0.4 * share * share.abs();
    sound.iter_mut().for_each(|sample| *sample += level);
}

/// Leaves no sample at a limit that would look like clipping.
pub(super) fn keep_headroom(sound: &mut [f32]) {
    if sound.iter().any(|sample| sample.abs() > HEADROOM) {
        level_at(sound, HEADROOM);
    }
}

fn root_mean_square(sound: &[f32]) -> f32 {
    (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::scene::{SoundLibrary, faults::voices};

    const RATE: f32 = 8000.0;

    fn each(mut check: impl FnMut(&mut ChaCha8Rng, Vec<f32>)) {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (sound, _) = voices::clean(&mut rng, &SoundLibrary::procedural(), 5120, RATE);
            check(&mut rng, sound);
        }
    }

    #[test]
    fn silence_is_half_of_the_window_or_more() {
        each(|rng, mut sound| {
            silence(rng, &mut sound);
            assert!(is_silent(&sound));
        });
        let mut sound = vec![0.1; 10];
        sound[..4].fill(-SILENT);
        assert!(!is_silent(&sound));
        sound[5..].fill(0.0);
        assert!(is_silent(&sound), "half of it, at the end");
    }

    #[test]
    fn clipping_holds_the_share_at_the_limit() {
        each(|rng, mut sound| {
            clipping(rng, &mut sound);
            let limit = sound.iter().fold(0f32, |limit, sample| limit.max(sample.abs()));
            let share = sound.iter().filter(|sample| sample.abs() > 0.999 * limit).count() as f32 / 5120.0;
            assert!((0.6..=1.0).contains(&limit) && (0.039..0.26).contains(&share), "{limit} {share}");
        });
    }

    #[test]
    fn noise_and_mains_are_as_loud_as_said() {
        each(|rng, sound| {
            let added = |after: &[f32]| {
                let difference: Vec<f32> = after.iter().zip(&sound).map(|(after, before)| after - before).collect();
                root_mean_square(&difference)
            };
            let (mut hissing, mut humming) = (sound.clone(), sound.clone());
            hiss(rng, &mut hissing);
            hum(rng, &mut humming, RATE);
            let own = root_mean_square(&sound);
            assert!(added(&hissing) > 0.95 * (0.2 * own).max(0.012), "{} {own}", added(&hissing));
            assert!(added(&humming) > 0.9 * (0.3 * own).max(0.015), "{} {own}", added(&humming));
        });
    }

    #[test]
    fn gaps_are_gaps() {
        each(|rng, mut sound| {
            let before = sound.iter().filter(|&&sample| sample == 0.0).count();
            assert!(dropout(rng, &mut sound, RATE));
            let gaps = sound.iter().filter(|&&sample| sample == 0.0).count() - before;
            assert!((60..=2000).contains(&gaps), "{gaps}");
        });
        assert!(!dropout(&mut ChaCha8Rng::seed_from_u64(1), &mut [0.0; 800], RATE));
    }
}
