//! The whole optical-flow pipeline: pictures, tiles, model, blending.

use candle_core::{Device, Tensor};
use perceiverflow::{
    media::Picture,
    tasks::{OpticalFlow, Tiling},
};

use crate::{
    fixture::{Tensors, json, path},
    setting::Setting,
};

#[test]
fn two_pictures_to_flow() {
    let (pipeline, fixture) = (json("flow/pipeline.json"), Tensors::open("flow/pipeline.safetensors", &Device::Cpu));
    let [height, width]: [usize; 2] = serde_json::from_value(pipeline["image"].clone()).unwrap();
    let overlap = pipeline["min_overlap"].as_u64().unwrap() as usize;
    let frames = fixture.get("frames");
    let picture = |n: usize| {
        let rgb = frames.get(n).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        Picture::new(width, height, rgb).unwrap()
    };
    for setting in Setting::all() {
        let task = OpticalFlow::open(path("flow").to_str().unwrap(), setting.choice, setting.precision).unwrap();
        let fields = task.estimate(&[(&picture(0), &picture(1))], Tiling::Native { overlap }).unwrap();
        let vectors: Vec<f32> = fields[0].uv().iter().flatten().copied().collect();
        let given = Tensor::from_vec(vectors, (1, height, width, 2), frames.device()).unwrap();
        setting.assert_close("flow", &given, fixture.get("flow"));
    }
}
