//! Labels in time as WebVTT (W3C, "WebVTT: The Web Video Text Tracks Format"): what players show as subtitles.
//!
//! ```text
//! WEBVTT
//!
//! 00:00:00.640 --> 00:00:01.280
//! juggling balls 87%
//! throwing axe 4%
//! ```

use std::{fmt::Write as _, ops::Range, time::Duration};

use crate::media::Labels;

/// How every file begins.
pub const HEADER: &str = "WEBVTT\n\n";

/// The cue of one window: a line for each label, the surest first, with its confidence in percent. Empty where there are no labels. A file is
/// the [`HEADER`] and its cues in the order of their beginnings.
pub fn cue(window: &Range<Duration>, labels: &Labels) -> String {
    if labels.as_slice().is_empty() {
        return String::new();
    }
    let start = milliseconds(window.start);
    // A cue has to end after it began.
    let end = milliseconds(window.end).max(start + 1);
    let mut cue = format!("{} --> {}\n", timestamp(start), timestamp(end));
    for label in labels.as_slice() {
        let _ = writeln!(cue, "{} {:.0}%", escaped(&label.name), 100.0 * label.confidence);
    }
    cue.push('\n');
    cue
}

/// Rounded, so that times that video formats round down come out as they were meant.
fn milliseconds(time: Duration) -> u128 {
    (time.as_micros() + 500) / 1000
}

/// `01:02:03.456`; the hours take as many digits as they need, and two at least.
fn timestamp(milliseconds: u128) -> String {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{milliseconds:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// One line of text in which nothing is markup; that no line is empty and none holds an arrow keeps the cue in one piece.
fn escaped(name: &str) -> String {
    let line: Vec<&str> = name.split_whitespace().collect();
    line.join(" ").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Label;

    fn seconds(start: f64, end: f64) -> Range<Duration> {
        Duration::from_secs_f64(start)..Duration::from_secs_f64(end)
    }

    fn labels(named: &[(&str, f32)]) -> Labels {
        let labels = named.iter().map(|&(name, confidence)| Label { index: 0, name: name.into(), confidence });
        Labels::new(labels.collect())
    }

    /// A reader as strict as the specification: beginnings and ends in milliseconds, and the lines between with their escapes undone.
    fn read(file: &str) -> Vec<(u64, u64, Vec<String>)> {
        let time = |text: &str| -> u64 {
            let (clock, milliseconds) = text.split_once('.').unwrap();
            let parts: Vec<u64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
            let [hours, minutes, seconds] = parts[..] else { panic!("{text}") };
            assert!(milliseconds.len() == 3 && minutes < 60 && seconds < 60 && clock.len() >= 8, "{text}");
            ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds.parse::<u64>().unwrap()
        };
        let body = file.strip_prefix("WEBVTT\n\n").unwrap();
        let blocks = body.split("\n\n").filter(|block| !block.is_empty());
        let cues: Vec<(u64, u64, Vec<String>)> = blocks
            .map(|block| {
                let (times, text) = block.split_once('\n').unwrap();
                assert!(!text.contains("-->") && !text.contains('<'), "{text}");
                let (start, end) = times.split_once(" --> ").unwrap();
                let plain = |line: &str| line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                (time(start), time(end), text.lines().map(plain).collect())
            })
            .collect();
        assert!(cues.iter().all(|(start, end, _)| start < end) && cues.is_sorted_by_key(|cue| cue.0));
        cues
    }

    #[test]
    fn what_is_written_is_read_again() {
        let cues = [
            (seconds(0.0, 0.64), labels(&[("juggling balls", 0.871), ("a & b <i> -->\n\nNOTE", 0.04)])),
            (seconds(0.64, 1.28), labels(&[])),
            (seconds(1.28, 1.28), labels(&[("&lt;", 1.0)])),
            (seconds(3723.4567, 360_000.0), labels(&[("long", 0.5)])),
        ];
        let file = cues.iter().fold(HEADER.to_owned(), |file, (window, labels)| file + &cue(window, labels));
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let expected = [
            (0, 640, lines(&["juggling balls 87%", "a & b <i> --> NOTE 4%"])),
            (1280, 1281, lines(&["&lt; 100%"])),
            (3_723_457, 360_000_000, lines(&["long 50%"])),
        ];
        assert_eq!(read(&file), expected);
    }
}
