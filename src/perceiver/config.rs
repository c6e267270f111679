//! `config.json` of a Perceiver checkpoint, as Hugging Face writes it.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{Activation, preprocess::AudioProfile};
use crate::{
    compute::Search,
    error::{Error, Result},
};

/// The configuration of every model of the family. Names and defaults are those of Hugging Face's `PerceiverConfig`; fields a file
/// lacks take them, fields unknown here are kept out.
///
/// `layer_norm_eps` is absent on purpose: the reference never reads it and uses 1e-5 everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerceiverConfig {
    /// The model class the checkpoint was saved from, first entry counts.
    pub architectures: Vec<String>,
    /// Always `perceiver`.
    pub model_type: String,
    /// N, rows of the latent array.
    pub num_latents: usize,
    /// D, channels of the latents.
    pub d_latents: usize,
    /// Width of the text embedding, or of the inputs where there is no preprocessor.
    pub d_model: usize,
    /// How often the block of self-attention layers runs, with the same weights.
    pub num_blocks: usize,
    /// Distinct self-attention layers in a block.
    pub num_self_attends_per_block: usize,
    /// H of the encoder's self-attention.
    pub num_self_attention_heads: usize,
    /// H of the encoder's cross-attention.
    pub num_cross_attention_heads: usize,
    /// Query and key channels in the encoder; by default those of the keys' or queries' side.
    pub qk_channels: Option<usize>,
    /// Value channels in the encoder; by default `qk_channels`.
    pub v_channels: Option<usize>,
    /// Whose width `qk_channels` takes by default in every cross-attention.
    pub cross_attention_shape_for_attention: AttentionShape,
    /// Hidden width of the MLP in self-attention layers, in multiples of D.
    pub self_attention_widening_factor: usize,
    /// Hidden width of the MLP in the encoder's cross-attention, in multiples of D.
    pub cross_attention_widening_factor: usize,
    /// The activation of every MLP.
    pub hidden_act: Activation,
    /// Dropout on attention probabilities in training.
    pub attention_probs_dropout_prob: f64,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    /// Whether the encoder's cross-attention adds its query.
    pub use_query_residual: bool,
    /// Byte vocabulary.
    pub vocab_size: usize,
    /// Longest text, and number of masked-language-model queries.
    pub max_position_embeddings: usize,
    /// Side of the image, in positions (learned model) or feature-map cells (multimodal).
    pub image_size: usize,
    /// Optical flow: rows and columns of a tile.
    pub train_size: [usize; 2],
    /// Multimodal: frames of a segment.
    pub num_frames: usize,
    /// Multimodal: samples that belong to a frame.
    pub audio_samples_per_frame: usize,
    /// Multimodal: samples of an audio patch.
    pub samples_per_patch: usize,
    /// Multimodal: the grid of video queries, 1 × T × Y × X.
    pub output_shape: Vec<usize>,
    /// Multimodal: channels between decoder and postprocessors.
    pub output_num_channels: usize,
    /// Multimodal: channels of the label query.
    #[serde(rename = "_label_trainable_num_channels")]
    pub label_trainable_num_channels: usize,
    /// Class names by number. Without them there are two classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id2label: Option<BTreeMap<String, String>>,
    /// Which loss a classifier is trained with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<ProblemType>,
    /// What the published optical-flow model fixes in code and small ones choose otherwise. Not a field of Hugging Face's.
    #[serde(skip_serializing_if = "FlowConfig::is_published")]
    pub optical_flow: FlowConfig,
    /// What the published image classifiers fix in code and small ones choose otherwise. Not a field of Hugging Face's.
    #[serde(skip_serializing_if = "ImageClassificationConfig::is_published")]
    pub image_classification: ImageClassificationConfig,
    /// What the published multimodal model fixes in code and small ones choose otherwise. Not a field of Hugging Face's.
    #[serde(skip_serializing_if = "MultimodalConfig::is_published")]
    pub multimodal: MultimodalConfig,
}

/// Whose width the queries and keys of a cross-attention take by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionShape {
    /// The width of keys and values.
    #[default]
    Kv,
    /// The width of the queries.
    Q,
}

/// Which loss a classifier is trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemType {
    /// Mean squared error.
    Regression,
    /// Cross entropy over classes.
    SingleLabelClassification,
    /// Binary cross entropy for each class.
    MultiLabelClassification,
}

/// What the published optical-flow model fixes in code. The default is that model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowConfig {
    /// Pixels of a token's side: a token stands for `patch` × `patch` pixels, and the decoder answers 2 numbers for each of them.
    pub patch: usize,
    /// Feature channels after the linear layer over the stacked neighbourhoods.
    pub out_channels: usize,
    /// The largest whole-pixel shift whose matching costs stand beside the stacked neighbourhoods ([`Search`](crate::compute::Search)); 0 for
    /// none. Asks for an even `patch`.
    #[serde(skip_serializing_if = "is_zero")]
    pub search: usize,
    /// Fourier bands of an axis.
    pub num_bands: usize,
    /// Whether the decoder's cross-attention adds its query.
    pub use_query_residual: bool,
    /// Hidden width of the decoder's MLP, in multiples of the query's.
    pub decoder_widening_factor: usize,
    /// What the decoder's output is divided by.
    pub rescale_factor: f64,
    /// What the model's output is multiplied with to be pixels (`FLOW_SCALE_FACTOR` of the authors' notebook).
    pub pixels_per_unit: f64,
    /// Estimates made one upon the other, from coarse to fine: the halvings of the picture at each. The second picture is warped by what
    /// is known before each estimate after the first. `[0]` is one estimate at the picture's own scale.
    pub halvings: Vec<u32>,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            patch: 1,
            out_channels: 64,
            search: 0,
            num_bands: 64,
            use_query_residual: false,
            decoder_widening_factor: 1,
            rescale_factor: 100.0,
            pixels_per_unit: 20.0,
            halvings: vec![0],
        }
    }
}

impl FlowConfig {
    fn is_published(&self) -> bool {
        *self == Self::default()
    }

    /// Where the two frames look for each other, if they do.
    pub fn search(&self) -> Option<Search> {
        (self.search > 0).then_some(Search { patch: self.patch, reach: self.search })
    }
}

fn is_single(patch: &[usize; 3]) -> bool {
    *patch == [1; 3]
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What the published image classifiers fix in code. The default is those models. The learned one takes the size of its images from
/// `image_size`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageClassificationConfig {
    /// Fourier bands of an axis (Fourier and convolutional classifier).
    pub num_bands: usize,
    /// Rows and columns of pixels at the highest frequency's Nyquist rate (Fourier classifier): the size of its images.
    pub fourier_resolution: [usize; 2],
    /// Rows and columns of cells at the highest frequency's Nyquist rate (convolutional classifier): a quarter of its images' size.
    pub conv_resolution: [usize; 2],
    /// Feature channels after the convolutional stem.
    pub conv_channels: usize,
    /// Feature channels after the 1×1 convolution, and as many for the positions (learned classifier).
    pub learned_channels: usize,
}

impl Default for ImageClassificationConfig {
    fn default() -> Self {
        Self {
            num_bands: 64,
            fourier_resolution: [224, 224],
            conv_resolution: [56, 56],
            conv_channels: 64,
            learned_channels: 256,
        }
    }
}

impl ImageClassificationConfig {
    fn is_published(&self) -> bool {
        *self == Self::default()
    }
}

/// What the published multimodal model fixes in code. The default is that model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultimodalConfig {
    /// Pixels of a video token's side.
    pub patch: usize,
    /// Frames of a video token: 1, or less than `num_frames` and a divisor of it.
    pub frames_per_patch: usize,
    /// Feature channels of a video token after a linear layer over its pixels; none where the pixels themselves are its features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_channels: Option<usize>,
    /// Fourier bands of the sound's axis.
    pub audio_num_bands: usize,
    /// Places on the sound's axis at the highest frequency's Nyquist rate; none for its samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_resolution: Option<usize>,
    /// µ of the µ-law (ITU-T G.711) on whose scale samples are features; none for samples as they are. The sound that is answered is linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mu_law: Option<f64>,
    /// Fourier bands of each axis of the video.
    pub image_num_bands: usize,
    /// T, Y, X of the video's queries at the highest frequency's Nyquist rate; none for `num_frames` × `image_size` × `image_size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_resolution: Option<[usize; 3]>,
    /// T, Y, X of the pixels that one query of the video answers, divisors of `output_shape`. In the published model each pixel has its own.
    #[serde(skip_serializing_if = "is_single")]
    pub query_patch: [usize; 3],
    /// The largest whole-pixel shift at which each frame of a token is held against the frame behind it ([`Search`]), beside the token's
    /// pixels; 0 for none. Asks for `out_channels` and an even `patch`.
    #[serde(skip_serializing_if = "is_zero")]
    pub search: usize,
    /// Whether tokens hold measures of what they show beside it: [`VideoProfile`](super::preprocess::VideoProfile) and
    /// [`AudioProfile`](super::preprocess::AudioProfile). Asks for `out_channels` and a `samples_per_patch` that is a multiple of 16.
    #[serde(skip_serializing_if = "is_false")]
    pub profile: bool,
    /// H of the decoder's cross-attention.
    pub decoder_num_heads: usize,
    /// Hidden width of the decoder's MLP, in multiples of the query's.
    pub decoder_widening_factor: usize,
    /// Whether the decoder's cross-attention adds its query.
    pub use_query_residual: bool,
    /// Samples per second of the sound. `sample_rate` / `audio_samples_per_frame` is the frame rate.
    pub sample_rate: u32,
    /// From which confidence on a label holds, by its name; 0.5 for a label that is not here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f32>,
}

impl Default for MultimodalConfig {
    fn default() -> Self {
        Self {
            patch: 4,
            frames_per_patch: 1,
            out_channels: None,
            audio_num_bands: 192,
            audio_resolution: None,
            mu_law: None,
            image_num_bands: 32,
            query_resolution: None,
            query_patch: [1; 3],
            search: 0,
            profile: false,
            decoder_num_heads: 1,
            decoder_widening_factor: 1,
            use_query_residual: false,
            sample_rate: 48_000,
            thresholds: BTreeMap::new(),
        }
    }
}

impl MultimodalConfig {
    fn is_published(&self) -> bool {
        *self == Self::default()
    }

    /// Where each frame is held against the next, if it is.
    pub fn search(&self) -> Option<Search> {
        (self.search > 0).then_some(Search { patch: self.patch, reach: self.search })
    }
}

impl Default for PerceiverConfig {
    fn default() -> Self {
        Self {
            architectures: Vec::new(),
            model_type: "perceiver".into(),
            num_latents: 256,
            d_latents: 1280,
            d_model: 768,
            num_blocks: 1,
            num_self_attends_per_block: 26,
            num_self_attention_heads: 8,
            num_cross_attention_heads: 8,
            qk_channels: None,
            v_channels: None,
            cross_attention_shape_for_attention: AttentionShape::Kv,
            self_attention_widening_factor: 1,
            cross_attention_widening_factor: 1,
            hidden_act: Activation::Gelu,
            attention_probs_dropout_prob: 0.1,
            initializer_range: 0.02,
            use_query_residual: true,
            vocab_size: 262,
            max_position_embeddings: 2048,
            image_size: 56,
            train_size: [368, 496],
            num_frames: 16,
            audio_samples_per_frame: 1920,
            samples_per_patch: 16,
            output_shape: vec![1, 16, 224, 224],
            output_num_channels: 512,
            label_trainable_num_channels: 1024,
            id2label: None,
            problem_type: None,
            optical_flow: FlowConfig::default(),
            image_classification: ImageClassificationConfig::default(),
            multimodal: MultimodalConfig::default(),
        }
    }
}

impl PerceiverConfig {
    /// Reads and validates a `config.json`.
    ///
    /// # Errors
    /// When the file cannot be read, is no JSON, or a field is outside what the family accepts.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let config: Self =
            serde_json::from_str(&text).map_err(|e| Error::format(path, format!("no Perceiver configuration ({e})")))?;
        config.validate().map_err(|e| Error::format(path, e.to_string()))?;
        Ok(config)
    }

    /// How many classes a classifier tells apart.
    pub fn num_labels(&self) -> usize {
        self.id2label.as_ref().map_or(2, BTreeMap::len)
    }

    /// The classes' names by their numbers; one without a name is `LABEL_3`, after its number.
    pub fn label_names(&self) -> Vec<String> {
        let given = |number: usize| self.id2label.as_ref()?.get(&number.to_string()).cloned();
        (0..self.num_labels()).map(|number| given(number).unwrap_or_else(|| format!("LABEL_{number}"))).collect()
    }

    /// Checks every field against what the family accepts.
    ///
    /// # Errors
    /// The first field that does not hold.
    pub fn validate(&self) -> Result<()> {
        if self.model_type != "perceiver" {
            return Err(Error::config("model_type", &self.model_type, "perceiver"));
        }
        let (flow, image, multimodal) = (&self.optical_flow, &self.image_classification, &self.multimodal);
        let positive = [
            ("num_latents", self.num_latents),
            ("d_latents", self.d_latents),
            ("d_model", self.d_model),
            ("num_blocks", self.num_blocks),
            ("num_self_attention_heads", self.num_self_attention_heads),
            ("num_cross_attention_heads", self.num_cross_attention_heads),
            ("qk_channels", self.qk_channels.unwrap_or(1)),
            ("v_channels", self.v_channels.unwrap_or(1)),
            ("self_attention_widening_factor", self.self_attention_widening_factor),
            ("cross_attention_widening_factor", self.cross_attention_widening_factor),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("image_size", self.image_size),
            ("train_size", self.train_size[0].min(self.train_size[1])),
            ("num_frames", self.num_frames),
            ("audio_samples_per_frame", self.audio_samples_per_frame),
            ("samples_per_patch", self.samples_per_patch),
            ("output_num_channels", self.output_num_channels),
            ("_label_trainable_num_channels", self.label_trainable_num_channels),
            ("optical_flow.patch", flow.patch),
            ("optical_flow.out_channels", flow.out_channels),
            ("optical_flow.num_bands", flow.num_bands),
            ("optical_flow.decoder_widening_factor", flow.decoder_widening_factor),
            ("image_classification.num_bands", image.num_bands),
            ("image_classification.fourier_resolution", image.fourier_resolution[0].min(image.fourier_resolution[1])),
            ("image_classification.conv_resolution", image.conv_resolution[0].min(image.conv_resolution[1])),
            ("image_classification.conv_channels", image.conv_channels),
            ("image_classification.learned_channels", image.learned_channels),
            ("multimodal.patch", multimodal.patch),
            ("multimodal.frames_per_patch", multimodal.frames_per_patch),
            ("multimodal.out_channels", multimodal.out_channels.unwrap_or(1)),
            ("multimodal.audio_num_bands", multimodal.audio_num_bands),
            ("multimodal.audio_resolution", multimodal.audio_resolution.unwrap_or(1)),
            ("multimodal.query_resolution", multimodal.query_resolution.unwrap_or([1; 3]).into_iter().min().unwrap_or_default()),
            ("multimodal.image_num_bands", multimodal.image_num_bands),
            ("multimodal.decoder_num_heads", multimodal.decoder_num_heads),
            ("multimodal.decoder_widening_factor", multimodal.decoder_widening_factor),
            ("multimodal.sample_rate", multimodal.sample_rate as usize),
        ];
        // Far above any model, far below what could overflow a size computed from a few of them.
        const LARGEST: usize = 1 << 24;
        for (field, value) in positive {
            if value == 0 || value > LARGEST {
                return Err(Error::config(field, value, format!("1 to {LARGEST}")));
            }
        }
        for (field, heads) in [
            ("num_self_attention_heads", self.num_self_attention_heads),
            ("num_cross_attention_heads", self.num_cross_attention_heads),
        ] {
            if !self.d_latents.is_multiple_of(heads) {
                return Err(Error::config(field, heads, format!("a divisor of d_latents = {}", self.d_latents)));
            }
        }
        if self.num_labels() == 0 {
            return Err(Error::config("id2label", "{}", "one class or more, or no such field"));
        }
        // Outputs are counted in 32 bits.
        let countable = |sizes: &[usize]| {
            let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
            count.is_some_and(|count| (1..=u32::MAX as usize).contains(&count))
        };
        if self.output_shape.len() != 4 || !countable(&self.output_shape) {
            let accepted = "four numbers of at least 1 whose product is below 2^32";
            return Err(Error::config("output_shape", format!("{:?}", self.output_shape), accepted));
        }
        if !countable(&[self.num_frames, self.audio_samples_per_frame]) {
            let given = self.audio_samples_per_frame;
            return Err(Error::config("audio_samples_per_frame", given, "below 2^32 with num_frames multiplied"));
        }
        if !self.train_size.iter().all(|side| side.is_multiple_of(flow.patch)) {
            let accepted = format!("multiples of optical_flow.patch = {}", flow.patch);
            return Err(Error::config("train_size", format!("{:?}", self.train_size), accepted));
        }
        for (field, value) in
            [("optical_flow.rescale_factor", flow.rescale_factor), ("optical_flow.pixels_per_unit", flow.pixels_per_unit)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(field, value, "a positive number"));
            }
        }
        // A single token in time has no axis of time, and the published preprocessor has no such patches.
        let frames_per_patch = multimodal.frames_per_patch;
        if frames_per_patch > 1 && (!self.num_frames.is_multiple_of(frames_per_patch) || self.num_frames == frames_per_patch) {
            let accepted = format!("1, or less than num_frames = {} and a divisor of it", self.num_frames);
            return Err(Error::config("multimodal.frames_per_patch", frames_per_patch, accepted));
        }
        let (grid, patch) = (self.output_shape.get(1..).unwrap_or_default(), multimodal.query_patch);
        if !grid.iter().zip(patch).all(|(side, patch)| patch > 0 && side.is_multiple_of(patch)) {
            let accepted = format!("divisors of the last three of output_shape = {:?}", self.output_shape);
            return Err(Error::config("multimodal.query_patch", format!("{patch:?}"), accepted));
        }
        let beside = multimodal.search > 0 || multimodal.profile;
        if beside && multimodal.out_channels.is_none() {
            return Err(Error::config(
                "multimodal.out_channels",
                "none",
                "a number, with multimodal.search or multimodal.profile",
            ));
        }
        if multimodal.search > 16 || (multimodal.search > 0 && !multimodal.patch.is_multiple_of(2)) {
            return Err(Error::config("multimodal.search", multimodal.search, "0 to 16, and 0 where multimodal.patch is odd"));
        }
        if multimodal.profile && !self.samples_per_patch.is_multiple_of(AudioProfile::PART) {
            let accepted = format!("a multiple of {} with multimodal.profile", AudioProfile::PART);
            return Err(Error::config("samples_per_patch", self.samples_per_patch, accepted));
        }
        if let Some((name, threshold)) = multimodal.thresholds.iter().find(|(_, at)| !(0.0..=1.0).contains(*at)) {
            return Err(Error::config("multimodal.thresholds", format!("{threshold} for {name}"), "0 to 1"));
        }
        if flow.search > 16 || (flow.search > 0 && !flow.patch.is_multiple_of(2)) {
            return Err(Error::config("optical_flow.search", flow.search, "0 to 16, and 0 where optical_flow.patch is odd"));
        }
        if flow.halvings.is_empty() || flow.halvings.iter().any(|&halvings| halvings > 8) {
            let given = format!("{:?}", flow.halvings);
            return Err(Error::config("optical_flow.halvings", given, "one or more numbers from 0 to 8"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PerceiverConfig> {
        let config: PerceiverConfig = serde_json::from_str(text).unwrap();
        config.validate().map(|()| config)
    }

    #[test]
    fn what_a_file_lacks_takes_the_published_default() {
        let config = parse("{}").unwrap();
        assert_eq!((config.num_latents, config.d_latents, config.num_labels()), (256, 1280, 2));
        assert_eq!(config.output_shape, [1, 16, 224, 224]);
    }

    #[test]
    fn fields_of_older_files_are_ignored() {
        assert!(parse(r#"{"seq_len": 2048, "torch_dtype": "float32", "qk_channels": null}"#).is_ok());
    }

    #[test]
    fn a_bad_field_is_named() {
        let message = parse(r#"{"d_latents": 30, "num_self_attention_heads": 8}"#).unwrap_err().to_string();
        assert!(message.contains("num_self_attention_heads = 8"), "{message}");
        assert!(parse(r#"{"num_latents": 0}"#).is_err());
        assert!(parse(r#"{"optical_flow": {"patch": 5}}"#).is_err());
        assert!(parse(r#"{"multimodal": {"sample_rate": 0}}"#).is_err());
        assert!(parse(r#"{"image_classification": {"fourier_resolution": [32, 0]}}"#).is_err());
        assert!(parse(r#"{"id2label": {}}"#).is_err());
    }

    #[test]
    fn the_published_models_need_no_field_of_ours() {
        let written = serde_json::to_string(&PerceiverConfig::default()).unwrap();
        assert!(!["optical_flow", "image_classification", "multimodal"].iter().any(|block| written.contains(block)));
    }
}
