//! Numbers against the reference implementation: every fixture that `tests/fixtures/manifest.json` lists, on every device present and in every
//! precision (`setting.rs` says how close), each tensor, intermediate ones included; token ids and pixels exactly.

mod fixture;
mod image_processor;
mod models;
mod parts;
mod published;
mod setting;
mod tiling;
mod tokenizer;
mod video;

#[test]
fn every_fixture_is_of_a_kind_that_is_held() {
    let manifest = fixture::json("manifest.json");
    for fixture in manifest["fixtures"].as_array().unwrap() {
        let name = fixture["name"].as_str().unwrap();
        match fixture["kind"].as_str().unwrap() {
            // `models`, `parts`: an unknown class fails there.
            "model" | "part" => {}
            "pipeline" => assert!(["flow", "video"].contains(&name), "no test for pipeline {name}"),
            "tokenizer" | "image_processor" => {}
            kind => panic!("no test for {kind} {name}"),
        }
    }
}
