//! Many short files: `perceiverflow batch` beside the command for single files, one after the other. Prints the ratio of their times, and how
//! busy the stages of the batch were. Rounds alternate, so that whatever else the machine does meets both alike; the medians count. Where the
//! machine does much else, the time by the clock says more about that; on Linux the processors' time is compared as well.
//!
//! The program is built as this is, optimised unless `--profile` says otherwise; the variable `PERCEIVERFLOW` names another one.
//!
//! ```text
//! cargo bench --bench archive                    flow and labels
//! cargo bench --bench archive -- classify        one of them
//! PERCEIVERFLOW=target/release/perceiverflow cargo bench --profile dev --bench archive
//! ```

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const CLIPS: usize = 16;
const FRAMES: usize = 12;
/// A thumbnail, where a file costs more than its windows, and a tile of builtin:flow, where they cost more than the file.
const SIZES: [&str; 2] = ["64x48", "128x96"];
const ROUNDS: usize = 3;

/// A task, and what the command for a single file is given to do the same.
const TASKS: [(&str, &[&str]); 2] = [("flow", &["--flo"]), ("classify", &["--vtt"])];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("{}", program().display());
    for size in SIZES {
        let folder = tempfile::tempdir().expect("a folder for the clips");
        std::fs::create_dir(folder.path().join("in")).expect("the folder is new");
        let clips: Vec<String> = (0..CLIPS).map(|number| format!("in/{number}.mp4")).collect();
        for clip in &clips {
            run(folder.path(), &["scene", clip, "--size", size, "--frames", &FRAMES.to_string(), "-q"]);
        }
        for (task, kept) in TASKS.into_iter().filter(|(task, _)| asked.is_empty() || asked.iter().any(|asked| asked == task)) {
            println!("{task}, {CLIPS} clips of {FRAMES} frames of {size}: {}", compare(folder.path(), &clips, task, kept));
        }
    }
}

/// What a task takes one clip at a time and in a batch.
fn compare(folder: &Path, clips: &[String], task: &str, kept: &[&str]) -> String {
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        alone.push(spend(|| {
            for (number, clip) in clips.iter().enumerate() {
                let made = format!("alone-{task}-{round}-{number}");
                run(folder, &[&[task, clip, "-q"], kept, &[&made]].concat());
            }
        }));
        let out = format!("together-{task}-{round}");
        together.push(spend(|| run(folder, &[&["batch", "--task", task, "in", "--out", &out, "-q"], kept].concat())));
    }
    let by = |time: fn(&Spent) -> Duration| {
        let (alone, together) = (median(alone.iter().map(time)), median(together.iter().map(time)));
        let ratio = alone.as_secs_f64() / together.as_secs_f64();
        format!("one at a time {alone:.2?}, batch {together:.2?}, {ratio:.2} times as fast")
    };
    let busy = busy(&folder.join(format!("together-{task}-{}/report.json", ROUNDS - 1)));
    let processors = alone[0].processors.map(|_| format!("; processors: {}", by(|spent| spent.processors.unwrap_or_default())));
    format!("clock: {}{}; busy: {busy}", by(|spent| spent.clock), processors.unwrap_or_default())
}

/// What work took.
struct Spent {
    clock: Duration,
    /// On all processors together, by the programs that were run; where the system tells.
    processors: Option<Duration>,
}

/// The program that is measured.
fn program() -> PathBuf {
    let named = std::env::var_os("PERCEIVERFLOW").map(|path| std::path::absolute(path).expect("a path of a program"));
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_perceiverflow").into())
}

/// Runs the program in a folder.
fn run(folder: &Path, arguments: &[&str]) {
    let status = Command::new(program()).args(arguments).current_dir(folder).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{arguments:?} failed");
}

fn spend(work: impl FnOnce()) -> Spent {
    let (begin, before) = (Instant::now(), processors());
    work();
    let processors = before.zip(processors()).map(|(before, after)| after.saturating_sub(before));
    Spent { clock: begin.elapsed(), processors }
}

/// The processors' time of all programs that were run and have ended, of the fields `cutime` and `cstime` in Linux's `/proc/self/stat`.
fn processors() -> Option<Duration> {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which ends with the last bracket, comes the third field.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(Duration::from_secs_f64((ticks(16)? + ticks(17)?) / TICKS_A_SECOND))
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2]
}

/// The stages of the run report.
fn busy(report: &Path) -> String {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).expect("a run leaves a report")).expect("JSON");
    let stages = report["stages"].as_array().expect("a list").iter().map(|stage| {
        let share = 100.0 * stage["utilisation"].as_f64().unwrap_or_default();
        format!("{} {share:.0}% of {}", stage["stage"].as_str().unwrap_or_default(), stage["threads"])
    });
    stages.collect::<Vec<_>>().join(", ")
}
