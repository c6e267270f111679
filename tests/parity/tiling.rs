//! The whole optical-flow pipeline: pictures, tiles, model, blending.

use candle_core::Tensor;
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Picture,
    tasks::{OpticalFlow, Tiling},
};

use crate::fixture::{Tensors, assert_close, path};

#[test]
fn two_pictures_to_flow() {
    let fixture = Tensors::open("flow/pipeline.safetensors");
    let frames = fixture.get("frames");
    let pictures: Vec<Picture> =
        (0..2).map(|n| Picture::new(37, 22, frames.get(n).unwrap().flatten_all().unwrap().to_vec1().unwrap()).unwrap()).collect();
    let task = OpticalFlow::open(path("flow").to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).unwrap();
    let fields = task.estimate(&[(&pictures[0], &pictures[1])], Tiling::Native { overlap: 3 }).unwrap();
    let vectors: Vec<f32> = fields[0].uv().iter().flatten().copied().collect();
    let given = Tensor::from_vec(vectors, (1, 22, 37, 2), frames.device()).unwrap();
    assert_close("flow", &given, fixture.get("flow"));
}
