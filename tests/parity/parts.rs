//! Parts of models, each built from the constructor arguments its fixture records.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use perceiverflow::perceiver::{
    Block, FourierPositions, LayerOptions, PerceiverConfig, PerceiverLayer, PositionArguments, PositionEncoding, PositionOptions,
    Positions, TrainableOptions, Weights,
    decode::{
        BasicDecoder, BasicDecoderOptions, BasicVideoAutoencodingDecoder, ClassificationDecoder, EmbeddingDecoder,
        ModalityDecoder, MultimodalDecoder, OpticalFlowDecoder, OpticalFlowDecoderOptions, Points, ProjectionDecoder,
    },
    postprocess::{
        AudioPostprocessor, ClassificationPostprocessor, ModalityPostprocessor, MultimodalPostprocessor, ProjectionPostprocessor,
    },
    preprocess::{
        AudioOptions, AudioPreprocessor, Conv2dDownsample, ImageOptions, ImagePreprocessor, ModalityPreprocessor,
        MultimodalPreprocessor, OneHotPreprocessor, PrepType, TextPreprocessor, space_to_depth,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    fixture::{Tensors, hold_each, json, weights},
    setting::Setting,
};

#[test]
fn parts() {
    hold_each("part", |name, setting| {
        let part = Part::open(name, setting);
        match part.spec["part_class"].as_str().unwrap() {
            "PerceiverLayer" => layer(&part),
            "fourier_positions" => fourier_positions(&part),
            "PerceiverTrainablePositionEncoding" => trainable_positions(&part),
            "space_to_depth" => space_to_depth_of_images_and_video(&part),
            "Conv2DDownsample" => conv_downsample(&part),
            "PerceiverImagePreprocessor" => image_preprocessor(&part),
            "PerceiverAudioPreprocessor" => audio_preprocessor(&part),
            "PerceiverOneHotPreprocessor" => one_hot_preprocessor(&part),
            "PerceiverTextPreprocessor" => text_preprocessor(&part),
            "PerceiverMultimodalPreprocessor" => multimodal_preprocessor(&part),
            "Projection" => projection_decoder(&part),
            "PerceiverBasicDecoder" => basic_decoder(&part),
            "PerceiverClassificationDecoder" => classification_decoder(&part),
            "PerceiverOpticalFlowDecoder" => optical_flow_decoder(&part),
            "PerceiverBasicVideoAutoencodingDecoder" => video_decoder(&part),
            "PerceiverMultimodalDecoder" => multimodal_decoder(&part),
            "PerceiverEmbeddingDecoder" => embedding_decoder(&part),
            "PerceiverClassificationPostprocessor" => classification_postprocessor(&part),
            "PerceiverAudioPostprocessor" => audio_postprocessor(&part),
            "PerceiverProjectionPostprocessor" => projection_postprocessor(&part),
            "PerceiverMultimodalPostprocessor" => multimodal_postprocessor(&part),
            class => panic!("no test for {class}"),
        }
        part.io.assert_all_seen(name);
    });
}

/// One part: its recorded arguments, tensors and weights.
struct Part<'a> {
    name: String,
    setting: &'a Setting,
    spec: Value,
    io: Tensors,
}

impl<'a> Part<'a> {
    fn open(name: &str, setting: &'a Setting) -> Self {
        let spec = json(&format!("parts/{name}/spec.json"));
        let io = Tensors::open(&format!("parts/{name}/io.safetensors"), &setting.device);
        Self { name: name.into(), setting, spec, io }
    }

    fn weights(&self) -> Weights<'static> {
        weights(&format!("parts/{}/weights.safetensors", self.name), "", self.setting)
    }

    fn constructor<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.spec["constructor"].clone()).unwrap()
    }

    fn config(&self) -> PerceiverConfig {
        serde_json::from_value(self.spec["config"].clone()).unwrap()
    }

    fn input(&self, call: &str) -> &Tensor {
        self.io.get(&format!("{call}.in.inputs"))
    }

    /// The plain arguments of a call.
    fn arguments(&self, call: &str) -> &Value {
        let calls = self.spec["calls"].as_array().unwrap();
        &calls.iter().find(|c| c["call"] == call).unwrap_or_else(|| panic!("no call {call}"))["plain_arguments"]
    }

    fn calls(&self) -> Vec<String> {
        self.spec["calls"].as_array().unwrap().iter().map(|c| c["call"].as_str().unwrap().to_owned()).collect()
    }

    /// A number of labels is not a field of the configuration, but the length of one.
    fn config_with_labels(&self) -> PerceiverConfig {
        let labels = self.spec["config"]["num_labels"].as_u64().unwrap();
        let id2label = Some((0..labels).map(|label| (label.to_string(), String::new())).collect());
        PerceiverConfig { id2label, ..self.config() }
    }

    fn number(&self, argument: &str) -> usize {
        self.spec["constructor"][argument].as_u64().unwrap() as usize
    }

    fn assert(&self, output: &str, given: &Tensor) {
        self.setting.assert_close(&format!("{} {output}", self.name), given, self.io.get(output));
    }

    fn assert_block(&self, call: &str, block: &Block) {
        self.assert(&format!("{call}.out.with_pos"), &block.dense().unwrap());
        if let Some(features) = self.io.find(&format!("{call}.out.without_pos")) {
            self.setting.assert_close(&format!("{} {call} without_pos", self.name), &block.lifted().unwrap().features, features);
        }
    }
}

/// What the fixtures of several modalities put together, described there in words.
fn named<T>(modalities: [(&str, T); 3]) -> BTreeMap<String, T> {
    modalities.map(|(name, modality)| (name.to_owned(), modality)).into()
}

fn layer(part: &Part<'_>) {
    let layer = PerceiverLayer::new(&part.constructor::<LayerOptions>(), &part.weights()).unwrap();
    let hidden = part.io.get("a.in.hidden_states");
    let output = layer.forward(hidden, part.io.find("a.in.inputs"), part.io.find("a.in.inputs_mask"), None, true).unwrap();
    part.assert("a.out.0", &output.hidden);
    part.assert("a.out.1", &output.probabilities.unwrap());
}

fn fourier_positions(part: &Part<'_>) {
    for call in part.calls() {
        let arguments = part.arguments(&call);
        let encoding = FourierPositions::new(serde_json::from_value(arguments.clone()).unwrap()).unwrap();
        let output = format!("{call}.out");
        match part.io.find(&format!("{call}.in.pos")) {
            Some(positions) => part.assert(&output, &encoding.encode(positions).unwrap()),
            None => {
                let dims: Vec<usize> = serde_json::from_value(arguments["index_dims"].clone()).unwrap();
                let grid = encoding.grid(&dims).unwrap().dense(DType::F32, &part.setting.device).unwrap();
                // The reference repeats the grid for each row of the batch, unless the positions are left out.
                match part.io.get(&output).rank() {
                    3 => part.assert(&output, &grid.unsqueeze(0).unwrap().repeat((2, 1, 1)).unwrap()),
                    _ => part.assert(&output, &grid),
                }
            }
        }
    }
}

fn trainable_positions(part: &Part<'_>) {
    let options = part.constructor::<TrainableOptions>();
    let rows = options.index_dims.clone();
    let table = weights(&format!("parts/{}/weights.safetensors", part.name), "table.", part.setting);
    let encoding = PositionEncoding::new(&PositionOptions::Trainable(options), None, "table", &table).unwrap();
    let dense = |positions: Positions| positions.dense(DType::F32, &part.setting.device).unwrap().unsqueeze(0).unwrap();
    let plain = encoding.grid(&rows, false, DType::F32, &part.setting.device).unwrap();
    part.assert("plain.out", &dense(plain).repeat((2, 1, 1)).unwrap());
    let side = |name: &str| part.arguments("interpolated")[name].as_u64().unwrap() as usize;
    let interpolated = encoding.grid(&[side("height"), side("width")], true, DType::F32, &part.setting.device).unwrap();
    part.assert("interpolated.out", &dense(interpolated));
}

fn space_to_depth_of_images_and_video(part: &Part<'_>) {
    for call in part.calls() {
        let size = |name: &str| part.arguments(&call)[name].as_u64().unwrap_or(1) as usize;
        let given = space_to_depth(part.io.get(&format!("{call}.in.frames")), size("temporal"), size("spatial")).unwrap();
        part.assert(&format!("{call}.out"), &given);
    }
}

fn conv_downsample(part: &Part<'_>) {
    let use_batchnorm = part.spec["constructor"]["use_batchnorm"].as_bool().unwrap_or(true);
    let (from, to) = (part.number("in_channels"), part.number("out_channels"));
    let stem = Conv2dDownsample::new(from, to, use_batchnorm, &part.weights()).unwrap();
    for call in part.calls() {
        part.assert(&format!("{call}.out"), &stem.forward(part.input(&call)).unwrap());
    }
}

fn image_preprocessor(part: &Part<'_>) {
    let preprocessor = ImagePreprocessor::new(part.constructor(), &part.weights()).unwrap();
    for call in part.calls() {
        assert_eq!(part.arguments(&call)["result"]["num_channels"], preprocessor.num_channels(), "{}", part.name);
        part.assert_block(&call, &preprocessor.forward(part.input(&call), false).unwrap());
    }
}

fn audio_preprocessor(part: &Part<'_>) {
    let preprocessor = AudioPreprocessor::new(&part.constructor(), &part.weights()).unwrap();
    for call in part.calls() {
        assert_eq!(part.arguments(&call)["result"]["num_channels"], preprocessor.num_channels(), "{}", part.name);
        part.assert_block(&call, &preprocessor.forward(part.input(&call)).unwrap());
    }
}

fn one_hot_preprocessor(part: &Part<'_>) {
    let labels = part.input("a");
    let preprocessor = OneHotPreprocessor::new(labels.dims()[1]);
    assert_eq!(preprocessor.num_channels(), labels.dims()[1]);
    part.assert_block("a", &preprocessor.forward(labels).unwrap());
}

fn text_preprocessor(part: &Part<'_>) {
    let preprocessor = TextPreprocessor::new(&part.config(), &part.weights()).unwrap();
    for call in part.calls() {
        part.assert_block(&call, &preprocessor.forward(part.input(&call)).unwrap());
    }
}

fn multimodal_preprocessor(part: &Part<'_>) {
    let none = weights("none", "", part.setting);
    let audio = AudioOptions { samples_per_patch: 4, positions: PositionArguments::fourier(3, [24]), ..Default::default() };
    let image = ImageOptions {
        prep_type: PrepType::Patches,
        spatial_downsample: 2,
        positions: PositionArguments::fourier(2, [2, 2, 3]),
        ..Default::default()
    };
    let modalities = named([
        ("label", ModalityPreprocessor::OneHot(OneHotPreprocessor::new(5))),
        ("audio", ModalityPreprocessor::Audio(AudioPreprocessor::new(&audio, &none).unwrap())),
        ("image", ModalityPreprocessor::Image(ImagePreprocessor::new(image, &none).unwrap().into())),
    ]);
    let mask_probs: Option<BTreeMap<String, f64>> =
        serde_json::from_value(part.spec["constructor"]["mask_probs"].clone()).unwrap();
    let padding = part.number("min_padding_size");
    let preprocessor =
        MultimodalPreprocessor::new(modalities, &mask_probs.unwrap_or_default(), padding, &part.weights()).unwrap();
    let recorded = &part.arguments("a")["result"];
    assert_eq!(recorded["num_channels"], preprocessor.num_channels());
    let inputs: BTreeMap<String, Tensor> =
        part.io.below("a.in.inputs.").map(|(name, input)| (name.to_owned(), input.clone())).collect();
    let tokens = preprocessor.forward(&inputs, 0).unwrap();
    part.assert("a.out.with_pos", &tokens.dense().unwrap());
    for (name, size) in tokens.modality_sizes().unwrap() {
        assert_eq!(recorded["modality_sizes"][&name], size, "{name}");
    }
    for (name, block) in &tokens.blocks {
        part.assert(&format!("a.out.without_pos.{name}"), &block.features);
    }
}

fn projection_decoder(part: &Part<'_>) {
    let decoder = ProjectionDecoder::new(&part.config_with_labels(), &part.weights()).unwrap();
    part.assert("a.out", &decoder.forward(part.io.get("a.in.z")).unwrap());
}

fn basic_decoder(part: &Part<'_>) {
    let decoder = BasicDecoder::new(&part.config(), part.constructor::<BasicDecoderOptions>(), &part.weights()).unwrap();
    let points = part.io.indices("a.in.points");
    let query = decoder.query(part.input("a"), part.io.find("a.in.without"), points.as_deref()).unwrap();
    part.assert("a.out.query", &query);
    let decoded = decoder.forward(&query, part.io.get("a.in.z"), true).unwrap();
    part.assert("a.out.logits", &decoded.logits);
    part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
}

fn classification_decoder(part: &Part<'_>) {
    let decoder = ClassificationDecoder::new(&part.config_with_labels(), part.constructor(), &part.weights()).unwrap();
    let query = decoder.query(part.input("a")).unwrap();
    part.assert("a.out.query", &query);
    let decoded = decoder.forward(&query, part.io.get("a.in.z"), true).unwrap();
    part.assert("a.out.logits", &decoded.logits);
    part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
}

fn optical_flow_decoder(part: &Part<'_>) {
    let arguments = &part.spec["constructor"];
    let options = OpticalFlowDecoderOptions {
        output_image_shape: serde_json::from_value(arguments["output_image_shape"].clone()).unwrap(),
        patch: 1,
        rescale_factor: arguments["rescale_factor"].as_f64().unwrap(),
        decoder: part.constructor(),
    };
    let decoder = OpticalFlowDecoder::new(&part.config(), options, &part.weights()).unwrap();
    let query = part.input("a");
    part.assert("a.out.query", query);
    let decoded = decoder.forward(query, part.io.get("a.in.z"), true).unwrap();
    part.assert("a.out.logits", &decoded.logits);
    part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
}

fn video_decoder(part: &Part<'_>) {
    let [_, t, y, x]: [usize; 4] = serde_json::from_value(part.spec["constructor"]["output_shape"].clone()).unwrap();
    let decoder = BasicVideoAutoencodingDecoder::new(&part.config(), [t, y, x], part.constructor(), &part.weights()).unwrap();
    let query = decoder.query(part.input("a")).unwrap();
    part.assert("a.out.query", &query);
    part.assert("a.out.logits", &decoder.forward(&query, part.io.get("a.in.z"), false).unwrap().logits);
}

fn multimodal_decoder(part: &Part<'_>) {
    let config = part.config();
    let (weights, channels) = (part.weights(), part.number("output_num_channels"));
    let queries = |positions: PositionArguments, output_index_dims: &[usize]| BasicDecoderOptions {
        position_encoding_only: true,
        output_num_channels: channels,
        output_index_dims: output_index_dims.to_vec(),
        positions,
        ..Default::default()
    };
    let label = queries(PositionArguments::trainable(9, 1), &[1]);
    let audio = queries(PositionArguments::fourier(3, [24]), &[6]);
    let image = queries(PositionArguments::fourier(2, [2, 2, 3]), &[]);
    let of = |name: &str| weights.pp("modalities").pp(name);
    let modalities = named([
        ("label", ModalityDecoder::Classification(ClassificationDecoder::new(&config, label, &of("label")).unwrap())),
        ("audio", ModalityDecoder::Basic(BasicDecoder::new(&config, audio, &of("audio")).unwrap())),
        ("image", {
            let decoder = BasicVideoAutoencodingDecoder::new(&config, [2, 4, 6], image, &of("image")).unwrap();
            ModalityDecoder::Video(decoder)
        }),
    ]);
    let options = BasicDecoderOptions { output_num_channels: channels, ..Default::default() };
    let decoder = MultimodalDecoder::new(&config, modalities, options, part.number("min_padding_size"), &weights).unwrap();
    assert_eq!(part.arguments("a")["result"]["num_query_channels"], decoder.num_query_channels());
    let points: Points =
        ["audio", "image"].map(|name| (name.to_owned(), part.io.indices(&format!("a.in.points.{name}")).unwrap())).into();
    let query = decoder.query(part.input("a"), &points).unwrap();
    part.assert("a.out.query", &query.tokens);
    let decoded = decoder.forward(&query.tokens, part.io.get("a.in.z"), true).unwrap();
    part.assert("a.out.logits", &decoded.logits);
    part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
}

fn embedding_decoder(part: &Part<'_>) {
    let decoder = EmbeddingDecoder::new(part.config().vocab_size, &part.weights()).unwrap();
    let scores = decoder.forward(part.io.get("a.in.hidden_states"), part.io.get("a.in.embedding")).unwrap();
    part.assert("a.out", &scores);
}

fn classification_postprocessor(part: &Part<'_>) {
    let postprocessor =
        ClassificationPostprocessor::new(&part.config_with_labels(), part.number("in_channels"), &part.weights()).unwrap();
    part.assert("a.out", &postprocessor.forward(part.input("a")).unwrap());
}

fn audio_postprocessor(part: &Part<'_>) {
    let postprocessor = AudioPostprocessor::new(&part.config(), part.number("in_channels"), &part.weights()).unwrap();
    part.assert("a.out", &postprocessor.forward(part.input("a")).unwrap());
}

fn projection_postprocessor(part: &Part<'_>) {
    let (from, to) = (part.number("in_channels"), part.number("out_channels"));
    let postprocessor = ProjectionPostprocessor::new(from, to, &part.weights()).unwrap();
    part.assert("a.out", &postprocessor.forward(part.input("a")).unwrap());
}

fn multimodal_postprocessor(part: &Part<'_>) {
    const CHANNELS: usize = 8;
    let (config, weights) = (part.config_with_labels(), part.weights());
    let of = |name: &str| weights.pp("modalities").pp(name);
    let label = ClassificationPostprocessor::new(&config, CHANNELS, &of("label")).unwrap();
    let postprocessor = MultimodalPostprocessor::new(named([
        ("label", ModalityPostprocessor::Classification(label)),
        ("audio", ModalityPostprocessor::Audio(AudioPostprocessor::new(&config, CHANNELS, &of("audio")).unwrap())),
        ("image", ModalityPostprocessor::Projection(ProjectionPostprocessor::new(CHANNELS, 3, &of("image")).unwrap())),
    ]));
    let outputs = match part.io.find("a.in.inputs") {
        Some(outputs) => {
            let sizes = serde_json::from_value(part.arguments("a")["modality_sizes"].clone()).unwrap();
            MultimodalPostprocessor::split(outputs, &sizes).unwrap()
        }
        None => part.io.below("a.in.inputs.").map(|(name, input)| (name.to_owned(), input.clone())).collect(),
    };
    let given = postprocessor.forward(&outputs).unwrap();
    assert_eq!(given.len(), 3);
    given.iter().for_each(|(name, given)| part.assert(&format!("a.out.{name}"), given));
}
