//! A long file in parts is the file as a whole.

use crate::place::{Place, clips, flow};

#[test]
fn parts_of_a_long_file_merge_exactly() {
    let place = Place::new(&[120]).with_multimodal_model();
    for (task, more) in [("flow", &["--flo"][..]), ("classify", &["--vtt"]), ("encode", &[]), ("reconstruct", &[])] {
        let (whole, parts) = (format!("{task}-whole"), format!("{task}-parts"));
        for (out, cut) in [(&whole, &["--workers", "1"][..]), (&parts, &["--part", "1", "--workers", "3"])] {
            let more = [more, cut].concat();
            place.well(&if task == "flow" { flow(out, &more) } else { clips(task, out, &more) });
        }
        assert_eq!(place.rows(&whole), place.rows(&parts), "{task}");
        assert_eq!(place.products(&whole), place.products(&parts), "{task}");
        assert_eq!(place.report(&parts)["files"]["done"], 1);
    }
}
