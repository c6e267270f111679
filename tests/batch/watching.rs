//! What somebody sees who watches a run, and what a log gets.

use std::process::{Command, Stdio};

use crate::place::{FLOW, Place};

/// A run that shows its progress.
const RUN: [&str; 11] = ["batch", "--task", "flow", "--model", FLOW, "--scale", "fit", "in", "--out", "out", "--workers=2"];

#[test]
fn a_log_gets_a_line_at_once() {
    let place = Place::new(&[5, 7]);
    let (stdout, stderr) = place.ends(0, &RUN);
    let first = stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("0/2 files, 0 windows") && !stderr.contains('\u{1b}'), "{stderr:?}");
    assert!(stdout.starts_with("2 of 2 files done\n"), "{stdout}");
}

/// `script` gives a program a terminal.
#[test]
fn a_terminal_shows_the_run_and_every_worker() {
    let place = Place::new(&[60, 60]);
    let line = format!("stty cols 120; '{}' {}", env!("CARGO_BIN_EXE_perceiverflow"), RUN.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).stdin(Stdio::null());
    command.env("TERM", "xterm").env_remove("JOB_COMPLETION_INDEX").env_remove("SLURM_ARRAY_TASK_ID");
    let Ok(output) = command.output() else {
        eprintln!("skipped: there is no `script` to make a terminal with");
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains('\u{1b}'), "no terminal: {shown:?}");
    for part in ["/2 files", "x real time", " left", "in/clip-0.mp4 0:0", "in/clip-1.mp4 0:0", "2 of 2 files done"] {
        assert!(shown.contains(part), "{part}: {shown:?}");
    }
}
