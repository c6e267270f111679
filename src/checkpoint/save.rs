//! A model folder as Hugging Face lays it out.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::Path,
};

use candle_core::{DType, Tensor};
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    formats::write_beside,
    perceiver::{PerceiverConfig, PerceiverImageProcessor},
};

/// Writes `config.json` and `model.safetensors` with the weights, floats as `dtype`, by their published names into `folder`, which is made
/// if missing. [`Checkpoint::open`](super::Checkpoint::open) and Hugging Face's `from_pretrained` take the folder.
///
/// # Errors
/// When a file cannot be written.
pub fn save(folder: impl AsRef<Path>, config: &PerceiverConfig, weights: &BTreeMap<String, Tensor>, dtype: DType) -> Result<()> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let path = folder.join("config.json");
    let text = config_text(config).map_err(|e| Error::format(&path, e.to_string()))?;
    write_beside(path, |file| writeln!(file, "{text}"))?;
    let typed = |(name, tensor): (&String, &Tensor)| -> Result<(String, Tensor)> {
        let dtype = if tensor.dtype().is_float() { dtype } else { tensor.dtype() };
        Ok((name.clone(), tensor.to_dtype(dtype)?))
    };
    let weights = weights.iter().map(typed).collect::<Result<BTreeMap<_, _>>>()?;
    let path = folder.join("model.safetensors");
    // Hugging Face's loader asks which library's tensors they are.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(&weights, Some(metadata)).map_err(|e| Error::format(&path, e.to_string()))?;
    write_beside(path, |file| file.write_all(&bytes))
}

/// Writes `preprocessor_config.json` into `folder`, so that pictures meet the model as they did in training.
///
/// # Errors
/// When the file cannot be written.
pub fn save_image_processor(folder: impl AsRef<Path>, processor: &PerceiverImageProcessor) -> Result<()> {
    let path = folder.as_ref().join("preprocessor_config.json");
    let text = processor_text(processor).map_err(|e| Error::format(&path, e.to_string()))?;
    write_beside(path, |file| writeln!(file, "{text}"))
}

/// The image processor with its class, by which Hugging Face finds it.
fn processor_text(processor: &PerceiverImageProcessor) -> serde_json::Result<String> {
    let mut written = serde_json::to_value(processor)?;
    written["image_processor_type"] = json!("PerceiverImageProcessor");
    serde_json::to_string_pretty(&written)
}

/// The configuration with `label2id`, which Hugging Face keeps beside `id2label`.
fn config_text(config: &PerceiverConfig) -> serde_json::Result<String> {
    let mut written = serde_json::to_value(config)?;
    if let Some(id2label) = &config.id2label {
        let numbered = id2label.iter().filter_map(|(number, name)| Some((name.clone(), json!(number.parse::<usize>().ok()?))));
        written["label2id"] = Value::Object(numbered.collect());
    }
    serde_json::to_string_pretty(&written)
}
