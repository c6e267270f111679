//! False labels: what a model finds wrong with files that nothing is wrong with.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use perceiverflow::{
    Result,
    scene::faults::Fault,
    tasks::{Autoencode, Head, ReconstructionError, VideoQueries},
    train::{SpectralDistance, SpectralDistances},
};
use serde_json::{Value, json};

use crate::{
    clips::{ClipArguments, Windows},
    interrupt::Interrupt,
    model::ModelArguments,
};

/// What was said of one file.
pub(super) struct CleanFile {
    path: PathBuf,
    seconds: f64,
    /// How often each label was said; in windows that follow each other it counts once.
    said: BTreeMap<&'static str, usize>,
    /// Of the reconstructed pictures, and of the sound; none where the file has none.
    video: Option<Errors>,
    sound: Option<(Errors, SpectralDistances)>,
}

/// Squared errors of windows, and what they are errors of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Errors {
    windows: usize,
    /// Sums of the windows' means.
    error: f64,
    power: f64,
}

impl Errors {
    fn add(&mut self, error: f64, values: &[f32]) {
        self.windows += 1;
        self.error += error;
        self.power += values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len().max(1) as f64;
    }

    /// All of them together; none of no window.
    fn all<'a>(of: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let add = |sum: Self, other: &Self| Self {
            windows: sum.windows + other.windows,
            error: sum.error + other.error,
            power: sum.power + other.power,
        };
        Some(of.fold(Self::default(), add)).filter(|all| all.windows > 0)
    }

    /// Peak signal-to-noise ratio in dB, of levels of 0 to 1.
    fn psnr(&self) -> f64 {
        -10.0 * (self.error / self.windows as f64).log10()
    }

    /// Signal-to-noise ratio in dB: 0 is what silence would get.
    fn snr(&self) -> f64 {
        10.0 * (self.power / self.error).log10()
    }
}

impl CleanFile {
    /// Of a file taken for clean.
    pub(super) fn of(path: &Path, task: &Autoencode, clips: &ClipArguments, model: &ModelArguments) -> Result<Self> {
        let windows = Windows::read(path, clips, task.preprocessor(clips.framing()))?;
        let is_there = |fault: &Fault| if fault.is_of_sound() { windows.has_sound } else { windows.video.is_some() };
        // How the camera moves, cuts, fades and what is heard are no faults.
        let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| !fault.is_content() && is_there(fault)).collect();
        let of_video = windows.video.is_some().then(Errors::default);
        let shape = task.preprocessor(clips.framing()).shape();
        let of_sound = windows.has_sound.then(|| (Errors::default(), SpectralDistances::new(shape.sample_rate, shape.samples())));
        let mut file = Self { path: path.to_owned(), seconds: 0.0, said: BTreeMap::new(), video: of_video, sound: of_sound };
        let length = shape.duration();
        let mut before: Vec<Fault> = Vec::new();
        windows.each_batch(model, true, &Interrupt::listen(), |windows| {
            let inputs: Vec<_> = windows.iter().map(|window| &window.inputs).collect();
            let latents = task.encode(&inputs)?;
            let latents: Vec<_> = latents.iter().collect();
            for (window, scores) in windows.iter().zip(task.decode(&latents, Head::Labels)?) {
                let (labels, thresholds) = (task.labels(&scores), task.thresholds());
                let holds = |fault: &Fault| {
                    let label = labels.as_slice().iter().find(|label| &*label.name == fault.name());
                    label.is_some_and(|label| label.confidence >= thresholds.get(fault.name()).copied().unwrap_or(0.5))
                };
                // What is left of a window behind the end of the file is silent and stands still.
                let is_whole = window.range().end - window.range().start >= length;
                // What holds by the label's own definition, as a silence that is one, is not said falsely.
                let is_true = |fault: &Fault| fault.holds_of(window.inputs.audio()) == Some(true);
                let is_false = |fault: &Fault| is_whole && holds(fault) && !is_true(fault);
                let now: Vec<Fault> = faults.iter().copied().filter(is_false).collect();
                for fault in now.iter().filter(|fault| !before.contains(fault)) {
                    *file.said.entry(fault.name()).or_default() += 1;
                }
                before = now;
                file.seconds = file.seconds.max(window.range().end.as_secs_f64());
            }
            if let Some(errors) = &mut file.video {
                for (inputs, levels) in inputs.iter().zip(task.decode(&latents, Head::Video(VideoQueries::default()))?) {
                    errors.add(
                        ReconstructionError::of_video(inputs, &levels, task.video_grid(), VideoQueries::default())?.mse,
                        inputs.image(),
                    );
                }
            }
            if let Some((errors, distances)) = &mut file.sound {
                for (inputs, samples) in inputs.iter().zip(task.decode(&latents, Head::Audio)?) {
                    errors.add(ReconstructionError::of_audio(inputs, &samples)?.mse, inputs.audio());
                    distances.add(inputs.audio(), &samples);
                }
            }
            Ok(())
        })?;
        Ok(file)
    }

    fn count(&self) -> usize {
        self.said.values().sum()
    }
}

/// False labels in ten minutes of all files together.
fn rate(files: &[CleanFile]) -> f64 {
    let (count, seconds) =
        (files.iter().map(CleanFile::count).sum::<usize>(), files.iter().map(|file| file.seconds).sum::<f64>());
    count as f64 / (seconds / 600.0).max(f64::MIN_POSITIVE)
}

/// Of all windows of all files, none where no file has it.
struct Reconstruction {
    /// PSNR in dB.
    video: Option<f64>,
    /// SNR in dB.
    sound: Option<f64>,
    spectral_distance: Option<SpectralDistance>,
}

impl Reconstruction {
    fn of(files: &[CleanFile]) -> Self {
        let (sounds, distances): (Vec<_>, Vec<_>) =
            files.iter().filter_map(|file| file.sound.as_ref()).map(|(errors, distances)| (errors, distances)).unzip();
        Self {
            video: Errors::all(files.iter().filter_map(|file| file.video.as_ref())).map(|all| all.psnr()),
            sound: Errors::all(sounds.into_iter()).map(|all| all.snr()),
            spectral_distance: SpectralDistances::mean(&distances),
        }
    }
}

pub(super) fn json(model: &str, hash: &str, files: &[CleanFile]) -> String {
    let file = |file: &CleanFile| {
        json!({
            "input": file.path,
            "seconds": file.seconds,
            "false_labels": file.said,
            "video_psnr_db": file.video.map(|errors| errors.psnr()),
            "audio_snr_db": file.sound.as_ref().map(|(errors, _)| errors.snr()),
        })
    };
    let all: Vec<Value> = files.iter().map(file).collect();
    let Reconstruction { video, sound, spectral_distance } = Reconstruction::of(files);
    let report = json!({
        "model": model,
        "hash": hash,
        "files": all,
        "false_labels_in_ten_minutes": rate(files),
        "video_psnr_db": video,
        "audio_snr_db": sound,
        "audio_log_spectral_distance_db": spectral_distance,
    });
    format!("{report:#}\n")
}

pub(super) fn table(files: &[CleanFile]) -> String {
    let name = |file: &CleanFile| file.path.display().to_string();
    let width = files.iter().map(|file| name(file).chars().count()).max().unwrap_or(0).max(4);
    let decibels = |value: Option<f64>| value.map_or(String::from("-"), |value| format!("{value:.1}"));
    let mut text = format!("{:width$} {:>8} {:>8} {:>8} {:>6}  false labels\n", "file", "seconds", "PSNR dB", "SNR dB", "false");
    for file in files {
        let said: Vec<String> = file.said.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let [psnr, snr] =
            [decibels(file.video.map(|errors| errors.psnr())), decibels(file.sound.as_ref().map(|(errors, _)| errors.snr()))];
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "{:width$} {:8.1} {psnr:>8} {snr:>8} {:6}  {}",
            name(file),
            file.seconds,
            file.count(),
            said.join(", ")
        );
    }
    let _ = writeln!(text, "{:.2} false labels in ten minutes", rate(files));
    let Reconstruction { video, sound, spectral_distance } = Reconstruction::of(files);
    let [video, sound] = [video, sound].map(decibels);
    let _ = writeln!(text, "reconstructed: video {video} dB (PSNR), sound {sound} dB (SNR)");
    if let Some(distance) = spectral_distance {
        let _ = writeln!(text, "sound: {distance}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_labels_are_reckoned_on_ten_minutes() {
        let file = |name: &str, seconds, said: &[(&'static str, usize)]| CleanFile {
            path: name.into(),
            seconds,
            said: said.iter().copied().collect(),
            video: Some(Errors { windows: 2, error: 0.002, power: 0.5 }),
            sound: (name == "a.mp4").then(|| {
                let mut distances = SpectralDistances::new(8000, 512);
                distances.add(&[0.1; 512], &[0.1; 512]);
                (Errors { windows: 1, error: 0.1, power: 0.1 }, distances)
            }),
        };
        let files = [file("a.mp4", 90.0, &[("blur", 2), ("hum", 1)]), file("b.mp4", 60.0, &[])];
        assert_eq!(rate(&files), 12.0);
        let of_pictures = table(&files[1..]);
        assert!(of_pictures.ends_with("video 30.0 dB (PSNR), sound - dB (SNR)\n"), "{of_pictures}");
        let table = table(&files);
        assert!(table.contains("blur 2, hum 1") && table.contains("\n12.00 false labels in ten minutes\n"), "{table}");
        assert!(
            table.contains("video 30.0 dB (PSNR), sound 0.0 dB (SNR)\nsound: log-spectral distance 0.00 dB (silence"),
            "{table}"
        );
        let value: Value = serde_json::from_str(&json("mine", "abc", &files)).unwrap();
        assert_eq!(
            (&value["files"][0]["false_labels"]["blur"], &value["false_labels_in_ten_minutes"]),
            (&json!(2), &json!(12.0))
        );
        assert_eq!((&value["audio_snr_db"], &value["audio_log_spectral_distance_db"]["model"]), (&json!(0.0), &json!(0.0)));
    }
}
