//! What a run can be given.

use crate::place::{FLOW, Place};

fn run<'a>(inputs: &[&'a str], out: &'a str) -> Vec<&'a str> {
    [&["batch", "--task", "flow", "--model", FLOW, "--scale", "fit", "--out", out, "-q"][..], inputs].concat()
}

#[test]
fn folders_patterns_and_lists_name_the_same_files() {
    let place = Place::new(&[4, 5]);
    place.well(&run(&["in"], "folder"));
    place.well(&run(&["in/*.mp4"], "pattern"));
    assert_eq!(place.rows("folder"), place.rows("pattern"));
    std::fs::write(place.path("list.csv"), "path,id\nin/clip-0.mp4,in/clip-0.mp4\nin/clip-1.mp4,in/clip-1.mp4\n").unwrap();
    place.well(&run(&["list.csv"], "list"));
    assert_eq!(place.rows("folder"), place.rows("list"));
    let (_, stderr) = place.ends(2, &["batch", "--out", "x", "in"]);
    assert!(stderr.contains("--task"), "{stderr}");
    // Every task has a built-in model.
    place.well(&["batch", "--task", "encode", "--out", "encoded", "in"]);
    let (_, stderr) = place.ends(2, &run(&["in", "--vtt"], "x"));
    assert!(stderr.contains("--vtt goes with --task classify"), "{stderr}");
}

#[test]
fn a_line_of_a_list_has_options_of_its_own() {
    let place = Place::new(&[9]);
    let lines = r#"{"path":"in/clip-0.mp4","id":"all"}
{"path":"in/clip-0.mp4","id":"every third","inference_interval":3}
"#;
    std::fs::write(place.path("list.jsonl"), lines).unwrap();
    place.well(&run(&["list.jsonl"], "out"));
    let rows = place.rows("out");
    let of = |id: &str| rows.iter().filter(|row| row.contains(&format!("\"file\":\"{id}\""))).count();
    assert_eq!((of("all"), of("every third")), (8, 3));
    std::fs::write(place.path("list.jsonl"), "{\"path\":\"x\",\"colour\":1}").unwrap();
    let (_, stderr) = place.ends(1, &run(&["list.jsonl"], "other"));
    assert!(stderr.contains("list.jsonl") && stderr.contains("line 1") && stderr.contains("colour"), "{stderr}");
}

#[test]
fn events_are_json_lines() {
    let place = Place::new(&[4]);
    let events = place.well(&run(&["in", "--json"], "out"));
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "window").count(), 3);
    assert!(names[0] == "began" && names.contains(&"done") && names.last() == Some(&"report"), "{names:?}");
    assert_eq!(events.last().unwrap()["report"], place.report("out"));
}
