//! What a model call costs, from its shapes alone: the multiply-adds of every linear layer, convolution and attention product, each counted
//! as 2 floating-point operations, in the published form of the layers or in the folded one. Element-wise work is not counted.

use super::{
    AttentionShape, Folding, PerceiverConfig,
    fold::{DecoderShape, EncoderShape, TokenShape, separable},
    models::NEIGHBOURHOOD_CHANNELS,
    preprocess::{AudioProfile, VideoProfile},
};

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
    /// All queries over the latents, and what makes results of them; of the multimodal model, in the published form, in the 128 parts of the
    /// published example.
    pub decoder: f64,
    /// All of it where the inputs are encoded anew for each of those parts, as in the published example; `None` for other models, and in the
    /// folded form.
    pub example: Option<f64>,
}

impl Cost {
    /// Of a model of this architecture in its published form, for the longest text or the one size that its configuration asks for.
    /// Pictures for the two architectures that take any size (Fourier and convolution) have `picture` rows and columns. `None` where the
    /// configuration leaves the inputs open (`PerceiverModel`), and for what is none of the family's.
    pub fn of(config: &PerceiverConfig, architecture: &str, picture: [usize; 2]) -> Option<Self> {
        Self::with_folding(config, architecture, picture, Folding::Off)
    }

    /// The same of a model that is folded where that pays, as on a processor. What is computed when the model is loaded is not counted.
    pub fn with_folding(config: &PerceiverConfig, architecture: &str, picture: [usize; 2], folding: Folding) -> Option<Self> {
        let image = |preprocess: f64, width: usize, [rows, columns]: [usize; 2]| {
            let channels = width as f64 + fourier(2, 64);
            let tokens = Tokens { count: number(rows * columns), channels };
            classes(config, preprocess, tokens, &[on_grid(width, channels, &[rows, columns])], folding)
        };
        Some(match architecture {
            "PerceiverForMaskedLM" => masked_lm(config, folding),
            "PerceiverForSequenceClassification" => classes(config, 0.0, text(config), &[text(config).bare()], folding),
            "PerceiverForImageClassificationLearned" => {
                let (pixels, channels) = (square(config.image_size), 256.0);
                let tokens = Tokens { count: pixels, channels: 2.0 * channels };
                // Folded, it reads the colours that its convolution would make features of, and positions that are projected once.
                let (preprocess, read) = match folding {
                    Folding::Off => (linear(pixels, 3.0, channels) + linear(pixels, channels, channels), tokens),
                    Folding::Auto => (0.0, Tokens { count: pixels, channels: 3.0 + channels }),
                };
                classes(config, preprocess, tokens, &[read.bare()], folding)
            }
            "PerceiverForImageClassificationFourier" => image(0.0, 3, picture),
            "PerceiverForImageClassificationConvProcessing" => {
                // A convolution of 7 × 7 with stride 2 and padding 3, then the largest of 3 × 3 with stride 2.
                let wide = picture.map(|side| side.div_ceil(2));
                let narrow = wide.map(|side| (side.max(3) - 3) / 2 + 1);
                image(linear(wide.map(number).iter().product(), 3.0 * 49.0, 64.0), 64, narrow)
            }
            "PerceiverForOpticalFlow" => optical_flow(config, folding),
            "PerceiverForMultimodalAutoencoding" => multimodal(config, folding),
            _ => return None,
        })
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.preprocess + self.encoder_cross + self.self_attention + self.decoder
    }

    fn new(
        config: &PerceiverConfig,
        preprocess: f64,
        tokens: Tokens,
        blocks: &[TokenShape],
        decoder: f64,
        folding: Folding,
    ) -> Self {
        let latents = latents(config);
        let by_shape = match config.cross_attention_shape_for_attention {
            AttentionShape::Kv => tokens.channels,
            AttentionShape::Q => latents.channels,
        };
        let channels = |by_default: f64| {
            let qk = config.qk_channels.map_or(by_default, number);
            (qk, config.v_channels.map_or(qk, number))
        };
        let (qk, v) = channels(by_shape);
        let published = layer(latents, tokens, qk, v, config.cross_attention_widening_factor);
        let shape = EncoderShape {
            latents: config.num_latents,
            heads: config.num_cross_attention_heads,
            channels: tokens.channels as usize,
            qk: qk as usize,
            v: v as usize,
        };
        let encoder_cross = if folding == Folding::Auto && shape.folds(blocks.iter().copied()) {
            let [plain, folded] = [shape.plain(blocks.iter().copied()), shape.folded(blocks.iter().copied())].map(number);
            // The latents' queries are constants; each head projects the sums of its tokens to its values.
            published - 2.0 * plain - linear(latents.count, latents.channels, qk)
                + 2.0 * folded
                + linear(latents.count, tokens.channels, v)
        } else {
            published
        };
        let layers = number(config.num_blocks) * number(config.num_self_attends_per_block);
        let (qk, v) = channels(latents.channels);
        Self {
            preprocess,
            encoder_cross,
            self_attention: layers * layer(latents, latents, qk, v, config.self_attention_widening_factor),
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

impl Tokens {
    /// Tokens that are features and nothing else.
    fn bare(self) -> TokenShape {
        TokenShape { count: self.count as usize, width: self.channels as usize, places: 0 }
    }
}

/// Tokens of all cells of a grid: features of `width` channels, and positions where they can be kept apart by axis.
fn on_grid(width: usize, channels: f64, sizes: &[usize]) -> TokenShape {
    let count = sizes.iter().product();
    if separable(sizes.iter().copied(), count) {
        TokenShape { count, width, places: sizes.iter().sum() }
    } else {
        TokenShape { count, width: channels as usize, places: 0 }
    }
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
    let channels = attended_channels(config, queries);
    layer(queries, latents(config), channels, channels, widening) + linear(queries.count, queries.channels, outputs)
}

/// Channels of keys and values in a decoder.
fn attended_channels(config: &PerceiverConfig, queries: Tokens) -> f64 {
    match config.cross_attention_shape_for_attention {
        AttentionShape::Kv => number(config.d_latents),
        AttentionShape::Q => queries.channels,
    }
}

/// Keys and values of a decoder's latents.
fn projected_latents(config: &PerceiverConfig, queries: Tokens) -> f64 {
    linear(number(config.num_latents), number(config.d_latents), 2.0 * attended_channels(config, queries))
}

/// What answering queries costs in the form that their shapes ask for; `outputs` are those of the last layers, one after the other.
fn answers(
    config: &PerceiverConfig,
    queries: Tokens,
    shape: TokenShape,
    widening: usize,
    residual: bool,
    outputs: &[usize],
) -> f64 {
    let (channels, attended) = (queries.channels as usize, attended_channels(config, queries) as usize);
    let decoder = DecoderShape {
        latents: config.num_latents,
        channels,
        qk: attended,
        v: attended,
        hidden: channels * widening,
        plain_outputs: outputs.iter().sum(),
        outputs: outputs.last().copied().unwrap_or(channels),
        residual,
    };
    2.0 * number(decoder.cost(decoder.form(shape), shape))
}

fn classes(config: &PerceiverConfig, preprocess: f64, tokens: Tokens, blocks: &[TokenShape], folding: Folding) -> Cost {
    let query = Tokens { count: 1.0, channels: number(config.d_latents) };
    Cost::new(config, preprocess, tokens, blocks, decode(config, query, 1, number(config.num_labels())), folding)
}

fn masked_lm(config: &PerceiverConfig, folding: Folding) -> Cost {
    let queries = text(config);
    // 8 heads of 32 channels, whatever the configuration says of the encoder.
    let decoder = layer(queries, latents(config), 256.0, queries.channels, 1);
    let scores = linear(queries.count, queries.channels, number(config.vocab_size));
    Cost::new(config, 0.0, queries, &[queries.bare()], decoder + scores, folding)
}

fn optical_flow(config: &PerceiverConfig, folding: Folding) -> Cost {
    let flow = &config.optical_flow;
    let grid = config.train_size.map(|side| side / flow.patch);
    let features = number(flow.out_channels);
    let tokens = Tokens { count: number(grid.iter().product()), channels: features + fourier(2, flow.num_bands) };
    let block = on_grid(flow.out_channels, tokens.channels, &grid);
    let preprocess = linear(tokens.count, 2.0 * number(NEIGHBOURHOOD_CHANNELS) * square(flow.patch), features);
    let outputs = 2 * flow.patch * flow.patch;
    let decoder = match folding {
        Folding::Off => decode(config, tokens, flow.decoder_widening_factor, number(outputs)),
        Folding::Auto => {
            projected_latents(config, tokens)
                + answers(config, tokens, block, flow.decoder_widening_factor, flow.use_query_residual, &[outputs])
        }
    };
    Cost::new(config, preprocess, tokens, &[block], decoder, folding)
}

fn multimodal(config: &PerceiverConfig, folding: Folding) -> Cost {
    let multimodal = &config.multimodal;
    let frames_per_patch = multimodal.frames_per_patch;
    let (samples, labels) = (config.samples_per_patch, config.num_labels());
    let patches = config.num_frames * config.audio_samples_per_frame / samples;
    let (audio, image) = (fourier(1, multimodal.audio_num_bands), fourier(3, multimodal.image_num_bands));
    let pictures = [config.num_frames / frames_per_patch, config.image_size, config.image_size];
    let pixels = 3 * frames_per_patch * multimodal.patch * multimodal.patch;
    let features = multimodal.out_channels.unwrap_or(pixels);
    let measured = |channels: usize| if multimodal.profile { channels } else { 0 };
    let sound = samples + measured(AudioProfile { samples_per_patch: samples, tokens: patches }.channels());
    let profile = VideoProfile {
        patch: multimodal.patch,
        frames: frames_per_patch,
        search: multimodal.search(),
        activity: multimodal.profile,
    };
    let channels = 4.0 + (number(sound) + audio).max(number(features) + image).max(number(labels));
    let blocks = [
        on_grid(sound, number(sound) + audio, &[patches]),
        on_grid(features, channels, &pictures),
        // The label is masked: the same token always.
        TokenShape { count: 1, width: 0, places: 0 },
    ];
    let stem = |_| linear(number(blocks[1].count), number(pixels + profile.channels()), number(features));
    let preprocess = multimodal.out_channels.map_or(0.0, stem);
    let tokens = Tokens { count: number(blocks.iter().map(|block| block.count).sum()), channels };
    let asked_together = multimodal.query_patch;
    let grid: Vec<usize> = config.output_shape.iter().skip(1).zip(asked_together).map(|(side, patch)| side / patch).collect();
    let levels = 3 * asked_together.iter().product::<usize>();
    let pixels: f64 = grid.iter().copied().map(number).product();
    let width = 2.0 + audio.max(image).max(number(config.label_trainable_num_channels));
    let (outputs, widening) = (config.output_num_channels, multimodal.decoder_widening_factor);
    if folding == Folding::Auto {
        let asked = |count: f64| Tokens { count, channels: width };
        let answered = |shape: TokenShape, last: usize| answers(config, asked(0.0), shape, widening, false, &[outputs, last]);
        let label = decode(config, asked(1.0), widening, number(outputs)) + linear(1.0, number(outputs), number(labels));
        let decoder = projected_latents(config, asked(0.0))
            + answered(on_grid(0, audio, &[patches]), samples)
            + answered(on_grid(0, image, &grid), levels)
            + label;
        return Cost::new(config, preprocess, tokens, &blocks, decoder, folding);
    }
    // Each call has its share of the points, and the label.
    let [patches, pixels] = [number(patches), pixels].map(|points| points / EXAMPLE_CALLS);
    let queries = Tokens { count: patches + pixels + 1.0, channels: width };
    let outputs = number(outputs);
    let results = linear(patches, outputs, number(samples))
        + linear(pixels, outputs, number(levels))
        + linear(1.0, outputs, number(labels));
    let answers = decode(config, queries, widening, outputs) + results;
    let call = Cost::new(config, preprocess, tokens, &blocks, answers, folding);
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

    /// The published flow model over 368 × 496 tokens, with what folding leaves: two products with 64 features for each latent and token, tables
    /// of 864 places, and one projection of the sums; in the decoder the scores, the attended values and the MLP.
    #[test]
    fn the_folded_flow_model_costs_what_its_products_say() {
        let config = published(
            r#"{"num_latents": 2048, "d_latents": 512, "num_self_attends_per_block": 24, "num_cross_attention_heads": 1}"#,
            2,
        );
        let cost = Cost::with_folding(&config, "PerceiverForOpticalFlow", PICTURE, Folding::Auto).unwrap();
        let (tokens, n) = (368.0 * 496.0, 2048.0);
        let projected = n * 322.0 * 322.0 + n * 322.0 * 512.0 + 2.0 * n * 512.0 * 512.0;
        assert_eq!(cost.encoder_cross / 2.0, 2.0 * n * (tokens * 64.0 + 864.0 * 322.0) + projected);
        let queries = tokens * (n * (64.0 + 322.0) + 322.0 * 322.0 + 2.0 * (322.0 + 322.0));
        let prepared = n * 322.0 * (512.0 + 512.0 + 864.0) + 2.0 * 322.0 * (2.0 + 322.0);
        assert_eq!(cost.decoder / 2.0, queries + prepared + 2.0 * n * 512.0 * 512.0);
        let plain = Cost::of(&config, "PerceiverForOpticalFlow", PICTURE).unwrap();
        assert_eq!((cost.preprocess, cost.self_attention), (plain.preprocess, plain.self_attention));
    }

    #[test]
    fn what_does_not_fold_costs_the_same() {
        let language = published(r#"{"qk_channels": 256, "v_channels": 1280}"#, 2);
        let of = |folding| Cost::with_folding(&language, "PerceiverForMaskedLM", PICTURE, folding).unwrap();
        assert_eq!(of(Folding::Auto), of(Folding::Off));
    }

    #[test]
    fn what_takes_any_inputs_has_no_cost_of_its_own() {
        let config = PerceiverConfig::default();
        assert_eq!(Cost::of(&config, "PerceiverModel", PICTURE), None);
        assert_eq!(Cost::of(&config, "BertModel", PICTURE), None);
    }
}
