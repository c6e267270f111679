//! Disks that are full or closed, and files that go while they are read.
#![cfg(target_os = "linux")]

use std::{
    fs::File,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::place::{Place, flow};

/// Runs lines of bash in which file systems can be mounted that nobody else sees; none where the system does not allow it.
fn with_mounts(place: &Place, lines: &str) -> Option<Output> {
    let apart = ["--user", "--map-root-user", "--mount", "bash", "-ec"];
    let command = |lines: &str| {
        let mut command = Command::new("unshare");
        command.args(apart).arg(lines).current_dir(place.path("")).output()
    };
    let allowed = command("mkdir try; mount -t tmpfs none try");
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user may not mount anything, not even for himself");
        return None;
    }
    Some(command(lines).unwrap())
}

/// A run as a line of bash.
fn line(arguments: &[&str]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    format!("'{}' {}", env!("CARGO_BIN_EXE_perceiverflow"), quoted.join(" "))
}

#[test]
fn a_full_disk_ends_the_run_and_with_more_room_it_goes_on() {
    let place = Place::new(&[30]);
    place.well(&flow("whole", &["--flo"]));
    // Each field takes 24 kB.
    let lines = format!(
        "mkdir out; mount -t tmpfs -o size=256k none out\n\
         {} 2>said && exit 9; code=$?\n\
         cp -r out full; mount -o remount,size=8m out\n\
         {}; cp -r out resumed; exit $code",
        line(&flow("out", &["--flo"])),
        line(&flow("out", &["--flo", "--resume"])),
    );
    let Some(output) = with_mounts(&place, &lines) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let said = std::fs::read_to_string(place.path("said")).unwrap();
    assert!(said.contains("out/flow/in/clip-0.mp4/") && said.contains("No space") && said.lines().count() == 1, "{said}");
    let (rows, fields) = (place.rows("full"), place.products("full"));
    assert!(!rows.is_empty() && rows.len() < 29, "{rows:?}");
    assert!(
        rows.iter().all(|row| row.ends_with('}'))
            && fields.values().all(|field| field.len() == fields.values().next().unwrap().len())
    );
    assert_eq!(place.rows("whole"), place.rows("resumed"));
    place.same_products("whole", "resumed");
}

/// A mode would not keep root out; a file system does.
#[test]
fn a_disk_that_is_read_only_is_named() {
    let place = Place::new(&[4]);
    let lines = format!("mkdir out; mount -t tmpfs -o ro none out; {}", line(&flow("out", &[])));
    let Some(output) = with_mounts(&place, &lines) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("out/lock") && stderr.contains("Read-only") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn files_that_go_while_they_are_read_fail_alone() {
    let place = Place::new(&[]);
    // Longer than what is read ahead.
    place.well(&["scene", "in/clip-0.mp4", "--size", "320x240", "--frames", "300", "-q"]);
    for number in 1..3 {
        place.render(&format!("in/clip-{number}.mp4"), 5);
    }
    place.well(&flow("whole", &[]));
    let copies = ["in/clip-0.mp4", "in/clip-1.mp4"].map(|name| (name, std::fs::read(place.path(name)).unwrap()));

    let mut run = place.command(&flow("out", &["--workers", "1"])).stdout(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !std::fs::metadata(place.path("out/results.jsonl")).is_ok_and(|rows| rows.len() > 0) {
        assert!(run.try_wait().unwrap().is_none() && Instant::now() < patience, "it ended or never began");
        std::thread::sleep(Duration::from_millis(2));
    }
    let under_way = File::options().write(true).open(place.path(copies[0].0)).unwrap();
    under_way.set_len(copies[0].1.len() as u64 / 2).unwrap();
    std::fs::remove_file(place.path(copies[1].0)).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3));
    let report = place.report("out");
    for cause in ["the file is truncated", "the file does not exist"] {
        assert_eq!(report["failures_by_cause"][cause], 1, "{report}");
    }
    assert_eq!((&report["files"]["done"], &report["files"]["failed"]), (&1.into(), &2.into()));

    // When they are back, what was made of them before stays.
    let before = place.rows("out").len();
    copies.iter().for_each(|(name, content)| std::fs::write(place.path(name), content).unwrap());
    place.well(&flow("out", &["--resume", "--retry-failed"]));
    assert_eq!(place.report("out")["windows"], place.rows("whole").len() - before);
    assert_eq!(place.rows("whole"), place.rows("out"));
}
