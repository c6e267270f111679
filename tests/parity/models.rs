//! Whole models, each in every case its fixture records.

use std::collections::BTreeMap;

use candle_core::Tensor;
use perceiverflow::{
    checkpoint::Checkpoint,
    perceiver::{
        EncoderOutput, HeadMask, Keep, PerceiverConfig, ProblemType, Weights,
        decode::Points,
        loss,
        models::{
            ForwardOptions, MultimodalInputs, PerceiverForImageClassification, PerceiverForMaskedLM,
            PerceiverForMultimodalAutoencoding, PerceiverForOpticalFlow, PerceiverForSequenceClassification, PerceiverModel,
        },
    },
};
use serde_json::Value;

use crate::{
    fixture::{Tensors, hold_each, json, path},
    setting::Setting,
};

const KEEP: Keep = Keep { hidden_states: true, attentions: true };

#[test]
fn models() {
    hold_each("model", |name, setting| {
        let model = Model { name: name.into(), setting };
        match json(&format!("models/{name}/cases.json"))["model_class"].as_str().unwrap() {
            "PerceiverModel" => bare(&model),
            "PerceiverForMaskedLM" => masked_lm(&model),
            "PerceiverForSequenceClassification" => sequence_classification(&model),
            "PerceiverForImageClassificationLearned" => {
                image_classification(&model, PerceiverForImageClassification::learned);
            }
            "PerceiverForImageClassificationFourier" => {
                image_classification(&model, PerceiverForImageClassification::fourier);
            }
            "PerceiverForImageClassificationConvProcessing" => {
                image_classification(&model, PerceiverForImageClassification::conv_processing);
            }
            "PerceiverForOpticalFlow" => optical_flow(&model),
            "PerceiverForMultimodalAutoencoding" => multimodal_autoencoding(&model),
            class => panic!("no test for {class}"),
        }
    });
}

struct Model<'a> {
    name: String,
    setting: &'a Setting,
}

impl Model<'_> {
    fn build<M>(&self, new: impl FnOnce(&PerceiverConfig, &Weights<'_>) -> perceiverflow::Result<M>) -> M {
        let folder = path(&format!("models/{}", self.name));
        Checkpoint::open(folder.to_str().unwrap()).unwrap().build(&self.setting.device, self.setting.precision, new).unwrap()
    }

    fn each_case(&self, check: impl Fn(&Case<'_>)) {
        for recorded in json(&format!("models/{}/cases.json", self.name))["cases"].as_array().unwrap() {
            let name = format!("{}/{}", self.name, recorded["case"].as_str().unwrap());
            let tensors = Tensors::open(&format!("models/{name}.safetensors"), &self.setting.device);
            let head_mask = tensors.find("in.head_mask").map(|mask| HeadMask::new(mask).unwrap());
            let case = Case { name, setting: self.setting, recorded: recorded.clone(), tensors, head_mask };
            check(&case);
            case.tensors.assert_all_seen(&case.name);
        }
    }
}

/// One call with what it gave in the reference.
struct Case<'a> {
    name: String,
    setting: &'a Setting,
    recorded: Value,
    tensors: Tensors,
    head_mask: Option<HeadMask>,
}

impl Case<'_> {
    fn input(&self) -> &Tensor {
        self.tensors.get("in.inputs")
    }

    fn options(&self) -> ForwardOptions<'_> {
        ForwardOptions {
            attention_mask: self.tensors.find("in.attention_mask"),
            head_mask: self.head_mask.as_ref(),
            interpolate_pos_encoding: self.recorded["arguments"]["interpolate_pos_encoding"].as_bool().unwrap_or(false),
            keep: KEEP,
            ..Default::default()
        }
    }

    /// Nothing kept: what may be folded is.
    fn folded(&self) -> ForwardOptions<'_> {
        ForwardOptions { keep: Keep::default(), ..self.options() }
    }

    /// Some cases record less than others.
    fn assert(&self, what: &str, given: &Tensor) {
        if let Some(expected) = self.tensors.find(what) {
            self.setting.assert_close(&format!("{} {what}", self.name), given, expected);
        }
    }

    fn assert_each<'a>(&self, what: &str, given: impl Iterator<Item = &'a Tensor>) {
        let given: Vec<&Tensor> = given.collect();
        for (number, expected) in self.tensors.below(&format!("{what}.")) {
            self.setting.assert_close(
                &format!("{} {what}.{number}", self.name),
                given[number.parse::<usize>().unwrap()],
                expected,
            );
        }
        assert!(self.tensors.find(&format!("{what}.{}", given.len())).is_none(), "{}: more {what}", self.name);
    }

    fn assert_encoder(&self, encoder: &EncoderOutput, decoder_attention: Option<&Tensor>) {
        self.assert("mid.last_hidden_state", &encoder.last_hidden_state);
        self.assert("out.last_hidden_state", &encoder.last_hidden_state);
        self.assert_each("out.hidden_states", encoder.hidden_states.iter());
        self.assert_each("out.attentions", encoder.attentions.iter());
        self.assert_each("out.cross_attentions", encoder.cross_attentions.iter().chain(decoder_attention));
    }

    fn assert_classification_loss(&self, logits: &Tensor) {
        if let Some(labels) = self.tensors.find("in.labels") {
            let problem: Option<ProblemType> = serde_json::from_value(self.recorded["problem_type"].clone()).unwrap();
            self.assert("out.loss", &loss::classification(logits, labels, problem).unwrap());
            // Integer labels say as much as the problem type, but numbers may be meant for either of the other two.
            if problem == Some(ProblemType::SingleLabelClassification) {
                self.assert("out.loss", &loss::classification(logits, labels, None).unwrap());
            }
        }
    }
}

fn bare(model: &Model<'_>) {
    let perceiver = model.build(PerceiverModel::new);
    model.each_case(|case| {
        case.assert_encoder(&perceiver.forward(case.input(), case.options()).unwrap(), None);
        let folded = perceiver.forward(case.input(), case.folded()).unwrap();
        case.assert("out.last_hidden_state", &folded.last_hidden_state);
    });
}

fn masked_lm(model: &Model<'_>) {
    let perceiver = model.build(PerceiverForMaskedLM::new);
    model.each_case(|case| {
        let block = perceiver.preprocess(case.input()).unwrap();
        case.assert("mid.preprocessor", &block.dense().unwrap());
        case.assert("mid.inputs_without_pos", &block.features);
        let output = perceiver.forward(case.input(), case.options()).unwrap();
        case.assert_encoder(&output.encoder, output.decoder_attention.as_ref());
        let z = &output.encoder.last_hidden_state;
        let query = perceiver.decoder().query(z, None, None).unwrap();
        case.assert("mid.decoder_query", &query);
        case.assert("mid.decoder_output", &perceiver.decoder().forward(&query, z, false).unwrap().logits);
        case.assert("out.logits", &output.logits);
        case.assert("out.logits", &perceiver.forward(case.input(), case.folded()).unwrap().logits);
        if let Some(labels) = case.tensors.find("in.labels") {
            case.assert("out.loss", &loss::cross_entropy(&output.logits, labels).unwrap());
        }
    });
}

fn sequence_classification(model: &Model<'_>) {
    let perceiver = model.build(PerceiverForSequenceClassification::new);
    model.each_case(|case| {
        let block = perceiver.preprocess(case.input()).unwrap();
        case.assert("mid.preprocessor", &block.dense().unwrap());
        case.assert("mid.inputs_without_pos", &block.features);
        let output = perceiver.forward(case.input(), case.options()).unwrap();
        case.assert_encoder(&output.encoder, output.decoder_attention.as_ref());
        case.assert("mid.decoder_query", &perceiver.decoder().query(&output.encoder.last_hidden_state).unwrap());
        case.assert("mid.decoder_output", &output.logits);
        case.assert("out.logits", &output.logits);
        case.assert("out.logits", &perceiver.forward(case.input(), case.folded()).unwrap().logits);
        case.assert_classification_loss(&output.logits);
    });
}

fn image_classification(
    model: &Model<'_>,
    new: impl FnOnce(&PerceiverConfig, &Weights<'_>) -> perceiverflow::Result<PerceiverForImageClassification>,
) {
    let perceiver = model.build(new);
    model.each_case(|case| {
        let options = case.options();
        let block = perceiver.preprocess(case.input(), options.interpolate_pos_encoding).unwrap();
        case.assert("mid.preprocessor", &block.dense().unwrap());
        let output = perceiver.forward(case.input(), options).unwrap();
        case.assert_encoder(&output.encoder, output.decoder_attention.as_ref());
        case.assert("mid.decoder_query", &perceiver.decoder().query(&output.encoder.last_hidden_state).unwrap());
        case.assert("mid.decoder_output", &output.logits);
        case.assert("out.logits", &output.logits);
        case.assert("out.logits", &perceiver.forward(case.input(), case.folded()).unwrap().logits);
        case.assert_classification_loss(&output.logits);
    });
}

fn optical_flow(model: &Model<'_>) {
    let perceiver = model.build(PerceiverForOpticalFlow::new);
    model.each_case(|case| {
        let tokens = perceiver.preprocess(case.input()).unwrap().dense().unwrap();
        case.assert("mid.preprocessor", &tokens);
        case.assert("mid.decoder_query", &tokens);
        let output = perceiver.forward(case.input(), case.options()).unwrap();
        case.assert_encoder(&output.encoder, output.decoder_attention.as_ref());
        case.assert("mid.decoder_output", &output.logits);
        case.assert("out.logits", &output.logits);
        case.assert("out.logits", &perceiver.forward(case.input(), case.folded()).unwrap().logits);
    });
}

fn multimodal_autoencoding(model: &Model<'_>) {
    let perceiver = model.build(PerceiverForMultimodalAutoencoding::new);
    model.each_case(|case| {
        let input = |name: &str| case.tensors.get(&format!("in.inputs.{name}"));
        let with_label = MultimodalInputs { image: input("image"), audio: input("audio"), label: Some(input("label")) };
        let tokens = perceiver.preprocess(with_label).unwrap();
        case.assert("mid.preprocessor", &tokens.dense().unwrap());
        for (name, size) in tokens.modality_sizes().unwrap() {
            assert_eq!(case.tensors.indices(&format!("mid.modality_size.{name}")), Some(vec![size as u32]), "{name}");
        }
        let points: Points = ["audio", "image"]
            .map(|name| (name.to_owned(), case.tensors.indices(&format!("in.subsampled_output_points.{name}")).unwrap()))
            .into();
        for inputs in [with_label, MultimodalInputs { label: None, ..with_label }] {
            let output = perceiver.forward(inputs, &points, case.options()).unwrap();
            case.assert_encoder(&output.encoder, output.decoder_attention.as_ref());
            let z = &output.encoder.last_hidden_state;
            let query = perceiver.decoder().query(z, &points).unwrap();
            case.assert("mid.decoder_query", &query.tokens);
            case.assert("mid.decoder_output", &perceiver.decoder().forward(&query.tokens, z, false).unwrap().logits);
            let recorded: BTreeMap<&str, &Tensor> = case.tensors.below("out.logits.").collect();
            assert!(recorded.keys().copied().eq(output.logits.keys().map(String::as_str)));
            let folded = perceiver.forward(inputs, &points, case.folded()).unwrap();
            for output in [output, folded] {
                recorded.iter().for_each(|(name, expected)| case.setting.assert_close(name, &output.logits[*name], expected));
            }
        }
    });
}
