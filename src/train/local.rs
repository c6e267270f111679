//! A multimodal model whose attention begins where it mostly ends: near by.
//!
//! Latents that begin by chance all read the mean of the whole window, and so do the queries of its pixels from the latents: it takes
//! a training of many thousand steps until either knows a place. Here each latent begins with the place of one token, and the queries
//! and keys of both cross-attentions begin as the Fourier features of the places, whose product is largest where two places are
//! one. Only first values differ; the model and its training stay what they are.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use super::Variables;
use crate::{
    error::Result,
    perceiver::{FourierOptions, FourierPositions, PerceiverConfig, preprocess::AudioProfile},
};

/// How far the places in latents stand out, in multiples of a Fourier feature.
const PLACE: f32 = 1.5;
/// How far tokens and queries of one modality are from those of the other.
const MODALITY: f32 = 1.0;
/// First weights of queries and keys on places, and on the modality.
const PLACE_GAIN: f32 = 1.4;
/// The same on the places themselves, which lead their Fourier features: those alone take the first and the last of two tokens for one.
const LEADING_GAIN: f32 = 2.8;
const MODALITY_GAIN: f32 = 2.5;
/// What the first weights of layers between reading and answering are multiplied with, so that the places outlast them.
const CALM: f32 = 0.3;
/// What the first weights of the last layers are multiplied with: answers begin near nothing. Far from it, the first steps have nothing to do but
/// to shrink them, and leave no place where it was.
const SOFT: f32 = 0.03;

/// One modality: where its tokens are, as the encoder and as the decoder write it.
struct Places {
    axes: usize,
    /// Channels of a token before its place.
    features: usize,
    /// Cells × Fourier features.
    tokens: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

impl Places {
    fn channels(&self) -> usize {
        self.tokens.first().map_or(0, Vec::len)
    }

    /// The encoder's first weight on a channel of the place.
    fn gain(&self, channel: usize) -> f32 {
        if channel < self.axes { LEADING_GAIN } else { PLACE_GAIN }
    }

    /// Cells of `grid` tokens along each axis, over `outputs` queries along each.
    fn new(
        features: usize,
        bands: usize,
        [of_tokens, of_queries]: [Vec<usize>; 2],
        grid: &[usize],
        outputs: &[usize],
    ) -> Result<Self> {
        let encode = |resolution: Vec<usize>, place: &dyn Fn(usize, usize) -> f32| -> Result<Vec<Vec<f32>>> {
            let options = FourierOptions { num_bands: bands, max_resolution: resolution, concat_pos: true, sine_only: false };
            let places: Vec<f32> =
                cells(grid).iter().flat_map(|cell| cell.iter().enumerate().map(|(axis, &at)| place(axis, at))).collect();
            let places = Tensor::from_vec(places, (1, grid.iter().product::<usize>(), grid.len()), &Device::Cpu)?;
            Ok(FourierPositions::new(options)?.encode(&places)?.squeeze(0)?.to_vec2()?)
        };
        Ok(Self {
            axes: grid.len(),
            features,
            // From −1 to 1, both of them.
            tokens: encode(of_tokens, &|axis, at| 2.0 * at as f32 / (grid[axis].max(2) - 1) as f32 - 1.0)?,
            // The centre of the cell's outputs, the first of all outputs at −1 and one behind the last at 1.
            queries: encode(of_queries, &|axis, at| {
                let (cells, outputs) = (grid[axis] as f32, outputs[axis] as f32);
                2.0 * ((at as f32 + 0.5) / cells - 0.5 / outputs) - 1.0
            })?,
        })
    }
}

/// Indices of every cell of a grid, the last axis fastest.
fn cells(grid: &[usize]) -> Vec<Vec<usize>> {
    grid.iter().fold(vec![Vec::new()], |cells, &size| {
        cells.iter().flat_map(|cell| (0..size).map(|at| [&cell[..], &[at]].concat())).collect()
    })
}

/// Sets the first values of a multimodal model of `config`, when it has a latent for every token and room for the places in it, and one
/// head in each cross-attention. Otherwise all stays as chance made it.
///
/// # Errors
/// What the tensor library says.
pub(super) fn begin_near_by(config: &PerceiverConfig, variables: &Variables) -> Result<()> {
    let multimodal = &config.multimodal;
    let samples = config.num_frames * config.audio_samples_per_frame;
    let patches = samples / config.samples_per_patch;
    let grid = [config.num_frames / multimodal.frames_per_patch, config.image_size, config.image_size];
    let queries = multimodal.query_resolution.unwrap_or([config.num_frames, config.image_size, config.image_size]);
    let pixels = 3 * multimodal.frames_per_patch * multimodal.patch.pow(2);
    let sound = multimodal.audio_resolution.unwrap_or(samples);
    let image = Places::new(
        multimodal.out_channels.unwrap_or(pixels),
        multimodal.image_num_bands,
        [grid.to_vec(), queries.to_vec()],
        &grid,
        &config.output_shape.iter().skip(1).zip(multimodal.query_patch).map(|(side, patch)| side / patch).collect::<Vec<_>>(),
    )?;
    let profile = AudioProfile { samples_per_patch: config.samples_per_patch, tokens: patches };
    let features = config.samples_per_patch + if multimodal.profile { profile.channels() } else { 0 };
    let audio = Places::new(features, multimodal.audio_num_bands, [vec![sound], vec![sound]], &[patches], &[patches])?;
    let layout = Layout::new(&image, &audio);
    let width = config.qk_channels.unwrap_or(usize::MAX).min(config.d_latents);
    let single = config.num_cross_attention_heads == 1 && multimodal.decoder_num_heads == 1;
    if !single || layout.end > width || image.tokens.len() + audio.tokens.len() > config.num_latents {
        return Ok(());
    }
    let variables: BTreeMap<String, Var> = variables.all().into_iter().collect();
    let change = |name: &str, change: &dyn Fn(&mut [Vec<f32>])| -> Result<()> {
        let Some(variable) = variables.get(name) else { return Ok(()) };
        let mut rows = variable.to_vec2::<f32>()?;
        change(&mut rows);
        Ok(variable.set(&Tensor::from_vec(rows.concat(), variable.shape().clone(), variable.device())?)?)
    };
    change("perceiver.embeddings.latents", &|rows| layout.latents(rows, &image, &audio))?;
    let reading = "perceiver.encoder.cross_attention.attention.self";
    change(&format!("{reading}.query.weight"), &|rows| layout.reading_queries(rows, &image, &audio))?;
    change(&format!("{reading}.key.weight"), &|rows| layout.reading_keys(rows, &image, &audio))?;
    let answering = "perceiver.decoder.decoder.decoding_cross_attention.attention.self";
    change(&format!("{answering}.query.weight"), &|rows| layout.answering(rows, true))?;
    change(&format!("{answering}.key.weight"), &|rows| layout.answering(rows, false))?;
    for (modality, sign) in [("image", MODALITY), ("audio", -MODALITY)] {
        for part in ["input_preprocessor", "decoder"] {
            change(&format!("perceiver.{part}.padding.{modality}"), &|rows| {
                let from = rows[0].len().saturating_sub(marks(part));
                rows[0][from..].fill(sign);
            })?;
        }
    }
    for name in variables.keys().filter(|name| name.starts_with("perceiver.output_postprocessor.")) {
        if name.ends_with(".weight") {
            change(name, &|rows| rows.iter_mut().flatten().for_each(|weight| *weight *= SOFT))?;
        }
    }
    for name in variables.keys().filter(|name| name.starts_with("perceiver.encoder.")) {
        if name.ends_with("attention.output.dense.weight") || name.ends_with("mlp.dense2.weight") {
            let share = if name.contains("self_attends") { CALM } else { 1.0 };
            change(name, &|rows| {
                rows.iter_mut().flatten().for_each(|weight| *weight *= share);
                rows[..layout.kept].iter_mut().for_each(|row| row.fill(0.0));
            })?;
        }
    }
    Ok(())
}

/// Last channels of a padding that tell the modality: as many as the widest modality has at least.
fn marks(part: &str) -> usize {
    if part == "decoder" { 2 } else { 4 }
}

/// Channels of latents, and of queries and keys.
struct Layout {
    /// Of the place as queries write it: from 0. The modality's sign stands behind it.
    sign: usize,
    /// What is to outlast all layers: the place as queries write it, and the sign.
    kept: usize,
    /// Of the place as tokens write it, each modality's own.
    image: usize,
    audio: usize,
    end: usize,
}

impl Layout {
    fn new(image: &Places, audio: &Places) -> Self {
        let sign = image.channels().max(audio.channels());
        let kept = sign + 1;
        Self { sign, kept, image: kept, audio: kept + image.channels(), end: kept + image.channels() + audio.channels() }
    }

    /// One latent for each token, then those without a place.
    fn latents(&self, rows: &mut [Vec<f32>], image: &Places, audio: &Places) {
        let mut rows = rows.iter_mut();
        for (places, slot, sign) in [(image, self.image, MODALITY), (audio, self.audio, -MODALITY)] {
            for ((tokens, queries), row) in places.tokens.iter().zip(&places.queries).zip(&mut rows) {
                row[..self.end].fill(0.0);
                row.iter_mut().zip(queries).for_each(|(x, place)| *x = PLACE * place);
                row[slot..].iter_mut().zip(tokens).for_each(|(x, place)| *x = PLACE * place);
                row[self.sign] = PLACE * sign;
            }
        }
    }

    /// The encoder's queries: the latents' places as tokens write them.
    fn reading_queries(&self, rows: &mut [Vec<f32>], image: &Places, audio: &Places) {
        for (places, slot) in [(image, self.image), (audio, self.audio)] {
            for (channel, row) in rows[slot..].iter_mut().enumerate().take(places.channels()) {
                row.fill(0.0);
                row[slot + channel] = places.gain(channel);
            }
        }
        rows[self.sign].fill(0.0);
        rows[self.sign][self.sign] = MODALITY_GAIN;
    }

    /// The encoder's keys: the tokens' places.
    fn reading_keys(&self, rows: &mut [Vec<f32>], image: &Places, audio: &Places) {
        for (places, slot) in [(image, self.image), (audio, self.audio)] {
            for (channel, row) in rows[slot..].iter_mut().enumerate().take(places.channels()) {
                row.fill(0.0);
                row[places.features + channel] = places.gain(channel);
            }
        }
        mark(&mut rows[self.sign], marks("input_preprocessor"));
    }

    /// The decoder's queries, or its keys: the places as queries write them.
    fn answering(&self, rows: &mut [Vec<f32>], of_queries: bool) {
        for (channel, row) in rows.iter_mut().enumerate().take(self.sign) {
            row.fill(0.0);
            row[channel] = PLACE_GAIN;
        }
        if of_queries {
            mark(&mut rows[self.sign], marks("decoder"));
        } else {
            rows[self.sign].fill(0.0);
            rows[self.sign][self.sign] = MODALITY_GAIN;
        }
    }
}

/// A row that reads the modality off the last channels.
fn mark(row: &mut [f32], marks: usize) {
    let from = row.len() - marks;
    row.fill(0.0);
    row[from..].fill(MODALITY_GAIN / marks as f32 * 2.0);
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::perceiver::{
        Keep, MultimodalConfig,
        models::{MultimodalInputs, PerceiverForMultimodalAutoencoding},
    };

    /// Two tokens of time, three by three places, and four of sound.
    fn config(num_latents: usize) -> PerceiverConfig {
        PerceiverConfig {
            num_latents,
            d_latents: 96,
            qk_channels: Some(96),
            v_channels: Some(96),
            num_blocks: 1,
            num_self_attends_per_block: 2,
            num_self_attention_heads: 4,
            num_cross_attention_heads: 1,
            // So few channels hold the place that what is read, if louder, would outweigh it in some outputs.
            initializer_range: 0.05,
            num_frames: 4,
            image_size: 3,
            samples_per_patch: 8,
            audio_samples_per_frame: 8,
            output_shape: vec![1, 4, 12, 12],
            output_num_channels: 16,
            label_trainable_num_channels: 60,
            id2label: Some([("0".to_owned(), "black".to_owned())].into()),
            multimodal: MultimodalConfig {
                patch: 4,
                frames_per_patch: 2,
                out_channels: Some(40),
                image_num_bands: 3,
                audio_num_bands: 3,
                audio_resolution: Some(4),
                query_resolution: Some([2, 3, 3]),
                decoder_num_heads: 1,
                use_query_residual: true,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    /// For the window's latents, the token each reads most, and for some outputs the latent that answers most.
    fn nearest(num_latents: usize) -> (Vec<u32>, Vec<u32>) {
        let config = config(num_latents);
        let variables = Variables::new(4, &Device::Cpu);
        let weights = variables.weights(config.initializer_range);
        let model = PerceiverForMultimodalAutoencoding::new(&config, &weights).unwrap();
        begin_near_by(&config, &variables).unwrap();
        // The same in every run.
        let noise = |length: u16| (0..length).map(|i| (f32::from(i) * 12.9898).sin()).collect::<Vec<_>>();
        let image = Tensor::from_vec(noise(4 * 3 * 12 * 12), (1, 4, 3, 12, 12), &Device::Cpu).unwrap().abs().unwrap();
        let audio = Tensor::from_vec(noise(32), (1, 32, 1), &Device::Cpu).unwrap();
        let inputs = MultimodalInputs { image: &image, audio: &audio, label: None };
        // The middle of the first and of the last place of the first frames; the third patch of sound.
        let points = [("audio", vec![2]), ("image", vec![13, 10 * 12 + 10]), ("label", vec![])];
        let points = points.map(|(name, points)| (name.to_owned(), points)).into();
        let output = model.forward(inputs, &points, Keep { attentions: true, hidden_states: false }).unwrap();
        let most = |attention: &Tensor| -> Vec<u32> {
            let shares = attention.squeeze(0).unwrap().squeeze(0).unwrap().to_dtype(DType::F32).unwrap();
            shares.argmax(1).unwrap().to_vec1().unwrap()
        };
        (most(&output.encoder.cross_attentions[0]), most(&output.decoder_attention.unwrap()))
    }

    #[test]
    fn latents_read_their_own_place_and_outputs_ask_the_latent_of_theirs() {
        let (tokens, latents) = nearest(24);
        // Tokens of sound come first, then those of the video; latents the other way round.
        assert_eq!(tokens[..18], (4..22).collect::<Vec<u32>>());
        assert_eq!(tokens[18..22], (0..4).collect::<Vec<u32>>());
        assert_eq!(latents, [20, 0, 8]);
    }

    #[test]
    fn without_a_latent_for_every_token_chance_decides() {
        assert_ne!(nearest(21).0[..18], (4..22).collect::<Vec<u32>>());
    }
}
