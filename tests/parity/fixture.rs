//! Reading fixtures and holding results against them.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    path::PathBuf,
};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use perceiverflow::perceiver::Weights;

use crate::setting::Setting;

/// A folder or file below `tests/fixtures`, or below the folder of another set where `PERCEIVERFLOW_FIXTURES` names one: other sizes find
/// mistakes that this set hides.
pub(crate) fn path(name: &str) -> PathBuf {
    let committed = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::env::var_os("PERCEIVERFLOW_FIXTURES").map_or_else(committed, PathBuf::from).join(name)
}

/// Holds every fixture of a kind that the manifest lists in every setting, and fails with the names of those that do not hold.
pub(crate) fn hold_each(kind: &str, check: impl Fn(&str, &Setting)) {
    let manifest = json("manifest.json");
    let listed = manifest["fixtures"].as_array().unwrap().iter().filter(|fixture| fixture["kind"] == kind);
    let names: Vec<&str> = listed.map(|fixture| fixture["name"].as_str().unwrap()).collect();
    assert!(!names.is_empty(), "no {kind} in the manifest");
    let mut failed = Vec::new();
    for setting in Setting::all() {
        let fails = |name: &&str| std::panic::catch_unwind(AssertUnwindSafe(|| check(name, &setting))).is_err();
        failed.extend(names.iter().copied().filter(fails).map(|name| format!("{name} on {}", setting.name())));
    }
    assert!(failed.is_empty(), "{kind}: {failed:?}");
}

/// Tensors of one `.safetensors` file, and which of them were looked at.
pub(crate) struct Tensors {
    tensors: HashMap<String, Tensor>,
    seen: RefCell<BTreeSet<String>>,
}

impl Tensors {
    pub(crate) fn open(name: &str, device: &Device) -> Self {
        let tensors = candle_core::safetensors::load(path(name), device).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self { tensors, seen: RefCell::default() }
    }

    pub(crate) fn get(&self, name: &str) -> &Tensor {
        self.find(name).unwrap_or_else(|| panic!("no tensor {name} in the fixture"))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Tensor> {
        self.seen.borrow_mut().insert(name.to_owned());
        self.tensors.get(name)
    }

    /// The tensors whose names begin so, by the rest of their names.
    pub(crate) fn below<'a>(&'a self, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors.iter().filter_map(move |(name, tensor)| {
            let rest = name.strip_prefix(prefix)?;
            self.seen.borrow_mut().insert(name.clone());
            Some((rest, tensor))
        })
    }

    /// Integers of a tensor.
    pub(crate) fn indices(&self, name: &str) -> Option<Vec<u32>> {
        let tensor = self.find(name)?;
        Some(tensor.flatten_all().unwrap().to_dtype(DType::U32).unwrap().to_vec1().unwrap())
    }

    /// Fails when a result in the fixture was not looked at.
    #[track_caller]
    pub(crate) fn assert_all_seen(&self, what: &str) {
        let seen = self.seen.borrow();
        let unseen: Vec<&String> = self.tensors.keys().filter(|name| !seen.contains(*name)).collect();
        assert!(unseen.is_empty(), "{what}: nothing was held against {unseen:?}");
    }
}

/// The weights of one part, their names led by `prefix`.
pub(crate) fn weights(name: &str, prefix: &str, setting: &Setting) -> Weights<'static> {
    let (file, device) = (path(name), &setting.device);
    let tensors = if file.exists() { candle_core::safetensors::load(file, device).unwrap() } else { HashMap::new() };
    let tensors = tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect();
    Weights::new(VarBuilder::from_tensors(tensors, setting.precision.dtype(), device), 0.02)
}

/// A JSON file.
pub(crate) fn json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// Largest difference over largest magnitude.
pub(crate) fn relative_error(given: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(given.dims(), expected.dims());
    let flat = |x: &Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (given, expected) = (flat(given), flat(expected));
    assert!(given.iter().all(|x| x.is_finite()));
    let difference = given.iter().zip(&expected).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    let magnitude = expected.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max);
    if magnitude == 0.0 { difference } else { difference / magnitude }
}
