//! A long file in parts is the file as a whole, and so is one that is gone on with.

use crate::place::{Place, clips, flow};

/// A place with a clip of 240 frames.
fn with_key_frames() -> Place {
    let place = Place::new(&[]).with_multimodal_model();
    place.render_with_key_frames("in/clip-0.mp4", 240);
    place
}

/// A run that ends after some rows leaves the others to the next: their pictures alone are decoded then.
#[test]
fn what_is_gone_on_with_is_what_was_never_ended() {
    let place = with_key_frames();
    for (task, product) in [("flow", true), ("classify", false), ("encode", true)] {
        let (whole, out) = (format!("{task}-whole"), format!("{task}-resumed"));
        let run = |out: &str, more: &[&str]| {
            let more = [more, &["--workers", "1"]].concat();
            place.well(&if task == "flow" { flow(out, &more) } else { clips(task, out, &more) });
        };
        run(&whole, &[]);
        run(&out, &[]);
        // As a kill after two thirds would have left it: the end of the file is not in the journal, the last rows are not there.
        let keep = |name: &str, lines: usize| {
            let path = place.path(&out).join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.split_inclusive('\n').take(lines).collect::<String>()).unwrap();
        };
        let windows = place.rows(&whole).len();
        keep("results.jsonl", windows * 2 / 3);
        keep("journal.jsonl", 2);
        if task == "encode" {
            spool_of_latents(&place, &out);
        }
        run(&out, &["--resume"]);
        assert_eq!(place.report(&out)["windows"], windows - windows * 2 / 3, "{task}");
        assert_eq!(place.rows(&whole), place.rows(&out), "{task}");
        assert!(!product || place.products(&whole) == place.products(&out), "{task}");
    }
}

/// Puts the numbers of a file's latents back to where they wait for the rest of their file.
fn spool_of_latents(place: &Place, out: &str) {
    let latents = place.path(out).join("latents/in/clip-0.mp4.safetensors");
    let content = std::fs::read(&latents).unwrap();
    std::fs::write(latents.with_file_name(".clip-0.mp4.safetensors.spool"), &content[4096..]).unwrap();
    std::fs::remove_file(latents).unwrap();
}

#[test]
fn parts_of_a_long_file_merge_exactly() {
    let place = with_key_frames();
    for (task, more) in [("flow", &["--flo"][..]), ("classify", &["--vtt"]), ("encode", &[]), ("reconstruct", &[])] {
        let (whole, parts) = (format!("{task}-whole"), format!("{task}-parts"));
        for (out, cut) in [(&whole, &["--workers", "1"][..]), (&parts, &["--part", "1", "--workers", "3"])] {
            let more = [more, cut].concat();
            place.well(&if task == "flow" { flow(out, &more) } else { clips(task, out, &more) });
        }
        assert_eq!(place.rows(&whole), place.rows(&parts), "{task}");
        place.same_products(&whole, &parts);
        assert_eq!(place.report(&parts)["files"]["done"], 1);
    }
}
