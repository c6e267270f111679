//! Killed, interrupted, refused and full: nothing is lost, nothing is there twice, nothing is corrupted.
#![cfg(unix)]

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::place::{FLOW, Place, clips, flow};

/// Kills of all tasks together, at least; `PERCEIVERFLOW_KILLS` asks for more.
const KILLS: u64 = 8;
/// Where the moments of the kills come from; `PERCEIVERFLOW_KILL_SEED` asks for others.
const SEED: u64 = 7;

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

#[test]
fn killed_at_any_moment_it_ends_as_if_nothing_had_happened() {
    let place = Place::new(&[9, 40, 3, 25, 14]).with_multimodal_model();
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    let tasks: [(&str, &[&str]); 4] = [("flow", &["--flo"]), ("classify", &["--vtt"]), ("encode", &[]), ("reconstruct", &[])];
    let (kills, seed) = (variable("PERCEIVERFLOW_KILLS", KILLS), variable("PERCEIVERFLOW_KILL_SEED", SEED));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for (number, (task, more)) in tasks.into_iter().enumerate() {
        let run = |out: &str, resume: &[&str]| {
            let more = [more, &["--part", "0.5"], resume].concat();
            place.command(&if task == "flow" { flow(out, &more) } else { clips(task, out, &more) })
        };
        let (whole, killed) = (format!("{task}-whole"), format!("{task}-killed"));
        let begin = Instant::now();
        assert_eq!(run(&whole, &[]).output().unwrap().status.code(), Some(3), "{task}");
        let lasts = begin.elapsed();
        // So many in all, as evenly as can be.
        let due = kills * (number as u64 + 1) / tasks.len() as u64 - kills * number as u64 / tasks.len() as u64;
        let (mut killings, mut rounds) = (0, 0);
        while killings < due {
            let _ = std::fs::remove_dir_all(place.path(&killed));
            // A run is killed again and again until it comes through.
            let mut resume: &[&str] = &[];
            loop {
                let mut child = run(&killed, resume).stdout(Stdio::null()).spawn().unwrap();
                std::thread::sleep(lasts.mul_f64(random.random_range(0.0..1.0)));
                let _ = child.kill();
                match child.wait().unwrap().code() {
                    Some(code) => break assert_eq!(code, 3, "{task}"),
                    None => killings += 1,
                }
                resume = &["--resume"];
            }
            rounds += 1;
            assert_eq!(place.rows(&whole), place.rows(&killed), "{task}, round {rounds}, seed {seed}");
            place.same_products(&whole, &killed);
        }
        println!("{task}: {killings} kills in {rounds} runs, seed {seed}: same results");
    }
}

/// Killed between the line in the journal and the removal of what that file's windows were kept in.
#[test]
fn what_a_done_file_was_made_of_goes_with_the_next_run() {
    let place = Place::new(&[9]).with_multimodal_model();
    for (task, product) in
        [("encode", "latents/in/.clip-0.mp4.safetensors.spool"), ("reconstruct", "media/in/.clip-0.mp4.mp4.spool")]
    {
        place.well(&clips(task, task, &[]));
        let left = place.path(task).join(product);
        assert!(!left.exists());
        std::fs::write(&left, "").unwrap();
        place.well(&clips(task, task, &["--resume"]));
        assert!(!left.exists(), "{task}");
    }
}

/// Waits until a run into `out` has written something.
fn wait_for_rows(place: &Place, run: &mut Child) {
    let rows = place.path("out/results.jsonl");
    let patience = Instant::now() + Duration::from_secs(60);
    while !std::fs::metadata(&rows).is_ok_and(|rows| rows.len() > 0) {
        assert!(run.try_wait().unwrap().is_none() && Instant::now() < patience, "it ended or never began");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn interrupt(run: &Child) {
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
}

/// Tiles of the tiny model in a large picture make windows that take long: what is under way would keep a run that ends in order.
#[test]
fn twice_interrupted_it_stops_now_and_can_go_on() {
    let place = Place::new(&[]);
    place.well(&["scene", "in/large.mp4", "--size", "96x72", "--frames", "8", "-q"]);
    let run = |out: &'static str, more: &[&'static str]| {
        [
            &["batch", "--task", "flow", "--model", FLOW, "--tile-overlap", "2", "in", "--out", out, "-q", "--model-calls", "1"]
                [..],
            more,
        ]
        .concat()
    };
    place.well(&run("whole", &[]));
    let mut child = place.command(&run("out", &[])).spawn().unwrap();
    wait_for_rows(&place, &mut child);
    interrupt(&child);
    // So that the two do not fall into one.
    std::thread::sleep(Duration::from_millis(20));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!place.path("out/report.json").exists(), "it took its time to report");
    assert!(place.rows("out").len() < place.rows("whole").len());
    place.well(&run("out", &["--resume"]));
    assert_eq!(place.rows("whole"), place.rows("out"));
}

#[test]
fn once_interrupted_it_reports_and_can_go_on() {
    let place = Place::new(&[60, 60, 60]);
    place.well(&flow("whole", &[]));
    let mut child = place.command(&flow("out", &["--workers", "1"])).spawn().unwrap();
    wait_for_rows(&place, &mut child);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report = place.report("out");
    assert!(report["stopped"] == "interrupted" && report["files"]["unfinished"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["windows"].as_u64().unwrap() as usize, place.rows("out").len());
    place.well(&flow("out", &["--resume"]));
    assert_eq!(place.rows("whole"), place.rows("out"));
}

#[test]
fn one_run_at_a_time_in_a_folder_and_one_kind_of_run() {
    let place = Place::new(&[4]);
    assert!(Command::new("mkfifo").arg(place.path("in/pipe.mp4")).status().unwrap().success());
    let mut first = place.command(&flow("out", &[])).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !place.path("out/journal.jsonl").exists() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_, stderr) = place.ends(1, &flow("out", &["--resume"]));
    assert!(stderr.contains("another run is writing"), "{stderr}");
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock went with the process.
    std::fs::remove_file(place.path("in/pipe.mp4")).unwrap();
    let (_, stderr) = place.ends(1, &flow("out", &[]));
    assert!(stderr.contains("--resume"), "{stderr}");
    let (_, stderr) = place.ends(1, &flow("out", &["--resume", "--frame-distance", "2"]));
    assert!(stderr.contains("options") && stderr.contains("distance 2"), "{stderr}");
    place.well(&flow("out", &["--resume"]));
    assert_eq!(place.rows("out").len(), 3);
}

/// A limit on the size of files refuses a write in the middle of a line, as a full disk does.
#[test]
fn a_full_disk_ends_the_run_with_whole_rows() {
    let place = Place::new(&[30]);
    place.well(&flow("whole", &[]));
    let line: Vec<String> = flow("out", &[]).into_iter().map(|argument| format!("'{argument}'")).collect();
    let limited = format!("trap '' XFSZ; ulimit -f 2; exec '{}' {}", env!("CARGO_BIN_EXE_perceiverflow"), line.join(" "));
    let output = Command::new("bash").args(["-c", &limited]).current_dir(place.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("results.jsonl") && stderr.lines().count() == 1, "{stderr}");
    let rows = place.rows("out");
    assert!(!rows.is_empty() && rows.iter().all(|row| row.ends_with('}')), "{rows:?}");
    place.well(&flow("out", &["--resume"]));
    assert_eq!(place.rows("whole"), place.rows("out"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(&[4]);
    std::fs::write(place.path("file"), "").unwrap();
    let (_, stderr) = place.ends(1, &flow("file/out", &[]));
    assert!(stderr.contains("file/out"), "{stderr}");
    std::fs::create_dir(place.path("closed")).unwrap();
    std::fs::set_permissions(place.path("closed"), std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(place.path("closed/try"), "").is_ok() {
        eprintln!("skipped: this user may write anywhere");
        return;
    }
    let (_, stderr) = place.ends(1, &flow("closed", &[]));
    assert!(stderr.contains("closed/lock") && stderr.lines().count() == 1, "{stderr}");
}
