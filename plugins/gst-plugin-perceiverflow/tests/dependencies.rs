//! What a pipeline does not carry with it.

use std::process::Command;

#[test]
fn the_plugin_needs_no_libav_no_argument_parser_and_no_async_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", env!("CARGO_PKG_NAME"), "--edges", "normal", "--prefix", "none", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&tree.stdout);
    assert!(tree.status.success() && text.contains("gstreamer "), "{}", String::from_utf8_lossy(&tree.stderr));
    for line in text.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!["ffmpeg", "clap", "tokio"].iter().any(|unwanted| name.starts_with(unwanted)), "{line}");
    }
}
