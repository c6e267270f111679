//! Caps between the split elements: windows as the model reads them, and their latents.

use perceiverflow::{media::ClipShape, tasks::ClipPreprocessor};

use super::{at_rate, tensors};
use crate::tensor_memory;

/// The types of a window's two tensors: pictures, then sound.
const WINDOW: &str = "float32,float32";

/// Windows of any model.
pub(crate) fn any_inputs() -> gst::Caps {
    at_rate(of_stage(WINDOW, "inputs"), None)
}

/// The windows of one model: pictures X:Y:3:T and the sound's samples, innermost first, the sound's rate, and how many windows come in a
/// second, where that matters. What a window holds depends on the model's configuration alone; so there is no hash.
pub(crate) fn inputs(model: &ClipPreprocessor, framerate: Option<gst::Fraction>) -> gst::Caps {
    let (shape, side) = (model.shape(), model.side());
    let windows = of_stage(WINDOW, "inputs")
        .field("dimensions", format!("{side}:{side}:3:{},{}", shape.frames, shape.samples()))
        .field("perceiver-rate", i32::try_from(shape.sample_rate).unwrap_or(i32::MAX));
    at_rate(windows, framerate)
}

/// Latents of any model.
pub(crate) fn any_latents() -> gst::Caps {
    in_any_memory(&at_rate(of_stage("float32", "latents"), None))
}

/// The latents of one model, where its device has them or in system memory: D:N, innermost first, the model's hash, and how many windows
/// come in a second, where that matters.
pub(crate) fn latents([n, d]: [usize; 2], hash: &str, framerate: Option<gst::Fraction>) -> gst::Caps {
    let latents = of_stage("float32", "latents").field("dimensions", format!("{d}:{n}")).field("perceiver-hash", hash);
    in_any_memory(&at_rate(latents, framerate))
}

fn in_any_memory(system: &gst::Caps) -> gst::Caps {
    let mut caps = system.clone();
    caps.make_mut().set_features_simple(Some(gst::CapsFeatures::new([tensor_memory::FEATURE])));
    caps.merge(system.clone());
    caps
}

/// Which of the two forms of [`latents`] suits a neighbour that takes `accepted`: bytes, unless it says that it knows better.
pub(crate) fn chosen_latents(latents: &gst::Caps, accepted: &gst::Caps) -> gst::Caps {
    let [tensors, bytes] = [1, 0].map(|other| {
        let mut caps = latents.clone();
        caps.make_mut().remove_structure(other);
        caps
    });
    if !accepted.is_any() && accepted.can_intersect(&tensors) { tensors } else { bytes }
}

/// Whether buffers of these caps hold latents where their device has them.
pub(crate) fn are_tensors(caps: &gst::CapsRef) -> bool {
    caps.features(0).is_some_and(|features| features.contains(tensor_memory::FEATURE))
}

/// Windows in a second when one begins every `stride` frames; 0/1 where that is more than a fraction can say.
pub(crate) fn window_rate(shape: &ClipShape, stride: usize) -> gst::Fraction {
    match (i32::try_from(shape.sample_rate), i32::try_from(shape.samples_per_frame * stride)) {
        (Ok(rate), Ok(samples)) if samples > 0 => gst::Fraction::new(rate, samples),
        _ => gst::Fraction::new(0, 1),
    }
}

fn of_stage(types: &str, stage: &str) -> gst::structure::Builder {
    tensors(types).field("perceiver-stage", stage)
}

#[cfg(test)]
mod tests {
    use perceiverflow::{perceiver::PerceiverConfig, tasks::Framing};

    use super::*;

    #[test]
    fn one_models_windows_and_latents_are_what_the_templates_promise() {
        gst::init().unwrap();
        let model = ClipPreprocessor::new(&PerceiverConfig::default(), Framing::Crop);
        let rate = window_rate(&model.shape(), model.shape().frames);
        assert_eq!(rate, gst::Fraction::new(25, 16));
        let (windows, encoded) = (inputs(&model, Some(rate)), latents([784, 512], "abc", Some(rate)));
        assert!(windows.is_subset(&any_inputs()) && encoded.is_subset(&any_latents()));
        assert!(windows.is_fixed() && !windows.can_intersect(&any_latents()), "a stage is no other");
        let dimensions = |caps: &gst::Caps| caps.structure(0).unwrap().get::<String>("dimensions").unwrap();
        assert_eq!((dimensions(&windows).as_str(), dimensions(&encoded).as_str()), ("224:224:3:16,30720", "512:784"));
        assert!(!encoded.can_intersect(&latents([784, 512], "abd", None)), "nor is a model another");
    }

    #[test]
    fn only_who_says_so_has_latents_where_the_device_has_them() {
        gst::init().unwrap();
        let encoded = latents([784, 512], "abc", Some(gst::Fraction::new(25, 16)));
        let chosen = |accepted: &gst::Caps| {
            let chosen = chosen_latents(&encoded, accepted);
            assert!(chosen.is_fixed() && chosen.is_subset(&any_latents()), "{chosen}");
            are_tensors(&chosen)
        };
        assert!(chosen(&any_latents()));
        assert!(!chosen(&gst::Caps::new_any()) && !chosen(&gst::Caps::new_empty()));
        assert!(!chosen(&gst::Caps::new_empty_simple("other/tensors")), "system memory is meant");
    }
}
