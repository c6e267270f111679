//! A model of one's own works by its configuration alone: sizes, rates and labels that no published checkpoint has.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use perceiverflow::{
    checkpoint::Checkpoint,
    compute::Precision,
    perceiver::{
        Folding, Keep, PerceiverConfig, Weights,
        decode::Points,
        models::{MultimodalInputs, PerceiverForImageClassification, PerceiverForMultimodalAutoencoding},
    },
    tasks::Model,
    train::Variables,
};
use serde_json::{Value, json};

/// Fields of every model here, and those given.
fn config(fields: Value) -> Value {
    let mut config = json!({
        "model_type": "perceiver", "num_latents": 5, "d_latents": 16, "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
        "num_cross_attention_heads": 1, "id2label": {"0": "rain", "1": "wind", "2": "birds", "3": "nothing"},
    });
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

/// Five frames of 24 × 24 pixels in tokens of 6 × 6, with 9 samples for each frame in tokens of 3.
fn multimodal() -> Value {
    config(json!({
        "architectures": ["PerceiverForMultimodalAutoencoding"], "num_frames": 5, "image_size": 4, "output_shape": [1, 5, 24, 24],
        "audio_samples_per_frame": 9, "samples_per_patch": 3, "output_num_channels": 8, "_label_trainable_num_channels": 12,
        "multimodal": {"patch": 6, "audio_num_bands": 4, "image_num_bands": 3, "sample_rate": 225},
    }))
}

/// Tokens of two frames behind a linear layer, and a decoder of its own.
fn tubes() -> Value {
    let mut config = multimodal();
    config["num_frames"] = json!(6);
    config["output_shape"] = json!([1, 6, 24, 24]);
    let fields = json!({
        "frames_per_patch": 2, "out_channels": 7, "decoder_num_heads": 2, "decoder_widening_factor": 3, "use_query_residual": true,
        "audio_resolution": 18, "query_resolution": [6, 24, 24], "mu_law": 255,
    });
    config["multimodal"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

/// A new model of this configuration, written to the folder.
fn write<M>(
    folder: &Path,
    config: &Value,
    new: impl FnOnce(&PerceiverConfig, &Weights<'_>) -> perceiverflow::Result<M>,
) -> perceiverflow::Result<M> {
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let config = PerceiverConfig::open(folder.join("config.json"))?;
    let variables = Variables::new(11, &Device::Cpu);
    let model = new(&config, &variables.weights(0.3))?;
    let tensors = variables.all().into_iter().map(|(name, variable)| (name, variable.as_tensor().clone())).collect();
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    Ok(model)
}

fn open(folder: &Path) -> Model {
    // Not folded, as the models that were written: the same weights give the same bits.
    let checkpoint = Checkpoint::open(folder.to_str().unwrap()).unwrap().with_folding(Folding::Off);
    Model::build(&checkpoint, &Device::Cpu, Precision::F32).unwrap()
}

/// Numbers from −1 to 1 that differ from place to place.
fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    Tensor::arange(0, count, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap().sin().unwrap().reshape(shape).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
    values
}

#[test]
fn video_sound_and_labels_of_other_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), &multimodal(), PerceiverForMultimodalAutoencoding::new).unwrap();
    let Model::MultimodalAutoencoding(read) = open(folder.path()) else { panic!("another architecture") };
    let (image, audio) = (numbers(&[2, 5, 3, 24, 24]), numbers(&[2, 45, 1]));
    let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
    let outputs = [&first, &read].map(|model| {
        let z = model.encode(inputs, Keep::default()).unwrap().last_hidden_state;
        assert_eq!(z.dims(), [2, 5, 16]);
        model.reconstruct(&z, 100).unwrap()
    });
    for (name, shape) in [("image", vec![2, 5, 24, 24, 3]), ("audio", vec![2, 45]), ("label", vec![2, 4])] {
        assert_eq!(outputs[0][name].dims(), shape, "{name}");
        assert_eq!(values(&outputs[0][name]), values(&outputs[1][name]), "{name}");
    }
    // The inputs matter, and so does the place that is asked for.
    let other = MultimodalInputs { image: &(image.ones_like().unwrap()), ..inputs };
    let z = read.encode(other, Keep::default()).unwrap().last_hidden_state;
    let points: Points = [("image".to_owned(), vec![0, 2879]), ("audio".to_owned(), vec![14])].into();
    let decoded = read.decode(&z, &points, false).unwrap().logits;
    assert_eq!((decoded["image"].dims(), decoded["audio"].dims()), ([2, 2, 3].as_slice(), [2, 3].as_slice()));
    let [first, last] = [0, 1].map(|at| values(&decoded["image"].get(0).unwrap().get(at).unwrap()));
    assert_ne!(first, last);
    assert_ne!(first, values(&outputs[0]["image"])[..3]);
    // Latents may have been kept in 16 bits.
    let kept = read.decode(&z.to_dtype(DType::F16).unwrap(), &points, false).unwrap().logits;
    let apart = values(&kept["image"]).iter().zip(values(&decoded["image"])).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 0.01, "{apart}");
}

#[test]
fn video_in_tokens_of_several_frames() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), &tubes(), PerceiverForMultimodalAutoencoding::new).unwrap();
    let Model::MultimodalAutoencoding(read) = open(folder.path()) else { panic!("another architecture") };
    let (image, audio) = (numbers(&[1, 6, 3, 24, 24]), numbers(&[1, 54, 1]));
    let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
    // 3 × 4 × 4 of the video, 18 of the sound, one for the label.
    assert_eq!(first.preprocess(inputs).unwrap().modality_sizes().unwrap().iter().map(|(_, size)| size).sum::<usize>(), 67);
    let [written, again] = [&first, &read].map(|model| {
        let z = model.encode(inputs, Keep::default()).unwrap().last_hidden_state;
        model.reconstruct(&z, 100).unwrap()
    });
    assert_eq!(written["image"].dims(), [1, 6, 24, 24, 3]);
    assert_eq!(values(&written["image"]), values(&again["image"]));
}

/// The same with one query for two frames of 3 × 4 pixels, and with measures beside pixels and samples.
fn measured() -> Value {
    let mut config = tubes();
    config["audio_samples_per_frame"] = json!(16);
    config["samples_per_patch"] = json!(16);
    let fields = json!({"query_patch": [2, 3, 4], "query_resolution": [3, 8, 6], "search": 2, "profile": true});
    config["multimodal"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

#[test]
fn pixels_that_share_a_query_and_tokens_that_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &measured(), PerceiverForMultimodalAutoencoding::new).unwrap();
    let Model::MultimodalAutoencoding(model) = open(folder.path()) else { panic!("another architecture") };
    let (image, audio) = (numbers(&[2, 6, 3, 24, 24]).abs().unwrap(), numbers(&[2, 96, 1]));
    let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
    let z = model.encode(inputs, Keep::default()).unwrap().last_hidden_state;
    let whole = model.reconstruct(&z, 1000).unwrap();
    assert_eq!(whole["image"].dims(), [2, 6, 24, 24, 3]);
    assert_eq!(model.decoder().outputs()["image"], 3 * 8 * 6);
    // Any pixels, in any order, are those of the whole.
    let asked = vec![0, 3455, 700, 701, 1];
    let points: Points = [("image".to_owned(), asked.clone()), ("audio".to_owned(), vec![]), ("label".to_owned(), vec![])].into();
    let some = model.decode(&z, &points, false).unwrap().logits.remove("image").unwrap();
    let pixels = whole["image"].reshape((2, 3456, 3)).unwrap();
    let same = pixels.index_select(&Tensor::new(asked, &Device::Cpu).unwrap(), 1).unwrap();
    let apart = values(&some).iter().zip(values(&same)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{apart}");
    let beyond: Points = [("image".to_owned(), vec![3456])].into();
    assert!(model.decode(&z, &beyond, false).unwrap_err().to_string().contains("less than 3456"));
    let short = MultimodalInputs { audio: &numbers(&[2, 80, 1]), ..inputs };
    assert!(model.encode(short, Keep::default()).unwrap_err().to_string().contains("96 samples"));
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |field: &str, value: Value| {
        let mut config = multimodal();
        config[field] = value;
        let message = write(folder.path(), &config, PerceiverForMultimodalAutoencoding::new).unwrap_err().to_string();
        assert!(message.contains(field), "{message}");
    };
    refused("samples_per_patch", json!(7));
    refused("output_shape", json!([5, 24, 24]));
    refused("num_frames", json!(0));
    refused("qk_channels", json!(15));
    refused("multimodal", json!({"sample_rate": 0}));
    refused("multimodal", json!({"frames_per_patch": 2}));
    refused("multimodal", json!({"frames_per_patch": 5}));
    refused("multimodal", json!({"query_patch": [2, 2, 2]}));
    refused("multimodal", json!({"search": 3}));

    let model = write(folder.path(), &multimodal(), PerceiverForMultimodalAutoencoding::new).unwrap();
    let message = |image: &[usize], audio: &[usize]| {
        let inputs = MultimodalInputs { image: &numbers(image), audio: &numbers(audio), label: None };
        model.encode(inputs, Keep::default()).unwrap_err().to_string()
    };
    assert!(message(&[1, 5, 3, 24, 25], &[1, 45, 1]).contains("by 6"));
    assert!(message(&[1, 5, 3, 24, 24], &[1, 44, 1]).contains("multiple of 3"));
}

#[test]
fn images_of_other_sizes() {
    let fields = json!({
        "num_bands": 5, "fourier_resolution": [32, 32], "conv_resolution": [7, 7], "conv_channels": 6, "learned_channels": 10,
    });
    type New = fn(&PerceiverConfig, &Weights<'_>) -> perceiverflow::Result<PerceiverForImageClassification>;
    let classifiers: [(&str, New, usize, [usize; 3]); 3] = [
        ("PerceiverForImageClassificationFourier", PerceiverForImageClassification::fourier, 32, [1, 1024, 25]),
        ("PerceiverForImageClassificationConvProcessing", PerceiverForImageClassification::conv_processing, 32, [1, 49, 28]),
        ("PerceiverForImageClassificationLearned", PerceiverForImageClassification::learned, 12, [1, 144, 20]),
    ];
    for (class, new, side, tokens) in classifiers {
        let folder = tempfile::tempdir().unwrap();
        let config = config(json!({"architectures": [class], "image_size": 12, "image_classification": fields}));
        let first = write(folder.path(), &config, new).unwrap();
        let Model::ImageClassification(read) = open(folder.path()) else { panic!("another architecture") };
        let image = numbers(&[1, 3, side, side]);
        assert_eq!(read.preprocess(&image, false).unwrap().dense().unwrap().dims(), tokens, "{class}");
        let [before, after] = [&first, &read].map(|model| model.forward(&image, Keep::default()).unwrap().logits);
        assert_eq!(before.dims(), [1, 4], "{class}");
        assert_eq!(values(&before), values(&after), "{class}");
    }
}
