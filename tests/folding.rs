//! Folded equals plain: the same weights and inputs through both forms of a model, over random configurations of every architecture.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use perceiverflow::{
    Result,
    perceiver::{
        Folding, Keep, PerceiverConfig, Weights,
        decode::Points,
        models::{
            MultimodalInputs, PerceiverForImageClassification, PerceiverForMultimodalAutoencoding, PerceiverForOpticalFlow,
            PerceiverModel,
        },
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The largest relative errors of the folded form: in float32, and with matrices in bfloat16.
const TOLERANCE: f64 = 2e-5;
const TOLERANCE_OF_BF16: f64 = 2e-2;
/// Configurations of each kind; there are four kinds.
const CONFIGURATIONS: u64 = 50;

/// Random numbers with a deviation of about 1.
fn tensor(random: &mut ChaCha8Rng, shape: &[usize]) -> Tensor {
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| random.random_range(-1.7..1.7)).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// Weights for every tensor that a model asks for, none of them at the value that it begins training with.
fn weights<M>(config: &PerceiverConfig, new: impl Fn(&PerceiverConfig, &Weights<'_>) -> Result<M>) -> HashMap<String, Tensor> {
    let asked = VarMap::new();
    new(config, &Weights::new(VarBuilder::from_varmap(&asked, DType::F32, &Device::Cpu), 0.02)).unwrap();
    let draw = |(name, var): (&String, &candle_core::Var)| {
        let mut seed = DefaultHasher::new();
        name.hash(&mut seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed.finish());
        let (shape, numbers) = (var.dims().to_vec(), tensor(&mut random, var.dims()));
        let drawn = match shape.as_slice() {
            // Gains and variances lie around 1, biases and shifts around 0.
            [_] if name.ends_with("bias") || name.ends_with("mean") => numbers * 0.2,
            [_] => numbers.affine(0.2, 1.0),
            // Matrices keep the size of what they multiply.
            [_, rest @ ..] => numbers * (1.0 / (rest.iter().product::<usize>() as f64).sqrt()),
            [] => Ok(numbers),
        };
        (name.clone(), drawn.unwrap())
    };
    asked.data().lock().unwrap().iter().map(draw).collect()
}

/// The model folded and plain, in float32 and with matrices in bfloat16.
fn forms<M>(config: &PerceiverConfig, new: impl Fn(&PerceiverConfig, &Weights<'_>) -> Result<M>) -> [M; 4] {
    let weights = weights(config, &new);
    let forms = [DType::F32, DType::BF16].map(|dtype| [Folding::Auto, Folding::Off].map(|folding| (folding, dtype)));
    let [[folded, plain], [rounded, plain_rounded]] = forms;
    [folded, plain, rounded, plain_rounded].map(|(folding, dtype)| {
        let tensors = VarBuilder::from_tensors(weights.clone(), dtype, &Device::Cpu);
        new(config, &Weights::new(tensors, 0.02).with_folding(folding)).unwrap()
    })
}

/// Largest difference over largest magnitude.
fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    let [found, expected] = [found, expected].map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    assert!(found.iter().all(|x| x.is_finite()));
    let largest = expected.iter().copied().fold(0f32, |largest, x| largest.max(x.abs()));
    let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    f64::from(difference) / f64::from(largest)
}

/// Fails when folded and plain are not alike, in either format. Says whether they are not the same to the last bit in float32: that is what
/// folding leaves behind.
#[track_caller]
fn compare(what: &str, results: [&Tensor; 4]) -> bool {
    let [error, of_bf16] = [[0, 1], [2, 3]].map(|[folded, plain]| {
        assert_eq!(results[folded].dims(), results[plain].dims(), "{what}");
        relative_error(results[folded], results[plain])
    });
    assert!(error <= TOLERANCE, "{what}: relative error {error:.2e}");
    assert!(of_bf16 <= TOLERANCE_OF_BF16, "{what} in bfloat16: relative error {of_bf16:.2e}");
    error > 0.0
}

/// Runs every configuration of a kind, and fails where fewer than `at_least` were folded.
fn each(kind: &str, at_least: u64, run: impl Fn(&mut ChaCha8Rng, &str) -> bool) {
    let folded = (0..CONFIGURATIONS).filter(|&seed| run(&mut ChaCha8Rng::seed_from_u64(seed), &format!("{kind} {seed}"))).count();
    assert!(folded as u64 >= at_least, "only {folded} of {CONFIGURATIONS} {kind} were folded");
}

/// What every architecture shares; `fields` come on top.
fn config(fields: Value, random: &mut ChaCha8Rng) -> PerceiverConfig {
    let heads = 1 << random.random_range(0..3);
    let shape = ["kv", "q"][random.random_range(0..2)];
    let activation = ["gelu", "gelu_new", "relu"][random.random_range(0..3)];
    let mut all = json!({
        "num_latents": random.random_range(2..40),
        "d_latents": heads * random.random_range(2..9),
        "num_blocks": 1,
        "num_self_attends_per_block": random.random_range(0..3),
        "num_self_attention_heads": heads,
        "num_cross_attention_heads": 1,
        "cross_attention_widening_factor": random.random_range(1..3),
        "use_query_residual": random.random_bool(0.5),
        "cross_attention_shape_for_attention": shape,
        "hidden_act": activation,
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let config: PerceiverConfig = serde_json::from_value(all).unwrap();
    config.validate().unwrap();
    config
}

#[test]
fn optical_flow() {
    each("flow models", 35, |random, what| {
        let patch = random.random_range(1..4);
        let size = [patch * random.random_range(2..12), patch * random.random_range(2..12)];
        let config = config(
            json!({
                "train_size": size,
                "optical_flow": {
                    "patch": patch,
                    "out_channels": random.random_range(1..20),
                    "num_bands": random.random_range(1..7),
                    "use_query_residual": random.random_bool(0.5),
                    "decoder_widening_factor": random.random_range(1..3),
                    "rescale_factor": 1.0,
                },
            }),
            random,
        );
        let models = forms(&config, PerceiverForOpticalFlow::new);
        let batch = random.random_range(1..4);
        let frames = tensor(random, &[batch, 2, 27, size[0], size[1]]);
        let outputs = models.map(|model| model.forward(&frames, Keep::default()).unwrap());
        let latents = compare(what, outputs.each_ref().map(|output| &output.encoder.last_hidden_state));
        compare(what, outputs.each_ref().map(|output| &output.logits)) && latents
    });
}

#[test]
fn image_classification() {
    type New = fn(&PerceiverConfig, &Weights<'_>) -> Result<PerceiverForImageClassification>;
    let kinds: [New; 3] = [
        PerceiverForImageClassification::fourier,
        PerceiverForImageClassification::conv_processing,
        PerceiverForImageClassification::learned,
    ];
    each("image classifiers", 45, |random, what| {
        let kind = random.random_range(0..3);
        let (image_size, others) = (random.random_range(3..9), random.random_range(12..40));
        let config = config(
            json!({ "image_size": image_size, "image_classification": {
                "num_bands": random.random_range(1..9),
                "fourier_resolution": [random.random_range(2..30), random.random_range(2..30)],
                "conv_resolution": [random.random_range(2..30), random.random_range(2..30)],
                "conv_channels": random.random_range(2..9),
                "learned_channels": random.random_range(2..9),
            }}),
            random,
        );
        // Learned positions are of one size; the others take any.
        let size = if kind == 2 { [image_size; 2] } else { [others, random.random_range(12..40)] };
        let models = forms(&config, kinds[kind]);
        let batch = random.random_range(1..4);
        let images = tensor(random, &[batch, 3, size[0], size[1]]);
        let outputs = models.map(|model| model.forward(&images, Keep::default()).unwrap());
        compare(what, outputs.each_ref().map(|output| &output.logits))
    });
}

/// Wide enough for factors of 16 bits, where the processor multiplies them.
#[test]
fn bfloat16_stays_close_to_float32() {
    let fields = json!({ "num_latents": 40, "d_latents": 128, "num_blocks": 2, "num_self_attends_per_block": 2,
        "num_self_attention_heads": 4, "num_cross_attention_heads": 1 });
    let config: PerceiverConfig = serde_json::from_value(fields).unwrap();
    let new = PerceiverForImageClassification::fourier;
    let weights = weights(&config, new);
    let images = tensor(&mut ChaCha8Rng::seed_from_u64(1), &[1, 3, 40, 30]);
    let [exact, rounded] = [DType::F32, DType::BF16].map(|dtype| {
        let tensors = VarBuilder::from_tensors(weights.clone(), dtype, &Device::Cpu);
        let model = new(&config, &Weights::new(tensors, 0.02).with_folding(Folding::Auto)).unwrap();
        model.forward(&images, Keep::default()).unwrap().encoder.last_hidden_state
    });
    let error = relative_error(&rounded, &exact);
    assert!((1e-5..2e-2).contains(&error), "relative error {error:.2e}");
}

#[test]
fn multimodal_autoencoding() {
    each("multimodal models", 45, |random, what| {
        let (tokens_in_time, frames_per_patch) = (random.random_range(2..4), random.random_range(1..3));
        let (frames, side) = (tokens_in_time * frames_per_patch, 4 * random.random_range(1..5));
        let samples_per_patch = random.random_range(1..5);
        let samples = samples_per_patch * random.random_range(2..9);
        let together = [(); 3].map(|()| random.random_range(1..3));
        let grid = [random.random_range(1..4), random.random_range(1..9), random.random_range(1..9)];
        let grid: [usize; 3] = std::array::from_fn(|axis| grid[axis] * together[axis]);
        let config = config(
            json!({
                "num_frames": frames,
                "audio_samples_per_frame": samples,
                "samples_per_patch": samples_per_patch,
                "image_size": side,
                "output_shape": [1, grid[0], grid[1], grid[2]],
                "output_num_channels": random.random_range(3..30),
                "_label_trainable_num_channels": random.random_range(2..30),
                "id2label": (0..3).map(|label| (label.to_string(), "")).collect::<BTreeMap<_, _>>(),
                "multimodal": {
                    "patch": 4,
                    "frames_per_patch": frames_per_patch,
                    "out_channels": random.random_bool(0.5).then(|| random.random_range(1..40)),
                    "image_num_bands": random.random_range(1..5),
                    "audio_num_bands": random.random_range(1..9),
                    "query_patch": together,
                    "decoder_widening_factor": random.random_range(1..4),
                    "use_query_residual": random.random_bool(0.5),
                },
            }),
            random,
        );
        let models = forms(&config, PerceiverForMultimodalAutoencoding::new);
        let batch = random.random_range(1..3);
        let image = tensor(random, &[batch, frames, 3, side, side]);
        let audio = tensor(random, &[batch, frames * samples, 1]);
        let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
        let mut chosen = |count: usize| -> Vec<u32> { (0..count as u32).filter(|_| random.random_bool(0.7)).collect() };
        let some: Points = [
            ("image".to_owned(), chosen(grid.iter().product())),
            ("audio".to_owned(), chosen(frames * samples / samples_per_patch)),
        ]
        .into();
        let mut differs = false;
        for points in [some, Points::new()] {
            let outputs = models.each_ref().map(|model| model.forward(inputs, &points, Keep::default()).unwrap().logits);
            assert!(outputs.iter().all(|output| output.keys().eq(outputs[0].keys())), "{what}");
            for name in outputs[0].keys() {
                differs |= compare(&format!("{what}: {name}"), outputs.each_ref().map(|output| &output[name]));
            }
        }
        let z = models[1].encode(inputs, Keep::default()).unwrap().last_hidden_state;
        let wholes = models.map(|model| model.reconstruct(&z, 17).unwrap());
        for name in wholes[0].keys() {
            differs |= compare(&format!("{what}: all of {name}"), wholes.each_ref().map(|whole| &whole[name]));
        }
        differs
    });
}

#[test]
fn bare_models_with_several_heads() {
    each("bare models", 10, |random, what| {
        let heads = 1 << random.random_range(0..2);
        let channels = 4 * random.random_range(1..12);
        let latents = 4 * random.random_range(1..9);
        let fields = json!({ "d_model": channels, "d_latents": latents, "num_cross_attention_heads": heads, "num_self_attention_heads": 2 });
        let config = config(fields, random);
        let models = forms(&config, PerceiverModel::new);
        let shape = [random.random_range(1..4), random.random_range(1..300), channels];
        let inputs = tensor(random, &shape);
        let outputs = models.map(|model| model.forward(&inputs, Keep::default()).unwrap().last_hidden_state);
        compare(what, outputs.each_ref())
    });
}
