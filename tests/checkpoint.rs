//! Checkpoints as they come: in one file or several; and as an enemy sends them: a clear error, and no memory beyond what the file holds.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use perceiverflow::{
    Result,
    checkpoint::Checkpoint,
    compute::{DeviceChoice, Precision},
    perceiver::{Keep, models::PerceiverModel},
    tasks::{Model, RawModel},
};
use serde_json::json;
use tempfile::TempDir;

/// Notes the largest piece of memory that this thread asked for.
struct Noted;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    LARGEST.with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call is handed on as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Noted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noted = Noted;

/// A folder with the configuration of a published architecture in miniature, and weights to be written.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::copy(fixture().join("config.json"), folder.path("config.json")).unwrap();
        folder
    }

    fn with(name: &str, content: &[u8]) -> Self {
        let folder = Self::new();
        std::fs::write(folder.path(name), content).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn build(&self) -> Result<PerceiverModel> {
        Checkpoint::open(self.name())?.build(&Device::Cpu, Precision::F32, PerceiverModel::new)
    }

    /// An error that has all of `parts`, and no piece of memory larger than the largest file and what messages need.
    fn is_refused(&self, parts: &[&str]) {
        let sizes = std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len() as usize);
        let allowed = sizes.max().unwrap() + (16 << 10);
        LARGEST.set(0);
        let message = self.build().unwrap_err().to_string();
        assert!(LARGEST.get() <= allowed, "{} bytes at once, {allowed} allowed: {message}", LARGEST.get());
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/bare")
}

fn weights() -> Vec<u8> {
    std::fs::read(fixture().join("model.safetensors")).unwrap()
}

fn tensors() -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load_buffer(&weights(), &Device::Cpu).unwrap().into_iter().collect()
}

/// A safetensors file of any header, right or wrong.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn save(tensors: &BTreeMap<String, Tensor>, path: &Path) {
    let tensors: HashMap<&str, Tensor> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

/// What the model in a folder gives for the fixture's inputs.
fn answer(folder: &str) -> Vec<f32> {
    let case = candle_core::safetensors::load(fixture().join("no_mask.safetensors"), &Device::Cpu).unwrap();
    let arguments = HashMap::from([("inputs".to_owned(), case["in.inputs"].clone())]);
    let model = RawModel::open(folder, DeviceChoice::Cpu, Precision::F32).unwrap();
    model.run(&arguments, &[], Keep::default()).unwrap()["last_hidden_state"].flatten_all().unwrap().to_vec1().unwrap()
}

/// The fixture's tensors in two files with their index.
fn sharded() -> Folder {
    let folder = Folder::new();
    let tensors = tensors();
    let (mut shards, mut map) = ([BTreeMap::new(), BTreeMap::new()], BTreeMap::new());
    for (number, (name, tensor)) in tensors.into_iter().enumerate() {
        map.insert(name.clone(), format!("model-{:05}-of-00002.safetensors", number % 2 + 1));
        shards[number % 2].insert(name, tensor);
    }
    for (number, shard) in shards.iter().enumerate() {
        save(shard, &folder.path(&format!("model-{:05}-of-00002.safetensors", number + 1)));
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    std::fs::write(folder.path("model.safetensors.index.json"), index.to_string()).unwrap();
    folder
}

#[test]
fn several_files_with_an_index_are_one_model() {
    let folder = sharded();
    assert_eq!(answer(folder.name()), answer(fixture().to_str().unwrap()));
    let hash = || Checkpoint::open(folder.name()).unwrap().hash().to_owned();
    let before = hash();
    let second = folder.path("model-00002-of-00002.safetensors");
    let mut content = std::fs::read(&second).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&second, content).unwrap();
    assert_ne!(hash(), before);
}

#[test]
fn an_index_that_lies_is_named() {
    let folder = sharded();
    let index = folder.path("model.safetensors.index.json");
    let told = |map: serde_json::Value| std::fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    told(json!({ "embeddings.latents": "../model.safetensors" }));
    folder.is_refused(&["model.safetensors.index.json", "../model.safetensors", "beside the index"]);
    told(json!({ "nothing": "model-00001-of-00002.safetensors" }));
    folder.is_refused(&["model-00001-of-00002.safetensors", "tensor nothing"]);
    told(json!({ "embeddings.latents": "absent.safetensors" }));
    folder.is_refused(&["absent.safetensors", "No such file"]);
    std::fs::write(&index, "{}").unwrap();
    folder.is_refused(&["index.json", "weight_map"]);
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    std::fs::copy(folder.path(first), folder.path(second)).unwrap();
    let name = tensors().into_keys().next().unwrap();
    let map = json!({ name.clone(): first, tensors().into_keys().nth(2).unwrap(): second });
    told(map);
    folder.is_refused(&[second, "in another file as well"]);
}

#[test]
fn a_folder_without_weights_says_what_would_do() {
    Folder::new().is_refused(&["no weights", "model.safetensors", "model.safetensors.index.json"]);
}

#[test]
fn an_unknown_architecture_says_which_are_known() {
    let folder = Folder::with("model.safetensors", &weights());
    std::fs::write(folder.path("config.json"), r#"{"architectures": ["BertModel"]}"#).unwrap();
    let message = Model::open(folder.name(), DeviceChoice::Cpu, Precision::F32).unwrap_err().to_string();
    for part in ["BertModel", "PerceiverModel", "PerceiverForMultimodalAutoencoding"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_cut_off_is_refused() {
    let weights = weights();
    for length in [0, 7, 8, 100, weights.len() / 2, weights.len() - 1] {
        Folder::with("model.safetensors", &weights[..length]).is_refused(&["model.safetensors", "no intact"]);
    }
}

#[test]
fn a_header_whose_length_lies_is_refused() {
    for length in [0, 3, 1 << 20, 1 << 40, u64::MAX] {
        let mut weights = weights();
        weights[..8].copy_from_slice(&length.to_le_bytes());
        Folder::with("model.safetensors", &weights).is_refused(&["model.safetensors", "no intact"]);
    }
}

#[test]
fn tensors_that_overlap_are_refused() {
    let header = r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}"#;
    Folder::with("model.safetensors", &safetensors(header, &[0; 12])).is_refused(&["model.safetensors", "no intact"]);
}

#[test]
fn shapes_beyond_all_memory_are_refused() {
    for shape in ["[9223372036854775808]", "[4294967296, 4294967296]", "[9223372036854775807, 2, 0]", "[2305843009213693952]"] {
        let header = format!(r#"{{"embeddings.latents": {{"dtype": "F32", "shape": {shape}, "data_offsets": [0, 8]}}}}"#);
        Folder::with("model.safetensors", &safetensors(&header, &[0; 8])).is_refused(&["model.safetensors", "no intact"]);
    }
}

#[test]
fn a_tensor_that_is_not_finite_is_named() {
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let mut tensors = tensors();
        let latents = tensors.get_mut("embeddings.latents").unwrap();
        let mut values: Vec<f32> = latents.flatten_all().unwrap().to_vec1().unwrap();
        values[3] = value;
        *latents = Tensor::from_vec(values, latents.dims(), &Device::Cpu).unwrap();
        let folder = Folder::new();
        save(&tensors, &folder.path("model.safetensors"));
        folder.is_refused(&["embeddings.latents", "not finite"]);
        for half in [candle_core::DType::F16, candle_core::DType::BF16, candle_core::DType::F64] {
            let cast = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.to_dtype(half).unwrap())).collect();
            save(&cast, &folder.path("model.safetensors"));
            folder.is_refused(&["embeddings.latents", "not finite"]);
        }
    }
}

#[test]
fn every_tensor_that_does_not_fit_is_listed() {
    let mut tensors = tensors();
    tensors.remove("embeddings.latents");
    tensors.insert("extra".into(), Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap());
    let wrong = tensors.get_mut("encoder.self_attends.0.layernorm.weight").unwrap();
    *wrong = wrong.narrow(0, 0, 1).unwrap();
    let folder = Folder::new();
    save(&tensors, &folder.path("model.safetensors"));
    folder.is_refused(&["missing embeddings.latents", "surplus extra", "encoder.self_attends.0.layernorm.weight has shape [1]"]);
}
