//! The report for people.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use perceiverflow::batch::{Report, Stopped};

use crate::{interrupt::INTERRUPTED, progress::clock};

/// Failures and unfinished files that are listed one by one; report.json has all.
const LISTED: usize = 20;

/// What a run did, in a few lines.
pub(super) fn of(report: &Report) -> String {
    let Report { files, windows, media_seconds, elapsed_seconds, stages, failures, .. } = report;
    let time = |seconds: f64| clock(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let mut text = format!("{} of {} files done", files.done, files.total);
    for (count, what) in [(files.done_earlier, "of them earlier"), (files.failed, "failed"), (files.unfinished, "unfinished")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    let _ = writeln!(
        text,
        "\n{windows} windows, {} of media in {}: {:.2} hours of media an hour, {:.1} windows in a model call",
        time(*media_seconds),
        time(*elapsed_seconds),
        report.media_hours_per_hour,
        report.mean_batch,
    );
    let stages = stages.iter().map(|stage| format!("{} {:.0}% of {}", stage.stage, 100.0 * stage.utilisation, stage.threads));
    let _ = writeln!(text, "busy: {}", stages.collect::<Vec<_>>().join(", "));
    for (cause, count) in &report.failures_by_cause {
        let _ = writeln!(text, "failed: {count} x {cause}");
    }
    if !report.damaged.is_empty() {
        let packets: u64 = report.damaged.iter().map(|damaged| damaged.packets).sum();
        let _ = writeln!(text, "damaged: {packets} packets or pictures of {} files that are done", report.damaged.len());
    }
    list(&mut text, "", failures.iter().map(|failure| failure.detail.replace('\n', " ")));
    list(&mut text, "damaged: ", report.damaged.iter().map(|damaged| format!("{}, {}", damaged.file, damaged.packets)));
    list(&mut text, "missing: ", report.missing_shards.iter());
    list(&mut text, "unfinished: ", report.unfinished.iter());
    match report.stopped {
        Some(Stopped::Interrupted) => text.push_str("interrupted; --resume goes on\n"),
        Some(Stopped::TooManyFailures) => text.push_str("ended: too many files failed\n"),
        None => {}
    }
    text
}

/// The first of some things that are amiss.
fn list(text: &mut String, kind: &str, things: impl ExactSizeIterator<Item: std::fmt::Display>) {
    let more = things.len().saturating_sub(LISTED);
    for thing in things.take(LISTED) {
        let _ = writeln!(text, "  {kind}{thing}");
    }
    if more > 0 {
        let _ = writeln!(text, "  {kind}and {more} more, see report.json");
    }
}

/// 3 where files failed and the run did what it could, a shard of nothing but damaged files included; 1 where too many failed.
pub(super) fn exit_code(done: &Report) -> ExitCode {
    match done.stopped {
        Some(Stopped::Interrupted) => ExitCode::from(INTERRUPTED as u8),
        Some(Stopped::TooManyFailures) => ExitCode::FAILURE,
        None if done.files.failed == 0 => ExitCode::SUCCESS,
        None => ExitCode::from(3),
    }
}
