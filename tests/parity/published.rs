//! The six published checkpoints: the models built from their configurations ask for exactly their tensors, by name and shape.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use perceiverflow::{
    Result,
    perceiver::{
        PerceiverConfig, Weights,
        models::{
            PerceiverForImageClassification, PerceiverForMaskedLM, PerceiverForMultimodalAutoencoding, PerceiverForOpticalFlow,
        },
    },
};
use serde_json::{Value, json};

/// Notes what is asked for and gives one zero seen as many, which takes no memory.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<BTreeMap<String, Vec<usize>>>>);

impl SimpleBackend for Asked {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.0.lock().unwrap().insert(name.to_owned(), shape.dims().to_vec());
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        panic!("{name} was asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// The fields in which the published configurations differ from the default.
fn config(fields: Value, labels: usize) -> PerceiverConfig {
    let config: PerceiverConfig = serde_json::from_value(fields).unwrap();
    let id2label = Some((0..labels).map(|label| (label.to_string(), format!("LABEL_{label}"))).collect());
    let config = PerceiverConfig { id2label, ..config };
    config.validate().unwrap();
    config
}

fn vision(d_model: usize) -> PerceiverConfig {
    let fields = json!({
        "num_latents": 512, "d_latents": 1024, "d_model": d_model, "num_blocks": 8, "num_self_attends_per_block": 6,
        "num_self_attention_heads": 8, "num_cross_attention_heads": 1, "image_size": 224,
    });
    config(fields, 1000)
}

fn assert_asks<M>(checkpoint: &str, config: &PerceiverConfig, new: impl FnOnce(&PerceiverConfig, &Weights<'_>) -> Result<M>) {
    let asked = Asked::default();
    let tensors = VarBuilder::from_backend(Box::new(asked.clone()), DType::F32, Device::Cpu);
    new(config, &Weights::new(tensors, 0.02)).unwrap();
    let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/state_dicts");
    let listed = std::fs::read(format!("{lists}/{checkpoint}.json")).unwrap();
    let listed: BTreeMap<String, (Vec<usize>, String)> = serde_json::from_slice(&listed).unwrap();
    let floats = listed.into_iter().filter(|(_, (_, kind))| kind == "F32").map(|(name, (shape, _))| (name, shape));
    assert_eq!(*asked.0.lock().unwrap(), floats.collect::<BTreeMap<_, _>>(), "{checkpoint}");
}

#[test]
fn language_perceiver() {
    let config = config(json!({"qk_channels": 256, "v_channels": 1280}), 2);
    assert_asks("language-perceiver", &config, PerceiverForMaskedLM::new);
}

#[test]
fn vision_perceivers() {
    assert_asks("vision-perceiver-learned", &vision(512), PerceiverForImageClassification::learned);
    assert_asks("vision-perceiver-fourier", &vision(261), PerceiverForImageClassification::fourier);
    assert_asks("vision-perceiver-conv", &vision(322), PerceiverForImageClassification::conv_processing);
}

#[test]
fn optical_flow_perceiver() {
    let fields = json!({
        "num_latents": 2048, "d_latents": 512, "d_model": 322, "num_self_attends_per_block": 24,
        "num_self_attention_heads": 16, "num_cross_attention_heads": 1,
    });
    assert_asks("optical-flow-perceiver", &config(fields, 2), PerceiverForOpticalFlow::new);
}

#[test]
fn multimodal_perceiver() {
    let fields = json!({
        "num_latents": 784, "d_latents": 512, "d_model": 704, "num_self_attends_per_block": 8,
        "num_self_attention_heads": 8, "num_cross_attention_heads": 1,
    });
    assert_asks("multimodal-perceiver", &config(fields, 700), PerceiverForMultimodalAutoencoding::new);
}
