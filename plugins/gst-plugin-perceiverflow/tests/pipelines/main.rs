//! Every script in `pipelines/`, run as a user runs it, on a clip made here.

mod flow;
mod labels;
mod latents;
mod launch;
mod leaks;
mod program;
mod rtsp;
#[path = "../small_model/mod.rs"]
mod small_model;
mod text;

use std::collections::BTreeSet;

use launch::PIPELINES;

#[test]
fn each_script_has_its_test() {
    let scripts: BTreeSet<String> = std::fs::read_dir(PIPELINES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sh"))
        // That one needs the program, too; `make demo` runs it.
        .filter(|name| name != "demo.sh")
        .collect();
    let tested = [flow::SCRIPTS, labels::SCRIPTS, latents::SCRIPTS, rtsp::SCRIPTS, text::SCRIPTS].concat();
    assert_eq!(scripts, tested.into_iter().map(str::to_owned).collect());
}
