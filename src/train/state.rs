//! What training leaves on disk beside the model ([`checkpoint::save`](crate::checkpoint::save)): what is needed to go on.
//!
//! ```text
//! config.json  model.safetensors        the model: the running mean of the weights where its validation was lowest
//! training.safetensors  curve.csv       the optimiser's state with its step, and the learning curve
//! curve.png                             the curve to look at
//! ```

use std::{collections::BTreeMap, io::Write, path::Path};

use candle_core::{DType, Device, Tensor};

use crate::{
    error::{Error, Result},
    formats::write_beside,
};

const STATE: &str = "training.safetensors";
const STEP: &str = "step";

/// Writes the optimiser's state after `step` steps.
pub(super) fn save_state(folder: &Path, step: u64, mut state: BTreeMap<String, Tensor>) -> Result<()> {
    state.insert(STEP.into(), Tensor::new(&[step as i64], &Device::Cpu)?);
    let path = folder.join(STATE);
    let bytes = safetensors::serialize(&state, None).map_err(|e| Error::format(&path, e.to_string()))?;
    write_beside(path, |file| file.write_all(&bytes))
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

/// The model that was saved last, in float32, if the folder has one.
pub(super) fn load_model(folder: &Path, device: &Device) -> Result<Option<BTreeMap<String, Tensor>>> {
    let path = folder.join("model.safetensors");
    if !path.exists() {
        return Ok(None);
    }
    let tensors = candle_core::safetensors::load(&path, device).map_err(|e| Error::format(&path, e.to_string()))?;
    let tensors = tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)));
    Ok(Some(tensors.collect::<Result<_>>()?))
}
