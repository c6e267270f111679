//! What training leaves on disk: a model folder as Hugging Face lays it out, and beside it what is needed to go on.
//!
//! ```text
//! config.json  model.safetensors        the model: the running mean of the weights
//! training.safetensors  curve.csv       the optimiser's state with its step, and the learning curve
//! curve.png                             the curve to look at
//! ```

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};

use crate::{
    error::{Error, Result},
    formats::write_beside,
    perceiver::PerceiverConfig,
};

const STATE: &str = "training.safetensors";
const STEP: &str = "step";

/// Writes `config.json` and `model.safetensors`, the weights as `dtype`.
pub(super) fn save_model(
    folder: &Path,
    config: &PerceiverConfig,
    weights: &BTreeMap<String, Tensor>,
    dtype: DType,
) -> Result<()> {
    let text = serde_json::to_string_pretty(config).map_err(|e| Error::format(folder, e.to_string()))?;
    write_beside(folder.join("config.json"), |file| writeln!(file, "{text}"))?;
    let weights = weights.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_dtype(dtype)?))).collect::<Result<_>>()?;
    save_tensors(folder.join("model.safetensors"), &weights)
}

/// Writes the optimiser's state after `step` steps.
pub(super) fn save_state(folder: &Path, step: u64, mut state: BTreeMap<String, Tensor>) -> Result<()> {
    state.insert(STEP.into(), Tensor::new(&[step as i64], &Device::Cpu)?);
    save_tensors(folder.join(STATE), &state)
}

/// The optimiser's state and its step, if the folder has one.
pub(super) fn load_state(folder: &Path) -> Result<Option<(u64, BTreeMap<String, Tensor>)>> {
    let path = folder.join(STATE);
    if !path.exists() {
        return Ok(None);
    }
    let broken = |reason: String| Error::format(&path, reason);
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).map_err(|e| broken(e.to_string()))?;
    let step = tensors.get(STEP).ok_or_else(|| broken("no state of a training: tensor `step` is missing".into()))?;
    let step = step.to_vec1::<i64>()?.first().copied().unwrap_or_default();
    Ok(Some((step as u64, tensors.into_iter().collect())))
}

fn save_tensors(path: PathBuf, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let bytes = safetensors::serialize(tensors, None).map_err(|e| Error::format(&path, e.to_string()))?;
    write_beside(path, |file| file.write_all(&bytes))
}
