//! What a model call costs, from its shapes alone: the multiply-adds of every linear layer, convolution and attention product, each counted
//! as 2 floating-point operations, in the published form of the layers. Element-wise work is not counted.

use super::{AttentionShape, PerceiverConfig, models::NEIGHBOURHOOD_CHANNELS};

/// Into how many calls the published example for the multimodal model cuts its queries.
const EXAMPLE_CALLS: f64 = 128.0;

/// Floating-point operations of one call, batch 1. Exact up to 2^53.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// From pictures, sound or bytes to tokens.
    pub preprocess: f64,
    /// Latents over tokens.
    pub encoder_cross: f64,
    /// All self-attention layers of all blocks.
    pub self_attention: f64,
    /// All queries over the latents, and what makes results of them; of the multimodal model in the 128 parts of the published example.
    pub decoder: f64,
    /// All of it where the inputs are encoded anew for each of those parts, as in the published example; `None` for other models.
    pub example: Option<f64>,
}

impl Cost {
    /// Of a model of this architecture, for the longest text or the one size that its configuration asks for. Pictures for the two
    /// architectures that take any size (Fourier and convolution) have `picture` rows and columns. `None` where the configuration leaves
    /// the inputs open (`PerceiverModel`), and for what is none of the family's.
    pub fn of(config: &PerceiverConfig, architecture: &str, picture: [usize; 2]) -> Option<Self> {
        Some(match architecture {
            "PerceiverForMaskedLM" => masked_lm(config),
            "PerceiverForSequenceClassification" => classes(config, 0.0, text(config)),
            "PerceiverForImageClassificationLearned" => {
                let (pixels, channels) = (square(config.image_size), 256.0);
                let features = linear(pixels, 3.0, channels) + linear(pixels, channels, channels);
                classes(config, features, Tokens { count: pixels, channels: 2.0 * channels })
            }
            "PerceiverForImageClassificationFourier" => {
                let [rows, columns] = picture.map(number);
                classes(config, 0.0, Tokens { count: rows * columns, channels: 3.0 + fourier(2, 64) })
            }
            "PerceiverForImageClassificationConvProcessing" => {
                // A convolution of 7 × 7 with stride 2 and padding 3, then the largest of 3 × 3 with stride 2.
                let [wide, narrow] = [|side: usize| side.div_ceil(2), |side: usize| (side.div_ceil(2).max(3) - 3) / 2 + 1]
                    .map(|side| picture.map(|length| number(side(length))).iter().product::<f64>());
                classes(config, linear(wide, 3.0 * 49.0, 64.0), Tokens { count: narrow, channels: 64.0 + fourier(2, 64) })
            }
            "PerceiverForOpticalFlow" => optical_flow(config),
            "PerceiverForMultimodalAutoencoding" => multimodal(config),
            _ => return None,
        })
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.preprocess + self.encoder_cross + self.self_attention + self.decoder
    }

    fn new(config: &PerceiverConfig, preprocess: f64, tokens: Tokens, decoder: f64) -> Self {
        let latents = latents(config);
        let by_shape = match config.cross_attention_shape_for_attention {
            AttentionShape::Kv => tokens.channels,
            AttentionShape::Q => latents.channels,
        };
        let layer = |over: Tokens, by_default: f64, widening: usize| {
            let qk = config.qk_channels.map_or(by_default, number);
            layer(latents, over, qk, config.v_channels.map_or(qk, number), widening)
        };
        let layers = number(config.num_blocks) * number(config.num_self_attends_per_block);
        Self {
            preprocess,
            encoder_cross: layer(tokens, by_shape, config.cross_attention_widening_factor),
            self_attention: layers * layer(latents, latents.channels, config.self_attention_widening_factor),
            decoder,
            example: None,
        }
    }
}

/// A matrix of so many rows of so many numbers.
#[derive(Clone, Copy, Debug)]
struct Tokens {
    count: f64,
    channels: f64,
}

fn number(count: usize) -> f64 {
    count as f64
}

fn square(side: usize) -> f64 {
    number(side) * number(side)
}

fn linear(rows: f64, from: f64, to: f64) -> f64 {
    2.0 * rows * from * to
}

/// Channels of a Fourier encoding: the position, and sine and cosine for each band.
fn fourier(axes: usize, bands: usize) -> f64 {
    number(axes) * (2.0 * number(bands) + 1.0)
}

/// An attention with its projections, and the MLP behind it.
fn layer(queries: Tokens, inputs: Tokens, qk: f64, v: f64, widening: usize) -> f64 {
    let projections = linear(queries.count, queries.channels, qk) + linear(inputs.count, inputs.channels, qk + v);
    let products = linear(queries.count, inputs.count, qk + v);
    let output = linear(queries.count, v, queries.channels);
    projections + products + output + 2.0 * linear(queries.count, queries.channels, queries.channels * number(widening))
}

fn latents(config: &PerceiverConfig) -> Tokens {
    Tokens { count: number(config.num_latents), channels: number(config.d_latents) }
}

fn text(config: &PerceiverConfig) -> Tokens {
    Tokens { count: number(config.max_position_embeddings), channels: number(config.d_model) }
}

/// A decoder's cross-attention with one head, and its last layer.
fn decode(config: &PerceiverConfig, queries: Tokens, widening: usize, outputs: f64) -> f64 {
    let channels = match config.cross_attention_shape_for_attention {
        AttentionShape::Kv => number(config.d_latents),
        AttentionShape::Q => queries.channels,
    };
    layer(queries, latents(config), channels, channels, widening) + linear(queries.count, queries.channels, outputs)
}

fn classes(config: &PerceiverConfig, preprocess: f64, tokens: Tokens) -> Cost {
    let query = Tokens { count: 1.0, channels: number(config.d_latents) };
    Cost::new(config, preprocess, tokens, decode(config, query, 1, number(config.num_labels())))
}

fn masked_lm(config: &PerceiverConfig) -> Cost {
    let queries = text(config);
    // 8 heads of 32 channels, whatever the configuration says of the encoder.
    let decoder = layer(queries, latents(config), 256.0, queries.channels, 1);
    Cost::new(config, 0.0, queries, decoder + linear(queries.count, queries.channels, number(config.vocab_size)))
}

fn optical_flow(config: &PerceiverConfig) -> Cost {
    let flow = &config.optical_flow;
    let [rows, columns] = config.train_size.map(|side| number(side / flow.patch));
    let features = number(flow.out_channels);
    let tokens = Tokens { count: rows * columns, channels: features + fourier(2, flow.num_bands) };
    let preprocess = linear(tokens.count, 2.0 * number(NEIGHBOURHOOD_CHANNELS) * square(flow.patch), features);
    let decoder = decode(config, tokens, flow.decoder_widening_factor, 2.0 * square(flow.patch));
    Cost::new(config, preprocess, tokens, decoder)
}

fn multimodal(config: &PerceiverConfig) -> Cost {
    let multimodal = &config.multimodal;
    let frames_per_patch = number(multimodal.frames_per_patch);
    let (samples, labels) = (number(config.samples_per_patch), number(config.num_labels()));
    let patches = number(config.num_frames) * number(config.audio_samples_per_frame) / samples;
    let (audio, image) = (fourier(1, multimodal.audio_num_bands), fourier(3, multimodal.image_num_bands));
    let cells = number(config.num_frames) / frames_per_patch * square(config.image_size);
    let pixels = 3.0 * frames_per_patch * square(multimodal.patch);
    let features = multimodal.out_channels.map_or(pixels, number);
    let preprocess = multimodal.out_channels.map_or(0.0, |_| linear(cells, pixels, features));
    let tokens = Tokens { count: patches + cells + 1.0, channels: 4.0 + (samples + audio).max(features + image).max(labels) };
    let pixels: f64 = config.output_shape.iter().skip(1).map(|&size| number(size)).product();
    let width = 2.0 + audio.max(image).max(number(config.label_trainable_num_channels));
    let outputs = number(config.output_num_channels);
    // Each call has its share of the points, and the label.
    let [patches, pixels] = [patches, pixels].map(|points| points / EXAMPLE_CALLS);
    let queries = Tokens { count: patches + pixels + 1.0, channels: width };
    let results = linear(patches, outputs, samples) + linear(pixels, outputs, 3.0) + linear(1.0, outputs, labels);
    let call =
        Cost::new(config, preprocess, tokens, decode(config, queries, multimodal.decoder_widening_factor, outputs) + results);
    Cost { decoder: EXAMPLE_CALLS * call.decoder, example: Some(EXAMPLE_CALLS * call.total()), ..call }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: [usize; 2] = [224, 224];

    /// The shapes of a published checkpoint.
    fn published(json: &str, labels: usize) -> PerceiverConfig {
        let config: PerceiverConfig = serde_json::from_str(json).unwrap();
        let id2label = (0..labels).map(|label| (label.to_string(), String::new())).collect();
        PerceiverConfig { id2label: Some(id2label), ..config }
    }

    fn vision(image_size: usize) -> PerceiverConfig {
        let shapes = r#"{"num_latents": 512, "d_latents": 1024, "num_blocks": 8, "num_self_attends_per_block": 6,
            "num_self_attention_heads": 8, "num_cross_attention_heads": 1}"#;
        PerceiverConfig { image_size, ..published(shapes, 1000) }
    }

    fn gflop(architecture: &str, config: &PerceiverConfig) -> [f64; 5] {
        let cost = Cost::of(config, architecture, PICTURE).unwrap();
        [cost.preprocess, cost.encoder_cross, cost.self_attention, cost.decoder, cost.total()].map(|flop| flop / 1e9)
    }

    /// Held against PyTorch's own counter on the reference's models.
    #[test]
    fn published_models_cost_what_was_counted_in_the_reference() {
        let language = published(r#"{"qk_channels": 256, "v_channels": 1280}"#, 2);
        let flow = published(
            r#"{"num_latents": 2048, "d_latents": 512, "num_self_attends_per_block": 24, "num_cross_attention_heads": 1}"#,
            2,
        );
        for (architecture, config, expected) in [
            ("PerceiverForImageClassificationConvProcessing", vision(56), [0.24, 6.07, 360.8, 2.16, 369.2]),
            ("PerceiverForImageClassificationFourier", vision(56), [0.0, 43.2, 360.8, 2.16, 406.1]),
            ("PerceiverForImageClassificationLearned", vision(224), [6.7, 108.5, 360.8, 2.16, 478.0]),
            ("PerceiverForMaskedLM", language, [0.0, 9.1, 101.2, 10.6, 120.9]),
            ("PerceiverForOpticalFlow", flow, [1.3, 560.7, 360.8, 964.0, 1886.7]),
        ] {
            for (found, expected) in gflop(architecture, &config).into_iter().zip(expected) {
                assert!((found - expected).abs() <= 0.06, "{architecture}: {found} GFLOP, counted {expected}");
            }
        }
    }

    #[test]
    fn the_multimodal_example_encodes_128_times() {
        let config = published(
            r#"{"num_latents": 784, "d_latents": 512, "num_self_attends_per_block": 8, "num_cross_attention_heads": 1}"#,
            700,
        );
        let cost = Cost::of(&config, "PerceiverForMultimodalAutoencoding", PICTURE).unwrap();
        let close =
            |found: f64, expected: f64| assert!((found / 1e9 / expected - 1.0).abs() < 1e-3, "{found}, counted {expected}");
        close(cost.encoder_cross, 220.2);
        close(cost.decoder, 7326.0);
        close(cost.total(), 7576.0);
        close(cost.example.unwrap(), 39_332.0);
    }

    /// Two latents of 4 over three tokens of 2, one layer of self-attention, one class query.
    #[test]
    fn a_model_small_enough_to_count_by_hand() {
        let config = published(
            r#"{"num_latents": 2, "d_latents": 4, "d_model": 2, "max_position_embeddings": 3, "num_self_attends_per_block": 1}"#,
            5,
        );
        let cost = Cost::of(&config, "PerceiverForSequenceClassification", PICTURE).unwrap();
        // Query 2·4·2, key and value 3·2·2 each, scores and sums 2·3·2 each, output 2·2·4, MLP 2·4·4 twice.
        assert_eq!(cost.encoder_cross, 2.0 * (16.0 + 24.0 + 24.0 + 16.0 + 64.0));
        assert_eq!(cost.self_attention, 2.0 * (3.0 * 32.0 + 2.0 * 16.0 + 32.0 + 64.0));
        assert_eq!(cost.decoder, 2.0 * (16.0 + 2.0 * 32.0 + 2.0 * 8.0 + 16.0 + 32.0 + 20.0));
    }

    #[test]
    fn what_takes_any_inputs_has_no_cost_of_its_own() {
        let config = PerceiverConfig::default();
        assert_eq!(Cost::of(&config, "PerceiverModel", PICTURE), None);
        assert_eq!(Cost::of(&config, "BertModel", PICTURE), None);
    }
}
