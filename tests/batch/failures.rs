//! Files that fail are told with their cause, and stop nothing.

use std::collections::BTreeSet;

use crate::place::{FLOW, Place, flow};

/// A place with two good clips and one each that is empty, cut off, and no video at all.
fn with_damaged_files() -> Place {
    let place = Place::new(&[5, 7]);
    let clip = std::fs::read(place.path("in/clip-1.mp4")).unwrap();
    std::fs::write(place.path("in/cut.mp4"), &clip[..clip.len() / 2]).unwrap();
    std::fs::write(place.path("in/empty.mp4"), "").unwrap();
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    place
}

#[test]
fn each_failure_is_told_with_its_cause_and_the_rest_is_done() {
    let place = with_damaged_files();
    let (stdout, _) = place.ends(3, &flow("out", &["in/gone.mp4"]));
    assert!(stdout.starts_with("2 of 6 files done, 4 failed\n"), "{stdout}");
    let report = place.report("out");
    let failed: BTreeSet<&str> = report["failures"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(failed, ["in/cut.mp4", "in/empty.mp4", "in/gone.mp4", "in/text.mp4"].into());
    for cause in ["the file is empty", "the file does not exist"] {
        assert_eq!(report["failures_by_cause"][cause], 1, "{report}");
    }
    assert_eq!(place.rows("out").len(), 4 + 6);

    // Nothing is done again; what failed is tried again only when that is asked for.
    place.ends(3, &flow("out", &["in/gone.mp4", "--resume"]));
    assert_eq!(place.report("out")["windows"], 0);
    place.render("in/gone.mp4", 4);
    let (stdout, _) = place.ends(3, &flow("out", &["in/gone.mp4", "--resume", "--retry-failed"]));
    assert!(stdout.starts_with("3 of 6 files done, 2 of them earlier, 3 failed\n"), "{stdout}");
    assert_eq!(place.rows("out").len(), 4 + 6 + 3);
}

#[test]
fn too_many_failures_end_the_run() {
    let place = with_damaged_files();
    let (stdout, _) = place.ends(1, &flow("out", &["--max-failure-rate", "0.3"]));
    assert!(stdout.contains("too many files failed"), "{stdout}");
    assert_eq!(place.report("out")["stopped"], "too-many-failures");
    place.ends(3, &flow("out", &["--max-failure-rate", "0.6", "--resume"]));
    assert_eq!(place.rows("out").len(), 4 + 6);
}

#[test]
fn a_run_without_a_single_good_file_did_what_it_could() {
    let place = Place::new(&[]);
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    let (stdout, _) = place.ends(3, &flow("out", &[]));
    assert!(stdout.starts_with("0 of 1 files done, 1 failed\n"), "{stdout}");
    let (_, stderr) = place.ends(1, &["batch", "--task", "flow", "nothing/*.mp4", "--out", "out", "-q"]);
    assert!(stderr.contains("nothing"), "{stderr}");
}

/// A pipe that nobody writes to: whoever opens it waits for ever, as for a decoder that hangs.
#[cfg(unix)]
#[test]
fn a_file_that_hangs_is_given_up() {
    let place = Place::new(&[5]);
    assert!(std::process::Command::new("mkfifo").arg(place.path("in/pipe.mp4")).status().unwrap().success());
    let (stdout, _) = place.ends(3, &flow("out", &["--time-limit", "0.5", "--workers", "1"]));
    assert!(stdout.contains("1 x time limit"), "{stdout}");
    assert_eq!(place.rows("out").len(), 4);
    std::fs::write(place.path("list.jsonl"), "{\"path\":\"in/pipe.mp4\",\"time_limit\":0.2}").unwrap();
    let of_list = ["batch", "--task", "flow", "--model", FLOW, "list.jsonl", "--out", "listed", "-q"];
    let (stdout, _) = place.ends(3, &of_list);
    assert!(stdout.contains("1 x time limit"), "{stdout}");
    // Without any limit for the file as a whole it is given up all the same.
    let (stdout, _) = place.ends(3, &flow("stalled", &["--stall-limit", "0.5", "--workers", "1"]));
    assert!(stdout.contains("1 x its decoder hangs") && place.rows("stalled").len() == 4, "{stdout}");
}

/// No file system takes a name of 300 characters: that is one file's trouble, in every run.
#[test]
fn a_file_whose_output_cannot_be_written_fails_alone() {
    let place = Place::new(&[5, 7]).with_multimodal_model();
    let long = "x".repeat(300);
    let list = format!("path,id\nin/clip-0.mp4,{long}\nin/clip-1.mp4,short\n");
    std::fs::write(place.path("list.csv"), list).unwrap();
    let tasks: [(&str, &str, &[&str]); 4] = [
        ("flow", FLOW, &["--flo", "--scale", "fit"]),
        ("classify", "model", &["--vtt"]),
        ("encode", "model", &[]),
        ("reconstruct", "model", &[]),
    ];
    for (task, model, more) in tasks {
        let first = [&["batch", "--task", task, "--model", model, "list.csv", "--out", task, "-q"], more].concat();
        let again = [&first[..], &["--resume", "--retry-failed"]].concat();
        for arguments in [first, again] {
            let (stdout, _) = place.ends(3, &arguments);
            assert!(stdout.starts_with("1 of 2 files done"), "{task}: {stdout}");
            let report = place.report(task);
            let cause = "its output cannot be written, File name too long";
            assert_eq!(report["failures_by_cause"][cause], 1, "{task}: {report}");
            assert_eq!(report["failures"][0]["file"], long.as_str(), "{task}");
        }
        assert!(place.rows(task).iter().any(|row| row.contains("\"file\":\"short\"")), "{task}");
    }
}

/// What is done stays done when its file goes; a new content is done anew, and the rows of the old one go.
#[test]
fn contents_that_change_are_done_again() {
    let place = Place::new(&[5, 7]);
    place.well(&flow("out", &[]));
    let before = place.rows("out");
    place.render("other.mp4", 9);
    std::fs::rename(place.path("other.mp4"), place.path("in/clip-0.mp4")).unwrap();
    std::fs::remove_file(place.path("in/clip-1.mp4")).unwrap();
    place.well(&flow("out", &["in/clip-1.mp4", "--resume"]));
    let rows = place.rows("out");
    assert_eq!(rows.len(), 8 + 6);
    let of_second = |rows: &[String]| rows.iter().filter(|row| row.contains("clip-1")).cloned().collect::<Vec<_>>();
    assert_eq!(of_second(&rows), of_second(&before));
}
