//! Reading fixtures and holding results against them.

use std::{collections::HashMap, path::PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use perceiverflow::perceiver::Weights;

/// Largest difference over largest magnitude that separates right from wrong (a tanh GELU or a wrong epsilon shows above it).
pub(crate) const TOLERANCE: f64 = 2e-5;

/// A folder or file below `tests/fixtures`.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Tensors of one `.safetensors` file.
pub(crate) struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    pub(crate) fn open(name: &str) -> Self {
        Self(candle_core::safetensors::load(path(name), &Device::Cpu).unwrap_or_else(|e| panic!("{name}: {e}")))
    }

    pub(crate) fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no tensor {name} in the fixture"))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }
}

/// The weights of one part.
pub(crate) fn weights(name: &str) -> Weights<'static> {
    let file = path(name);
    let tensors = if file.exists() { candle_core::safetensors::load(file, &Device::Cpu).unwrap() } else { HashMap::new() };
    Weights::new(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), 0.02)
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

/// Fails with the names of what differs.
#[track_caller]
pub(crate) fn assert_close(what: &str, given: &Tensor, expected: &Tensor) {
    let error = relative_error(given, expected);
    assert!(error <= TOLERANCE, "{what}: relative error {error:.2e}");
}
