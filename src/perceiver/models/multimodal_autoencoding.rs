//! `PerceiverForMultimodalAutoencoding`: video, its sound and its class through one small latent array (Perceiver IO, section 4.4).
//!
//! The reference runs the whole model for every chunk of outputs. The latents do not depend on which outputs are asked for, so here a
//! segment is encoded once ([`encode`](PerceiverForMultimodalAutoencoding::encode)) and decoded as often as wanted
//! ([`decode`](PerceiverForMultimodalAutoencoding::decode), [`reconstruct`](PerceiverForMultimodalAutoencoding::reconstruct)).

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::{ForwardOptions, ModelOutput, PerceiverModel};
use crate::{
    error::{Error, Result},
    perceiver::{
        EncoderOutput, Inputs, Linear, MultimodalConfig, PerceiverConfig, PositionArguments, Stage, Weights,
        decode::{
            BasicDecoder, BasicDecoderOptions, BasicVideoAutoencodingDecoder, ClassificationDecoder, Decoded, ModalityDecoder,
            MultimodalDecoder, Points,
        },
        postprocess::{
            AudioPostprocessor, ClassificationPostprocessor, ModalityPostprocessor, MultimodalPostprocessor,
            ProjectionPostprocessor, VideoPatches,
        },
        preprocess::{
            AudioOptions, AudioPreprocessor, AudioProfile, ImageOptions, ImagePreprocessor, ModalityPreprocessor,
            MultimodalPreprocessor, OneHotPreprocessor, PrepType, VideoProfile,
        },
    },
};

/// Name of the modality of sound.
pub const AUDIO: &str = "audio";
/// Name of the modality of video.
pub const IMAGE: &str = "image";
/// Name of the modality of classes.
pub const LABEL: &str = "label";

/// Colours of a pixel.
const COLOURS: usize = 3;
/// Channels that the widest modality is padded by, before the encoder and in the decoder: fixed in the published code.
const INPUT_PADDING: usize = 4;
const QUERY_PADDING: usize = 2;
/// No token is masked at random here: the probabilities are 0 and 1.
const SEED: u64 = 0;

/// A segment of video.
#[derive(Clone, Copy, Debug)]
pub struct MultimodalInputs<'a> {
    /// B × T × 3 × Y × X in 0 … 1.
    pub image: &'a Tensor,
    /// B × samples × 1 in −1 … 1.
    pub audio: &'a Tensor,
    /// B × classes. It has no effect: the model always replaces it by its mask token. Without one, zeros.
    pub label: Option<&'a Tensor>,
}

/// A segment of video in; pixels, samples and class scores out.
#[derive(Clone, Debug)]
pub struct PerceiverForMultimodalAutoencoding {
    num_labels: usize,
    output_shape: [usize; 3],
    /// Where a query stands for more than one pixel.
    patches: Option<VideoPatches>,
    preprocessor: MultimodalPreprocessor,
    perceiver: PerceiverModel,
    decoder: MultimodalDecoder,
    postprocessor: MultimodalPostprocessor,
}

impl PerceiverForMultimodalAutoencoding {
    /// Reads `perceiver.…`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the configuration does not fit together.
    pub fn new(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<Self> {
        if !samples(config).is_multiple_of(config.samples_per_patch) {
            let accepted = format!("a divisor of num_frames · audio_samples_per_frame = {}", samples(config));
            return Err(Error::config("samples_per_patch", config.samples_per_patch, accepted));
        }
        let weights = weights.pp("perceiver");
        let preprocessor = preprocessor(config, &weights.pp("input_preprocessor"))?;
        Ok(Self {
            num_labels: config.num_labels(),
            output_shape: output_grid(config)?,
            patches: patches(config)?,
            perceiver: PerceiverModel::behind(config, preprocessor.num_channels(), &weights)?,
            decoder: decoder(config, &weights.pp("decoder"))?,
            postprocessor: postprocessor(config, &weights.pp("output_postprocessor"))?,
            preprocessor,
        })
    }

    /// Channels of the widest token of sound or video. The label's token has one for each class: as long as these are fewer, their number
    /// changes nothing but the label's own head.
    ///
    /// # Errors
    /// When the configuration does not fit together.
    pub fn media_channels(config: &PerceiverConfig) -> Result<usize> {
        let one_class = PerceiverConfig { id2label: Some([("0".to_owned(), String::new())].into()), ..config.clone() };
        let nothing = Weights::new(VarBuilder::zeros(DType::F32, &Device::Cpu), 0.0);
        Ok(preprocessor(&one_class, &nothing)?.num_channels() - INPUT_PADDING)
    }

    /// T, Y, X of the video queries.
    pub fn output_shape(&self) -> [usize; 3] {
        self.output_shape
    }

    /// The decoder between latents and postprocessors.
    pub fn decoder(&self) -> &MultimodalDecoder {
        &self.decoder
    }

    /// Outputs of each modality: patches of sound, pixels, and the classes' one.
    pub fn outputs(&self) -> BTreeMap<String, usize> {
        let mut outputs = self.decoder.outputs();
        outputs.insert(IMAGE.to_owned(), self.output_shape.iter().product());
        outputs
    }

    /// A segment to tokens.
    ///
    /// # Errors
    /// For other shapes.
    pub fn preprocess(&self, inputs: MultimodalInputs<'_>) -> Result<Inputs> {
        let MultimodalInputs { image, audio, label } = inputs;
        let label = match label {
            Some(label) => label.clone(),
            None => Tensor::zeros((image.dim(0)?, self.num_labels), DType::F32, image.device())?,
        };
        let inputs = [(AUDIO, audio.clone()), (IMAGE, image.clone()), (LABEL, label)];
        self.preprocessor.forward(&inputs.map(|(name, input)| (name.to_owned(), input)).into(), SEED)
    }

    /// A segment to latents.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn encode<'a>(&self, inputs: MultimodalInputs<'_>, options: impl Into<ForwardOptions<'a>>) -> Result<EncoderOutput> {
        let options = options.into();
        let tokens = self.preprocess(inputs)?;
        options.watch.ended(Stage::Preprocess);
        self.perceiver.encode(&tokens, options)
    }

    /// Latents `z` (B × N × D) to the outputs at `points`: `audio` B × (points · `samples_per_patch`), `image` B × points × 3, `label`
    /// B × classes.
    ///
    /// # Errors
    /// For points outside the outputs' grids.
    pub fn decode(&self, z: &Tensor, points: &Points, keep: bool) -> Result<Decoded<BTreeMap<String, Tensor>>> {
        let z = &z.to_dtype(DType::F32)?;
        self.decoder.check(points)?;
        let Some(patches) = &self.patches else { return self.answer(z, points, keep) };
        // Of several pixels that one query answers it is asked once.
        let asked = points.get(IMAGE).map(|pixels| patches.ask(pixels)).transpose()?;
        let mut queries = points.clone();
        if let Some(asked) = &asked {
            queries.insert(IMAGE.to_owned(), asked.patches.clone());
        }
        let mut decoded = self.answer(z, &queries, keep)?;
        if let Some(outputs) = decoded.logits.get_mut(IMAGE) {
            *outputs = patches.pixels(outputs, asked.as_ref())?;
        }
        Ok(decoded)
    }

    /// What the queries of `points` are answered, whatever an output stands for.
    fn answer(&self, z: &Tensor, points: &Points, keep: bool) -> Result<Decoded<BTreeMap<String, Tensor>>> {
        let mut folded = BTreeMap::new();
        if !keep {
            // No query sees another: what is cheaper folded is answered by itself.
            for name in self.decoder.outputs().into_keys().filter(|name| points.get(name).is_none_or(|points| !points.is_empty()))
            {
                let points = points.get(&name).map(Vec::as_slice);
                let answer = |layer: &Linear| self.decoder.fold(&name, points, z, layer);
                if let Some(logits) = self.postprocessor.through(&name, answer)? {
                    folded.insert(name, logits);
                }
            }
        }
        let answered = folded.keys().map(|name| (name.clone(), Vec::new()));
        let rest: Points = points.clone().into_iter().chain(answered).collect();
        if !folded.is_empty() && self.decoder.outputs().keys().all(|name| rest.get(name).is_some_and(Vec::is_empty)) {
            return Ok(Decoded { logits: folded, cross_attentions: None });
        }
        let query = self.decoder.query(z, &rest)?;
        let Decoded { logits, cross_attentions } = self.decoder.forward(&query.tokens, z, keep)?;
        let mut logits = self.postprocessor.forward(&MultimodalPostprocessor::split(&logits, &query.modality_sizes)?)?;
        logits.extend(folded);
        Ok(Decoded { logits, cross_attentions })
    }

    /// The whole model: a segment to the outputs at `points`, as [`decode`](Self::decode) gives them.
    ///
    /// # Errors
    /// When shapes do not fit, or for points outside the outputs' grids.
    pub fn forward<'a>(
        &self,
        inputs: MultimodalInputs<'_>,
        points: &Points,
        options: impl Into<ForwardOptions<'a>>,
    ) -> Result<ModelOutput<BTreeMap<String, Tensor>>> {
        let options = options.into();
        let encoded = self.encode(inputs, options)?;
        let decoded = self.decode(&encoded.last_hidden_state, points, options.keep.attentions)?;
        options.watch.ended(Stage::Decoder);
        Ok(ModelOutput::new(decoded, encoded))
    }

    /// Latents `z` (B × N × D) to every output, at most `queries_at_once` in one step: `audio` B × samples, `image` B × T × Y × X × 3,
    /// `label` B × classes.
    ///
    /// # Errors
    /// When the latents have another shape.
    pub fn reconstruct(&self, z: &Tensor, queries_at_once: usize) -> Result<BTreeMap<String, Tensor>> {
        let z = &z.to_dtype(DType::F32)?;
        let outputs = self.outputs();
        let none: Points = outputs.keys().map(|name| (name.clone(), Vec::new())).collect();
        let mut whole = BTreeMap::new();
        for (name, &count) in &outputs {
            let mut parts = Vec::new();
            for start in (0..count).step_by(queries_at_once.max(1)) {
                let chunk = start as u32..(start + queries_at_once.max(1)).min(count) as u32;
                let points = Points::from_iter(none.clone().into_iter().chain([(name.clone(), chunk.collect())]));
                parts.extend(self.decode(z, &points, false)?.logits.remove(name));
            }
            whole.insert(name.clone(), Tensor::cat(&parts, 1)?);
        }
        if let Some(image) = whole.get_mut(IMAGE) {
            let [t, y, x] = self.output_shape;
            *image = image.reshape((image.dim(0)?, t, y, x, COLOURS))?;
        }
        Ok(whole)
    }
}

/// T, Y, X of the video queries; the published first entry of `output_shape` stands for the batch.
fn output_grid(config: &PerceiverConfig) -> Result<[usize; 3]> {
    match *config.output_shape {
        [_, t, y, x] => Ok([t, y, x]),
        _ => Err(Error::config("output_shape", format!("{:?}", config.output_shape), "four numbers")),
    }
}

/// How pixels are queried together, if they are.
fn patches(config: &PerceiverConfig) -> Result<Option<VideoPatches>> {
    let patch = config.multimodal.query_patch;
    Ok(if patch == [1; 3] { None } else { Some(VideoPatches::new(output_grid(config)?, patch)) })
}

fn samples(config: &PerceiverConfig) -> usize {
    config.num_frames * config.audio_samples_per_frame
}

fn audio_positions(config: &PerceiverConfig) -> PositionArguments {
    PositionArguments::fourier(config.multimodal.audio_num_bands, [config.multimodal.audio_resolution.unwrap_or(samples(config))])
}

fn image_positions(config: &PerceiverConfig, resolution: [usize; 3]) -> PositionArguments {
    PositionArguments::fourier(config.multimodal.image_num_bands, resolution)
}

fn preprocessor(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<MultimodalPreprocessor> {
    let MultimodalConfig { patch, frames_per_patch, out_channels, mu_law, profile, .. } = config.multimodal;
    let samples_per_patch = config.samples_per_patch;
    let audio = AudioOptions {
        samples_per_patch,
        mu_law,
        profile: profile.then_some(AudioProfile { samples_per_patch, tokens: samples(config) / samples_per_patch }),
        positions: audio_positions(config),
        ..Default::default()
    };
    let search = config.multimodal.search();
    let measured =
        (profile || search.is_some()).then_some(VideoProfile { patch, frames: frames_per_patch, search, activity: profile });
    let pixels = COLOURS * frames_per_patch * patch * patch;
    let image = ImageOptions {
        prep_type: PrepType::Patches,
        temporal_downsample: frames_per_patch,
        spatial_downsample: patch,
        conv_after_patching: out_channels.is_some(),
        conv_after_patching_in_channels: pixels + measured.map_or(0, |profile| profile.channels()),
        out_channels: out_channels.unwrap_or(pixels),
        profile: measured,
        positions: image_positions(config, [config.num_frames / frames_per_patch, config.image_size, config.image_size]),
        ..Default::default()
    };
    let of = |name: &str| weights.pp("modalities").pp(name);
    let modalities = [
        (AUDIO, ModalityPreprocessor::Audio(AudioPreprocessor::new(&audio, &of(AUDIO))?)),
        (IMAGE, ModalityPreprocessor::Image(ImagePreprocessor::new(image, &of(IMAGE))?.into())),
        (LABEL, ModalityPreprocessor::OneHot(OneHotPreprocessor::new(config.num_labels()))),
    ];
    let mask_probs = [(AUDIO, 0.0), (IMAGE, 0.0), (LABEL, 1.0)];
    MultimodalPreprocessor::new(
        modalities.map(|(name, modality)| (name.to_owned(), modality)).into(),
        &mask_probs.map(|(name, probability)| (name.to_owned(), probability)).into(),
        INPUT_PADDING,
        weights,
    )
}

fn decoder(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<MultimodalDecoder> {
    let queries = |positions: PositionArguments| BasicDecoderOptions {
        position_encoding_only: true,
        output_num_channels: config.output_num_channels,
        positions,
        ..Default::default()
    };
    let audio = BasicDecoderOptions {
        output_index_dims: vec![samples(config) / config.samples_per_patch],
        ..queries(audio_positions(config))
    };
    let tokens = [config.num_frames, config.image_size, config.image_size];
    let image = queries(image_positions(config, config.multimodal.query_resolution.unwrap_or(tokens)));
    let grid = output_grid(config)?;
    let grid = patches(config)?.map_or(grid, |patches| patches.grid());
    let label = queries(PositionArguments::trainable(config.label_trainable_num_channels, 1));
    let of = |name: &str| weights.pp("modalities").pp(name);
    let modalities = [
        (AUDIO, ModalityDecoder::Basic(BasicDecoder::new(config, audio, &of(AUDIO))?)),
        (IMAGE, ModalityDecoder::Video(BasicVideoAutoencodingDecoder::new(config, grid, image, &of(IMAGE))?)),
        (LABEL, ModalityDecoder::Classification(ClassificationDecoder::new(config, label, &of(LABEL))?)),
    ];
    let modalities = modalities.map(|(name, modality)| (name.to_owned(), modality)).into();
    let answers = BasicDecoderOptions {
        output_num_channels: config.output_num_channels,
        num_heads: config.multimodal.decoder_num_heads,
        widening_factor: config.multimodal.decoder_widening_factor,
        use_query_residual: config.multimodal.use_query_residual,
        ..Default::default()
    };
    MultimodalDecoder::new(config, modalities, answers, QUERY_PADDING, weights)
}

fn postprocessor(config: &PerceiverConfig, weights: &Weights<'_>) -> Result<MultimodalPostprocessor> {
    let of = |name: &str| weights.pp("modalities").pp(name);
    let channels = config.output_num_channels;
    let levels = COLOURS * patches(config)?.map_or(1, |patches| patches.pixels_of_patch());
    let modalities = [
        (AUDIO, ModalityPostprocessor::Audio(AudioPostprocessor::new(config, channels, &of(AUDIO))?)),
        (IMAGE, ModalityPostprocessor::Projection(ProjectionPostprocessor::new(channels, levels, &of(IMAGE))?)),
        (LABEL, ModalityPostprocessor::Classification(ClassificationPostprocessor::new(config, channels, &of(LABEL))?)),
    ];
    Ok(MultimodalPostprocessor::new(modalities.map(|(name, modality)| (name.to_owned(), modality)).into()))
}
