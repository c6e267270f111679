//! Pictures to pixel values, exactly: not a level and not a bit of a float differs.

use candle_core::{DType, Device, Tensor};
use perceiverflow::perceiver::PerceiverImageProcessor;

use crate::fixture::{Tensors, json, path};

#[test]
fn pixel_values() {
    let images = Tensors::open("image_processor/images.safetensors", &Device::Cpu);
    for case in json("image_processor/cases.json")["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let processor: PerceiverImageProcessor = serde_json::from_value(case["processor"].clone()).unwrap();
        let image = images.get(&format!("{name}.image"));
        let values = processor.preprocess(image).unwrap();
        if let Some(levels) = images.find(&format!("{name}.resized_u8")) {
            let resized = PerceiverImageProcessor { do_rescale: false, do_normalize: false, ..processor };
            assert_same(name, &resized.preprocess(image).unwrap(), levels);
        }
        match images.find(&format!("{name}.pixel_values_step")) {
            None => assert_same(name, &values, images.get(&format!("{name}.pixel_values"))),
            // A large result is recorded by every seventh pixel and a sum.
            Some(expected) => {
                assert_same(name, &every(&every(&values, 1, case), 2, case), expected);
                let sum = values.to_dtype(DType::F64).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
                assert!((sum - case["sum"].as_f64().unwrap()).abs() < 1e-6 * sum.abs(), "{name}: sum {sum}");
            }
        }
    }
    images.assert_all_seen("images");
}

#[test]
fn the_file_of_today_and_of_old() {
    let read = PerceiverImageProcessor::open(path("image_processor/preprocessor_config.json")).unwrap();
    assert_eq!(read, PerceiverImageProcessor::default());
    let written = serde_json::to_value(&read).unwrap();
    let published = json("image_processor/preprocessor_config.json");
    for (field, value) in written.as_object().unwrap() {
        assert_eq!(*value, published[field], "{field}");
    }
    let old = r#"{"feature_extractor_type": "PerceiverFeatureExtractor", "crop_size": 256, "size": 224, "resample": 3,
        "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#;
    assert_eq!(serde_json::from_str::<PerceiverImageProcessor>(old).unwrap(), read);
}

fn every(values: &Tensor, axis: usize, case: &serde_json::Value) -> Tensor {
    let step = case["step"].as_u64().unwrap() as usize;
    let kept: Vec<u32> = (0..values.dims()[axis] as u32).step_by(step).collect();
    values.index_select(&Tensor::new(kept, values.device()).unwrap(), axis).unwrap()
}

#[track_caller]
fn assert_same(name: &str, given: &Tensor, expected: &Tensor) {
    assert_eq!((given.dtype(), given.dims()), (expected.dtype(), expected.dims()), "{name}");
    let bits = |x: &Tensor| {
        let x = x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        x.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let differing = bits(given).iter().zip(bits(expected)).filter(|(a, b)| **a != *b).count();
    assert_eq!(differing, 0, "{name}: values that differ");
}
