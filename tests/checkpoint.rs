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

/// A zip archive of stored entries: `long` as `torch.save` ends it, with numbers of 64 bits, else as common programs do.
fn archive(entries: &[(String, Vec<u8>)], long: bool) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let at = (file.len() as u32).to_le_bytes();
        let size = (content.len() as u32).to_le_bytes();
        // Version, flags, method, time, date; checksum; both sizes; lengths of the name and of what else there is.
        let shared = [&[0; 14][..], &size, &size, &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
        file.extend([b"PK\x03\x04", &shared[..], name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02\0\0", &shared[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let (count, size, start) = (entries.len() as u64, directory.len() as u64, file.len() as u64);
    file.extend(directory);
    let mut short = [&count.to_le_bytes()[..2], &size.to_le_bytes()[..4], &start.to_le_bytes()[..4]];
    if long {
        let end = (file.len() as u64).to_le_bytes();
        let numbers = [count, count, size, start].map(u64::to_le_bytes).concat();
        file.extend([b"PK\x06\x06", &44u64.to_le_bytes()[..], &[0; 12], &numbers].concat());
        file.extend([b"PK\x06\x07", &[0; 4][..], &end, &[0; 4]].concat());
        short = [&[0xFF; 2], &[0xFF; 4], &[0xFF; 4]];
    }
    let [count, size, start] = short;
    [&file[..], b"PK\x05\x06", &[0; 4], count, count, size, start, &[0; 2]].concat()
}

fn torch_file(program: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    torch_archive(program, storages, true)
}

fn torch_archive(program: &[u8], storages: &[Vec<u8>], long: bool) -> Vec<u8> {
    let storages = storages.iter().enumerate().map(|(key, content)| (format!("archive/data/{key}"), content.clone()));
    let program = ("archive/data.pkl".to_owned(), program.to_vec());
    archive(&[program].into_iter().chain(storages).collect::<Vec<_>>(), long)
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn long(number: i64) -> Vec<u8> {
    [&[0x8A, 8][..], &number.to_le_bytes()].concat()
}

fn tuple(items: &[i64]) -> Vec<u8> {
    [&b"("[..], &items.iter().flat_map(|&item| long(item)).collect::<Vec<_>>(), b"t"].concat()
}

/// The instructions that make a tensor of floats from a storage.
fn tensor(storage: usize, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let storage =
        [&b"("[..], &text("storage"), b"ctorch\nFloatStorage\n", &text(&storage.to_string()), &text("cpu"), b"K\0tQ"].concat();
    let hooks = b"\x89ccollections\nOrderedDict\n)R";
    [b"ctorch._utils\n_rebuild_tensor_v2\n(", &storage[..], &long(offset), &tuple(shape), &tuple(strides), hooks, b"tR"].concat()
}

/// A `state_dict` of what the instructions make.
fn state_dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = entries.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [&b"\x80\x02ccollections\nOrderedDict\n)R("[..], &items, b"u}", &text("_metadata"), b"Nsb."].concat()
}

fn strides(shape: &[usize]) -> Vec<i64> {
    (1..=shape.len()).map(|axis| shape[axis..].iter().product::<usize>() as i64).collect()
}

#[test]
fn a_file_of_torch_is_the_same_model() {
    let (mut entries, mut storages) = (Vec::new(), Vec::new());
    let tensors = tensors();
    for (name, weights) in &tensors {
        let shape: Vec<i64> = weights.dims().iter().map(|&size| size as i64).collect();
        // Some element before the tensor: an offset counts elements.
        entries.push((name.as_str(), tensor(storages.len(), 1, &shape, &strides(weights.dims()))));
        let values: Vec<f32> = weights.flatten_all().unwrap().to_vec1().unwrap();
        storages.push([f32::NAN].iter().chain(&values).flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    let file = |long| torch_archive(&state_dict(&entries), &storages, long);
    for long in [false, true] {
        let folder = Folder::with("pytorch_model.bin", &file(long));
        assert_eq!(answer(folder.name()), answer(fixture().to_str().unwrap()));
    }
    let file = file(true);
    for length in [0, 21, file.len() / 2, file.len() - 1] {
        Folder::with("pytorch_model.bin", &file[..length]).is_refused(&["pytorch_model.bin", "no intact zip archive"]);
    }
}

#[test]
fn a_pickle_that_would_run_something_is_refused_and_nothing_is_run() {
    let canary = std::env::temp_dir().join(format!("perceiverflow-canary-{}", std::process::id()));
    let call = [b"\x80\x02cos\nsystem\n", &text(&format!("touch {}", canary.display()))[..], b"\x85R."].concat();
    Folder::with("pytorch_model.bin", &torch_file(&call, &[])).is_refused(&["pytorch_model.bin", "os.system", "refused"]);
    assert!(!canary.exists());
    for (program, part) in [
        (&b"\x80\x02(ios\nsystem\n."[..], "0x69"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "0x8c"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "do not fit"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.", "0x81"),
        (b"\x80\x02(X\xff\xff\xff\xffa", "too early"),
        (b"\x80\x02R.", "more than there is"),
        (b"\x80\x02h\x07.", "recalls"),
        (b"\x80\x02N.", "no dictionary"),
        (b"\x80\x02}(K\x01u.", "without a value"),
        (b"", "too early"),
    ] {
        Folder::with("pytorch_model.bin", &torch_file(program, &[])).is_refused(&["pytorch_model.bin", part]);
    }
}

#[test]
fn a_pickle_that_doubles_itself_stays_as_small_as_it_is() {
    let program = [&b"\x80\x02)q\0"[..], &b"h\0h\0\x86q\0".repeat(100), b"."].concat();
    Folder::with("pytorch_model.bin", &torch_file(&program, &[])).is_refused(&["no dictionary"]);
}

#[test]
fn a_tensor_of_torch_that_its_storage_cannot_hold_is_refused() {
    let huge = i64::MAX;
    for (offset, shape, strides, part) in [
        (0, &[3][..], &[1][..], "does not fit"),
        (1, &[2], &[1], "does not fit"),
        (huge, &[1], &[1], "does not fit"),
        (0, &[huge], &[1], "does not fit"),
        (0, &[huge, huge], &[1, 1], "does not fit"),
        (0, &[0, huge, 4], &[1, 1, 1], "missing"),
        (-1, &[1], &[1], "needs a size"),
        (0, &[-1], &[1], "needs a size"),
        (0, &[1, 2], &[1], "for each axis"),
        (0, &[2, 1], &[0, 1], "row by row"),
        (0, &[1; 20], &[1; 20], "20 axes"),
    ] {
        let program = state_dict(&[("embeddings.latents.other", tensor(0, offset, shape, strides))]);
        Folder::with("pytorch_model.bin", &torch_file(&program, &[vec![0; 8]])).is_refused(&[part]);
    }
    let elsewhere = state_dict(&[("embeddings.latents", tensor(1, 0, &[1], &[1]))]);
    Folder::with("pytorch_model.bin", &torch_file(&elsewhere, &[vec![0; 8]])).is_refused(&["archive/data/1"]);
    let number = state_dict(&[("epoch", long(3))]);
    Folder::with("pytorch_model.bin", &torch_file(&number, &[])).is_refused(&["epoch is no tensor"]);
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
fn several_files_of_torch_with_an_index_are_one_model() {
    let (folder, tensors) = (Folder::new(), tensors());
    let mut map = BTreeMap::new();
    for number in 0..2 {
        let file = format!("pytorch_model-{:05}-of-00002.bin", number + 1);
        let (mut entries, mut storages) = (Vec::new(), Vec::new());
        for (name, weights) in tensors.iter().skip(number).step_by(2) {
            let shape: Vec<i64> = weights.dims().iter().map(|&size| size as i64).collect();
            entries.push((name.as_str(), tensor(storages.len(), 0, &shape, &strides(weights.dims()))));
            let values: Vec<f32> = weights.flatten_all().unwrap().to_vec1().unwrap();
            storages.push(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
            map.insert(name.clone(), file.clone());
        }
        std::fs::write(folder.path(&file), torch_file(&state_dict(&entries), &storages)).unwrap();
    }
    let index = folder.path("pytorch_model.bin.index.json");
    std::fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    assert_eq!(answer(folder.name()), answer(fixture().to_str().unwrap()));
    std::fs::write(&index, json!({ "weight_map": { "nothing": "pytorch_model-00001-of-00002.bin" } }).to_string()).unwrap();
    let message = folder.build().unwrap_err().to_string();
    for part in ["pytorch_model-00001-of-00002.bin", "tensor nothing", "pytorch_model.bin.index.json"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_configuration_beyond_all_measure_is_refused_unread() {
    let folder = Folder::with("model.safetensors", &weights());
    let config = std::fs::read_to_string(folder.path("config.json")).unwrap();
    std::fs::write(folder.path("config.json"), config + &" ".repeat(4 << 20)).unwrap();
    LARGEST.set(0);
    let message = folder.build().unwrap_err().to_string();
    assert!(message.contains("config.json") && message.contains("4194304"), "{message}");
    assert!(LARGEST.get() < 1 << 20);
}

#[test]
fn a_folder_is_told_with_its_files() {
    let checkpoint = Checkpoint::open(fixture().to_str().unwrap()).unwrap();
    assert_eq!(checkpoint.folder(), Some(fixture().as_path()));
    let files = checkpoint.files();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, files[1].1), (vec!["config.json", "model.safetensors"], weights().len() as u64));
    assert_eq!(Checkpoint::open("builtin:flow").unwrap().folder(), None);
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
    Folder::new().is_refused(&["no weights", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]);
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
