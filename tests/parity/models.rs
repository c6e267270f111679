//! Whole models.

use candle_core::Device;
use perceiverflow::{
    checkpoint::Checkpoint,
    compute::Precision,
    perceiver::{Keep, models::PerceiverForOpticalFlow},
};

use crate::fixture::{Tensors, assert_close, path};

#[test]
fn optical_flow() {
    let folder = path("models/optical_flow");
    let checkpoint = Checkpoint::open(folder.to_str().unwrap()).unwrap();
    let model = checkpoint.build(&Device::Cpu, Precision::F32, PerceiverForOpticalFlow::new).unwrap();
    let case = Tensors::open("models/optical_flow/patches.safetensors");
    let frames = case.get("in.inputs");
    assert_close("preprocessor", &model.preprocess(frames).unwrap().dense().unwrap(), case.get("mid.preprocessor"));
    let output = model.forward(frames, Keep { hidden_states: true, attentions: true }).unwrap();
    assert_close("logits", &output.logits, case.get("out.logits"));
    assert_close("latents", &output.encoder.last_hidden_state, case.get("mid.last_hidden_state"));
    for (number, hidden) in output.encoder.hidden_states.iter().enumerate() {
        assert_close(&format!("hidden state {number}"), hidden, case.get(&format!("out.hidden_states.{number}")));
    }
    for (number, attention) in output.encoder.attentions.iter().enumerate() {
        assert_close(&format!("attention {number}"), attention, case.get(&format!("out.attentions.{number}")));
    }
    let cross = output.encoder.cross_attentions.iter().chain(&output.decoder_attention);
    for (number, attention) in cross.enumerate() {
        assert_close(&format!("cross attention {number}"), attention, case.get(&format!("out.cross_attentions.{number}")));
    }
}
