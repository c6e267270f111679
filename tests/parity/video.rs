//! The whole multimodal pipeline: a segment encoded once and decoded in chunks, against the reference that ran for every chunk.

use candle_core::Tensor;
use perceiverflow::perceiver::{
    Keep, MultimodalConfig, PerceiverConfig,
    models::{MultimodalInputs, PerceiverForMultimodalAutoencoding},
};
use serde_json::Value;

use crate::{
    fixture::{Tensors, json, path, weights},
    setting::Setting,
};

/// The fixture was put together from parts with numbers that the published class fixes in code, and without its prefix.
fn model(pipeline: &Value, setting: &Setting) -> PerceiverForMultimodalAutoencoding {
    let number = |field: &str| pipeline[field].as_u64().unwrap() as usize;
    let config = PerceiverConfig {
        multimodal: MultimodalConfig {
            patch: number("spatial_downsample"),
            audio_num_bands: number("audio_num_bands"),
            image_num_bands: number("image_num_bands"),
            ..MultimodalConfig::default()
        },
        label_trainable_num_channels: number("label_channels"),
        ..PerceiverConfig::open(path("video/config.json")).unwrap()
    };
    PerceiverForMultimodalAutoencoding::new(&config, &weights("video/model.safetensors", "perceiver.", setting)).unwrap()
}

#[test]
fn a_segment_there_and_back() {
    let pipeline = json("video/pipeline.json");
    for setting in Setting::all() {
        let segment = Tensors::open("video/pipeline.safetensors", &setting.device);
        let model = model(&pipeline, &setting);
        let image = segment.get("video").permute((0, 1, 4, 2, 3)).unwrap().contiguous().unwrap();
        let inputs = MultimodalInputs { image: &image, audio: segment.get("audio"), label: None };
        let z = model.encode(inputs, Keep::default()).unwrap().last_hidden_state;
        for queries_at_once in [1, 7, 32, usize::MAX / 2] {
            let given = model.reconstruct(&z, queries_at_once).unwrap();
            let assert = |name: &str, given: &Tensor| setting.assert_close(name, given, segment.get(name));
            assert("reconstruction_image", &given["image"]);
            // The reference leaves out what does not divide into its chunks.
            let decoded = pipeline["audio_samples_decoded"].as_u64().unwrap() as usize;
            assert("reconstruction_audio", &given["audio"].narrow(1, 0, decoded).unwrap());
            assert("label", &given["label"]);
        }
        segment.assert_all_seen("video");
    }
}

#[test]
fn every_output_at_once_is_the_same() {
    let pipeline = json("video/pipeline.json");
    for setting in Setting::all() {
        let segment = Tensors::open("video/pipeline.safetensors", &setting.device);
        let model = model(&pipeline, &setting);
        let image = segment.get("video").permute((0, 1, 4, 2, 3)).unwrap().contiguous().unwrap();
        let inputs = MultimodalInputs { image: &image, audio: segment.get("audio"), label: None };
        // The reference fails without points.
        let output = model.forward(inputs, &[].into(), Keep::default()).unwrap();
        let expected = segment.get("reconstruction_image").flatten(1, 3).unwrap();
        setting.assert_close("image", &output.logits["image"], &expected);
        let only_label = [("audio".to_owned(), Vec::new()), ("image".to_owned(), Vec::new())].into();
        let label = model.decode(&output.encoder.last_hidden_state, &only_label, false).unwrap().logits;
        assert_eq!(label.len(), 1);
        setting.assert_close("label", &label["label"], segment.get("label"));
    }
}
