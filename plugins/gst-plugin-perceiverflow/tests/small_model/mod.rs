//! The small multimodal model that the tests stand on: random weights of the reference implementation, windows of two pictures and 64 samples.

/// Samples a second, so that a picture's 32 last a twenty-fifth of a second.
pub(crate) const RATE: u32 = 800;

/// The reference's own model, without a sample rate.
pub(crate) const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/multimodal_autoencoding");

/// Its configuration, with the sample rate.
pub(crate) fn config() -> String {
    let config = std::fs::read_to_string(format!("{FIXTURE}/config.json")).unwrap();
    config.replacen('{', &format!("{{\n  \"multimodal\": {{\"sample_rate\": {RATE}}},"), 1)
}

/// A folder with a copy of it.
#[allow(dead_code, reason = "not each test program that holds this module has a model of these very weights")]
pub(crate) fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config()).unwrap();
    std::fs::copy(format!("{FIXTURE}/model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    folder
}
