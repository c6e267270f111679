//! Two pipelines of one process hold one copy of a model, by what the system says of the process's memory. Alone in its program, so that
//! nothing else takes memory meanwhile.
#![cfg(target_os = "linux")]

mod small_model;

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor, safetensors};
use gst::prelude::*;

/// Layers of the model: many, as a layer has but a few thousand numbers.
const LAYERS: usize = 1500;

/// Writes the small multimodal model with as many layers, all like its first; gives the bytes of its weights.
fn write_model(folder: &Path) -> usize {
    let layers = format!("\"num_self_attends_per_block\": {LAYERS}");
    std::fs::write(folder.join("config.json"), small_model::config().replace("\"num_self_attends_per_block\": 2", &layers))
        .unwrap();
    let small = safetensors::load(Path::new(small_model::FIXTURE).join("model.safetensors"), &Device::Cpu).unwrap();
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    for (name, tensor) in small {
        let Some((before, after)) = name.split_once("self_attends.0.") else {
            tensors.entry(name).or_insert(tensor);
            continue;
        };
        for layer in 0..LAYERS {
            tensors.insert(format!("{before}self_attends.{layer}.{after}"), tensor.clone());
        }
    }
    safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    tensors.values().map(|tensor| tensor.elem_count() * 4).sum()
}

/// A pipeline that labels a live stream with this model, once its first labels are there.
fn playing(model: &Path) -> gst::Element {
    let line = format!(
        "videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=25/1 ! queue ! perceiverclassify name=classify device=cpu \
         leaky=downstream model={} ! fakesink",
        model.display()
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let labels = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Element, gst::MessageType::Error]);
    assert_eq!(labels.map(|message| message.type_()), Some(gst::MessageType::Element), "no labels");
    pipeline
}

/// Bytes of memory that the process holds.
fn held() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_second_pipeline_takes_no_memory_for_the_weights() {
    gst::init().unwrap();
    gstperceiverflow::plugin_register_static().unwrap();
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let weights = write_model(folder.path());
    write_model(other.path());
    let mut before = held();
    // The third pipeline has a model of its own: what it takes shows that the measure can tell.
    let [first, second, third] = [folder.path(), folder.path(), other.path()].map(|model| {
        let pipeline = playing(model);
        let taken = held().saturating_sub(before);
        before += taken;
        (pipeline, taken)
    });
    let taken = [&first, &second, &third].map(|(_, taken)| *taken);
    for (pipeline, _) in [first, second, third] {
        pipeline.set_state(gst::State::Null).unwrap();
    }
    let said = format!("{weights} bytes of weights, {taken:?} bytes taken");
    println!("{said}");
    assert!(taken[0] >= weights / 2 && taken[1] <= weights / 4 && taken[2] >= weights / 2, "{said}");
}
