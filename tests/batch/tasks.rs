//! What a run makes is what the commands for single files make.

use serde_json::Value;

use crate::place::{FLOW, Place, clips, flow};

fn parsed(rows: &[String]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[test]
fn flow_of_many_is_the_flow_of_each() {
    let place = Place::new(&[4, 6]);
    place.well(&flow("out", &["--flo"]));
    place.well(&["flow", "in/clip-1.mp4", "--model", FLOW, "--scale", "fit", "--flo", "alone", "-q"]);
    let rows = parsed(&place.rows("out"));
    assert_eq!(rows.len(), 3 + 5);
    let of_second: Vec<&Value> = rows.iter().filter(|row| row["file"] == "in/clip-1.mp4").collect();
    for (number, row) in of_second.iter().enumerate() {
        let mean = row["flow"]["mean"].as_f64().unwrap();
        assert!(row["schema"] == 1 && row["task"] == "flow" && row["window"] == number && mean > 0.0, "{row}");
        assert_eq!(row["model"].as_str().unwrap().len(), 64);
        assert!((row["start"].as_f64().unwrap() - number as f64 * 0.04).abs() < 1e-9 && row["duration"] == 0.04, "{row}");
        let kept = std::fs::read(place.path("out").join(row["flow_file"].as_str().unwrap())).unwrap();
        assert_eq!(kept, std::fs::read(place.path(&format!("alone/clip-1_{number:06}.flo"))).unwrap());
    }
    let report = place.report("out");
    assert_eq!((&report["files"]["done"], &report["windows"]), (&2.into(), &8.into()));
    let stages: Vec<&str> = report["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["decode", "windows", "model", "write"]);
}

#[test]
fn labels_latents_and_media_of_many_are_those_of_each() {
    let place = Place::new(&[5, 12]).with_multimodal_model();
    let one = ["--batch-size", "1"];
    let alone = |arguments: &[&str]| place.well(&[arguments, &["--model", "model", "-q"]].concat());
    place.well(&clips("classify", "labels", &["--vtt", "--batch-size", "1"]));
    alone(&["classify", "in/clip-1.mp4", "--vtt", "alone.vtt"]);
    let rows = parsed(&place.rows("labels"));
    assert_eq!(rows.len(), 3 + 6);
    assert!(
        rows.iter().all(|row| row["labels"].as_array().unwrap().len() == 5 && row["labels"][0]["score"].is_f64()),
        "{rows:?}"
    );
    assert_eq!(
        place.products("labels")[std::path::Path::new("labels/in/clip-1.mp4.vtt")],
        std::fs::read(place.path("alone.vtt")).unwrap()
    );

    place.well(&clips("encode", "latents", &one));
    alone(&["encode", "in/clip-1.mp4", "-o", "alone.safetensors"]);
    let whole = std::fs::read(place.path("alone.safetensors")).unwrap();
    for row in parsed(&place.rows("latents")).iter().filter(|row| row["file"] == "in/clip-1.mp4") {
        let kept = std::fs::read(place.path("latents").join(row["latents_file"].as_str().unwrap())).unwrap();
        assert_eq!(kept, whole);
        let offset = 4096 + row["window"].as_u64().unwrap() * 6 * 32 * 4;
        assert_eq!(row["latents_offset"], offset);
    }

    place.well(&clips("reconstruct", "media", &one));
    alone(&["reconstruct", "in/clip-1.mp4", "-o", "alone.mp4"]);
    let media = place.products("media");
    assert_eq!(media.len(), 2, "no spools are left");
    assert_eq!(media[std::path::Path::new("media/in/clip-1.mp4.mp4")], std::fs::read(place.path("alone.mp4")).unwrap());
}

#[test]
fn an_image_classifier_labels_the_frames_of_each() {
    let place = Place::new(&[5, 12]);
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/image_classification_learned");
    std::fs::create_dir(place.path("model")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture.join(file), place.path("model").join(file)).unwrap();
    }
    std::fs::write(place.path("model/preprocessor_config.json"), r#"{"size": 8, "crop_size": 10}"#).unwrap();
    place.well(&clips("classify", "labels", &["--vtt", "--stride-frames", "3", "--batch-size", "1"]));
    place.well(&["classify", "in/clip-1.mp4", "--model", "model", "--stride-frames", "3", "--vtt", "alone.vtt", "-q"]);
    let rows = parsed(&place.rows("labels"));
    assert_eq!(rows.len(), 2 + 4);
    assert!(rows.iter().all(|row| (row["duration"].as_f64().unwrap() - 0.04).abs() < 1e-9), "{rows:?}");
    assert_eq!(
        place.products("labels")[std::path::Path::new("labels/in/clip-1.mp4.vtt")],
        std::fs::read(place.path("alone.vtt")).unwrap()
    );
}

#[test]
fn results_do_not_hang_on_the_order_or_on_who_shares_a_call() {
    let place = Place::new(&[5, 12, 3, 8]).with_multimodal_model();
    std::fs::write(place.path("backwards.csv"), "path\nin/clip-3.mp4\nin/clip-2.mp4\nin/clip-1.mp4\nin/clip-0.mp4\n").unwrap();
    place.well(&clips("encode", "forwards", &["--workers", "1", "--model-calls", "1"]));
    let backwards =
        ["batch", "--task", "encode", "--model", "model", "backwards.csv", "--out", "backwards", "-q", "--workers", "3"];
    place.well(&backwards);
    assert_eq!(place.rows("forwards"), place.rows("backwards"));
    assert_eq!(place.products("forwards"), place.products("backwards"));
}
