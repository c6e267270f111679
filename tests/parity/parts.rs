//! Parts of models, each built from the constructor arguments its fixture records.

use candle_core::{DType, Device, Module, Tensor};
use perceiverflow::perceiver::{
    FourierPositions, LayerOptions, PerceiverConfig, PerceiverLayer, PositionEncoding, PositionOptions, Positions,
    TrainableOptions,
    decode::{BasicDecoder, BasicDecoderOptions, OpticalFlowDecoder, OpticalFlowDecoderOptions},
    preprocess::{Conv2dDownsample, ImagePreprocessor, space_to_depth},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fixture::{Tensors, assert_close, json, weights};

/// One part: its recorded arguments, tensors and weights.
struct Part {
    name: String,
    spec: Value,
    io: Tensors,
}

impl Part {
    fn open(name: &str) -> Self {
        let spec = json(&format!("parts/{name}/spec.json"));
        Self { name: name.into(), spec, io: Tensors::open(&format!("parts/{name}/io.safetensors")) }
    }

    fn weights(&self) -> perceiverflow::perceiver::Weights<'static> {
        weights(&format!("parts/{}/weights.safetensors", self.name))
    }

    fn constructor<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.spec["constructor"].clone()).unwrap()
    }

    fn config(&self) -> PerceiverConfig {
        serde_json::from_value(self.spec["config"].clone()).unwrap()
    }

    /// The plain arguments of a call.
    fn arguments(&self, call: &str) -> &Value {
        let calls = self.spec["calls"].as_array().unwrap();
        &calls.iter().find(|c| c["call"] == call).unwrap_or_else(|| panic!("no call {call}"))["plain_arguments"]
    }

    fn calls(&self) -> Vec<String> {
        self.spec["calls"].as_array().unwrap().iter().map(|c| c["call"].as_str().unwrap().to_owned()).collect()
    }

    fn assert(&self, output: &str, given: &Tensor) {
        assert_close(&format!("{} {output}", self.name), given, self.io.get(output));
    }
}

#[test]
fn layers() {
    for name in ["layer_self", "layer_cross", "layer_cross_no_residual"] {
        let part = Part::open(name);
        let layer = PerceiverLayer::new(&part.constructor::<LayerOptions>(), &part.weights()).unwrap();
        let hidden = part.io.get("a.in.hidden_states");
        let output = layer.forward(hidden, part.io.find("a.in.inputs"), part.io.find("a.in.inputs_mask"), None, true).unwrap();
        part.assert("a.out.0", &output.hidden);
        part.assert("a.out.1", &output.probabilities.unwrap());
    }
}

#[test]
fn fourier_positions() {
    let part = Part::open("fourier_positions");
    for call in part.calls() {
        let arguments = part.arguments(&call);
        let encoding = FourierPositions::new(serde_json::from_value(arguments.clone()).unwrap()).unwrap();
        let output = format!("{call}.out");
        match part.io.find(&format!("{call}.in.pos")) {
            Some(positions) => part.assert(&output, &encoding.encode(positions).unwrap()),
            None => {
                let dims: Vec<usize> = serde_json::from_value(arguments["index_dims"].clone()).unwrap();
                let grid = encoding.grid(&dims).unwrap().dense(DType::F32, &Device::Cpu).unwrap();
                // The reference repeats the grid for each row of the batch, unless the positions are left out.
                match part.io.get(&output).rank() {
                    3 => part.assert(&output, &grid.unsqueeze(0).unwrap().repeat((2, 1, 1)).unwrap()),
                    _ => part.assert(&output, &grid),
                }
            }
        }
    }
}

#[test]
fn trainable_positions() {
    let part = Part::open("trainable_positions");
    let options = PositionOptions::Trainable(part.constructor::<TrainableOptions>());
    let table = part.weights().get((16, 6), "position_embeddings").unwrap();
    let named = std::collections::HashMap::from([("table.position_embeddings".to_owned(), table)]);
    let tensors = candle_nn::VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
    let encoding =
        PositionEncoding::new(&options, None, "table", &perceiverflow::perceiver::Weights::new(tensors, 0.02)).unwrap();
    let dense = |positions: Positions| positions.dense(DType::F32, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let plain = encoding.grid(&[16], false, DType::F32, &Device::Cpu).unwrap();
    part.assert("plain.out", &dense(plain).repeat((2, 1, 1)).unwrap());
    let interpolated = encoding.grid(&[7, 5], true, DType::F32, &Device::Cpu).unwrap();
    part.assert("interpolated.out", &dense(interpolated));
}

#[test]
fn image_preprocessors() {
    for name in [
        "conv",
        "conv_no_batchnorm",
        "conv1x1_fourier_project",
        "conv1x1_trainable_add",
        "conv1x1_trainable_concat",
        "patches_image",
        "patches_linear",
        "patches_video",
        "pixels",
        "pixels_downsample_quirk",
        "pixels_video",
    ] {
        let part = Part::open(&format!("image_preprocessor_{name}"));
        let preprocessor = ImagePreprocessor::new(part.constructor(), &part.weights()).unwrap();
        assert_eq!(part.arguments("a")["result"]["num_channels"], preprocessor.num_channels(), "{name}");
        let inputs = preprocessor.forward(part.io.get("a.in.inputs"), false).unwrap();
        part.assert("a.out.with_pos", &inputs.dense().unwrap());
        part.assert("a.out.without_pos", &inputs.blocks[0].1.features);
    }
}

#[test]
fn conv_downsample() {
    for (name, use_batchnorm) in [("conv_downsample_batchnorm", true), ("conv_downsample_no_batchnorm", false)] {
        let part = Part::open(name);
        let channels = |field: &str| part.spec["constructor"][field].as_u64().unwrap() as usize;
        let (from, to) = (channels("in_channels"), channels("out_channels"));
        let stem = Conv2dDownsample::new(from, to, use_batchnorm, &part.weights()).unwrap();
        for call in part.calls() {
            part.assert(&format!("{call}.out"), &stem.forward(part.io.get(&format!("{call}.in.inputs"))).unwrap());
        }
    }
}

#[test]
fn space_to_depth_of_images_and_video() {
    let part = Part::open("space_to_depth");
    for call in part.calls() {
        let size = |name: &str| part.arguments(&call)[name].as_u64().unwrap_or(1) as usize;
        let given = space_to_depth(part.io.get(&format!("{call}.in.frames")), size("temporal"), size("spatial")).unwrap();
        part.assert(&format!("{call}.out"), &given);
    }
}

#[test]
fn basic_decoders() {
    for name in [
        "fourier_grid",
        "fourier_points",
        "fourier_points_projected",
        "trainable",
        "trainable_concat_input",
        "trainable_no_project",
    ] {
        let part = Part::open(&format!("decoder_basic_{name}"));
        let decoder = BasicDecoder::new(&part.config(), part.constructor::<BasicDecoderOptions>(), &part.weights()).unwrap();
        let points = part.io.find("a.in.points").map(|points| points.flatten_all().unwrap());
        let points = points.map(|points| points.to_dtype(DType::U32).unwrap().to_vec1::<u32>().unwrap());
        let query = decoder.query(part.io.get("a.in.inputs"), part.io.find("a.in.without"), points.as_deref()).unwrap();
        part.assert("a.out.query", &query);
        let decoded = decoder.forward(&query, part.io.get("a.in.z"), true).unwrap();
        part.assert("a.out.logits", &decoded.logits);
        part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
    }
}

#[test]
fn optical_flow_decoder() {
    let part = Part::open("decoder_optical_flow");
    let arguments = &part.spec["constructor"];
    let options = OpticalFlowDecoderOptions {
        output_image_shape: serde_json::from_value(arguments["output_image_shape"].clone()).unwrap(),
        patch: 1,
        rescale_factor: arguments["rescale_factor"].as_f64().unwrap(),
        decoder: part.constructor(),
    };
    let decoder = OpticalFlowDecoder::new(&part.config(), options, &part.weights()).unwrap();
    let query = part.io.get("a.in.inputs");
    let decoded = decoder.forward(query, part.io.get("a.in.z"), true).unwrap();
    part.assert("a.out.logits", &decoded.logits);
    part.assert("a.out.attention", &decoded.cross_attentions.unwrap());
}
