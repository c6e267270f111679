//! What FFmpeg's own detectors say of the same windows: blackdetect, freezedetect and silencedetect of the program `ffmpeg`.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    ops::Range,
    process::{ChildStdin, Command, Stdio},
    thread,
};

use perceiverflow::{
    Error, Result,
    media::ClipShape,
    scene::faults::{Fault, FaultyWindows},
    train::LabelScore,
};

/// A detector, the label it finds, and how much of a window it has to cover: black all of it but a frame's rounding, a freeze what follows
/// its first third, silence half.
pub(super) struct Detector {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    /// What it calls its findings.
    key: &'static str,
    covers: f64,
}

pub(super) const DETECTORS: [Detector; 3] = [
    Detector { name: "blackdetect", fault: Fault::Black, key: "black", covers: 0.9 },
    Detector { name: "freezedetect", fault: Fault::Freeze, key: "freeze", covers: 0.6 },
    Detector { name: "silencedetect", fault: Fault::Silence, key: "silence", covers: 0.45 },
];

/// What a detector says of every window: none of those that it cannot be judged by.
pub(super) type Said = Vec<Option<bool>>;

/// What was found, and what is true.
pub(super) struct Findings {
    /// In the order of [`DETECTORS`].
    said: [Said; 3],
    faults: Vec<BTreeSet<Fault>>,
}

impl Findings {
    /// Of the windows of these numbers, played one after the other; none where there is no program `ffmpeg`.
    pub(super) fn of(windows: &FaultyWindows, shape: ClipShape, side: usize, numbers: Range<u64>) -> Result<Option<Self>> {
        let length = shape.duration().as_secs_f64();
        let rate = format!("{}/{}", shape.sample_rate, shape.samples_per_frame);
        let (size, sound_rate) = (format!("{side}x{side}"), shape.sample_rate.to_string());
        let (mut faults, mut unclear) = (Vec::new(), Vec::new());
        let pictures = format!("blackdetect=d={}:pix_th=0.1,freezedetect=n=0.001:d={}", 0.9 * length, 0.5 * length);
        let video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", &rate, "-i", "-", "-vf", &pictures];
        let shown = run(&video, |input| {
            numbers.clone().try_for_each(|number| {
                let window = windows.window(number);
                unclear.push(window.is_still_but_for_its_grain());
                faults.push(window.faults.clone());
                window.pictures.iter().try_for_each(|picture| input.write_all(picture.rgb()))
            })
        })?;
        let sounds = format!("silencedetect=n=-78dB:d={}", 0.4 * length);
        let audio = ["-f", "f32le", "-ar", &sound_rate, "-ac", "1", "-i", "-", "-af", &sounds];
        let heard = run(&audio, |input| {
            numbers.clone().try_for_each(|number| {
                let samples = windows.window(number).samples;
                input.write_all(&samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())
            })
        })?;
        let (Some(shown), Some(heard)) = (shown, heard) else { return Ok(None) };
        let said = DETECTORS.map(|detector| {
            let intervals = intervals(if detector.fault == Fault::Silence { &heard } else { &shown }, detector.key);
            let says = |(at, faults): (usize, &BTreeSet<Fault>)| {
                // Black and colour bars stand still as well, and are not called frozen; what differs by less than a level is lost in the bytes
                // that the detector reads.
                let still = unclear[at] || [Fault::Black, Fault::ColourBars].iter().any(|fault| faults.contains(fault));
                let judged = detector.fault != Fault::Freeze || !still;
                judged.then(|| covered(&intervals, at as f64 * length, length) >= detector.covers)
            };
            faults.iter().enumerate().map(says).collect()
        });
        Ok(Some(Self { said, faults }))
    }

    /// How well a detector, by its number, does, and how well whoever said `other` of each window does on those it is judged by.
    pub(super) fn scores(&self, detector: usize, other: &[bool]) -> (LabelScore, LabelScore) {
        let truth = self.faults.iter().map(|faults| faults.contains(&DETECTORS[detector].fault));
        let judged = self.said[detector].iter().zip(other).zip(truth);
        let judged: Vec<(bool, bool, bool)> =
            judged.filter_map(|((said, other), truth)| said.map(|said| (said, *other, truth))).collect();
        let score = |said: fn(&(bool, bool, bool)) -> bool| {
            LabelScore::at(0.5, &judged.iter().map(|window| (f32::from(u8::from(said(window))), window.2)).collect::<Vec<_>>())
        };
        (score(|window| window.0), score(|window| window.1))
    }
}

/// Runs `ffmpeg` on what `feed` writes; its messages, or none where there is no such program.
fn run(arguments: &[&str], feed: impl FnOnce(&mut ChildStdin) -> std::io::Result<()> + Send) -> Result<Option<String>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostats", "-v", "info"]).args(arguments).args(["-f", "null", "-"]);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let failed = || Error::io("ffmpeg");
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        spawned => spawned.map_err(failed())?,
    };
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut messages = Vec::new();
    let fed = thread::scope(|scope| {
        // Its messages are read meanwhile: it waits for whoever does not.
        let feeding = scope.spawn(move || stdin.map_or(Ok(()), |mut stdin| feed(&mut stdin)));
        let read = stderr.map_or(Ok(0), |mut stderr| stderr.read_to_end(&mut messages));
        feeding.join().unwrap_or(Ok(())).and(read.map(drop))
    });
    let ended = child.wait().map_err(failed())?;
    let messages = String::from_utf8_lossy(&messages).into_owned();
    if !ended.success() {
        return Err(Error::format("ffmpeg", messages.lines().last().unwrap_or("it failed").to_owned()));
    }
    fed.map_err(failed())?;
    Ok(Some(messages))
}

/// When `key` begins and ends, in seconds, in the detectors' messages. What does not end lasts for ever.
fn intervals(messages: &str, key: &str) -> Vec<Range<f64>> {
    let (starts, ends) = (format!("{key}_start:"), format!("{key}_end:"));
    let after = |line: &str, what: &str| -> Option<f64> {
        let rest = line.split_once(what)?.1.trim_start();
        rest.split(|c: char| !(c.is_ascii_digit() || "+-.e".contains(c))).next()?.parse().ok()
    };
    let mut found: Vec<Range<f64>> = Vec::new();
    for line in messages.lines() {
        found.extend(after(line, &starts).map(|start| start..f64::INFINITY));
        if let (Some(end), Some(last)) = (after(line, &ends), found.last_mut()) {
            last.end = end;
        }
    }
    found
}

/// The share of a window that intervals cover.
fn covered(intervals: &[Range<f64>], start: f64, length: f64) -> f64 {
    let shared = intervals.iter().map(|interval| interval.end.min(start + length) - interval.start.max(start));
    shared.filter(|seconds| *seconds > 0.0).sum::<f64>() / length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_detectors_are_read() {
        let messages = "[blackdetect @ 0x1] black_start:0 black_end:0.64 black_duration:0.64\n\
                        [freezedetect @ 0x2] lavfi.freezedetect.freeze_start: 1.28\n\
                        [silencedetect @ 0x3] silence_start: -0.001\n\
                        [freezedetect @ 0x2] lavfi.freezedetect.freeze_duration: 0.4\n\
                        [freezedetect @ 0x2] lavfi.freezedetect.freeze_end: 1.68\n\
                        [freezedetect @ 0x2] lavfi.freezedetect.freeze_start: 9\n\
                        [silencedetect @ 0x3] silence_end: 0.5 | silence_duration: 0.501";
        assert_eq!(intervals(messages, "black"), [0.0..0.64]);
        assert_eq!(intervals(messages, "freeze"), [1.28..1.68, 9.0..f64::INFINITY]);
        assert_eq!(intervals(messages, "silence"), [-0.001..0.5]);
    }

    #[test]
    fn a_window_is_covered_by_what_lies_within_it() {
        let intervals = [0.0..0.64, 1.0..1.2];
        assert_eq!(covered(&intervals, 0.0, 0.64), 1.0);
        assert!((covered(&intervals, 0.64, 0.64) - 0.2 / 0.64).abs() < 1e-9);
        assert_eq!(covered(&intervals, 1.28, 0.64), 0.0);
    }
}
