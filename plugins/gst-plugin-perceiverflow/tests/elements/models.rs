//! Models that cannot be used are named; those that can are shared.

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::stage::{MODEL, Stage, element, info, init};

/// The error that a state change ends with.
fn refused(element: &gst::Element, state: gst::State) -> (gst::glib::Error, String) {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(state).is_err());
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error on the bus");
    element.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    (error.error(), error.debug().map(|debug| debug.to_string()).unwrap_or_default())
}

#[test]
fn a_missing_model_is_not_found_before_playing() {
    let element = element();
    element.set_property("model", "/nowhere/at/all");
    element.set_state(gst::State::Ready).unwrap();
    let (error, text) = refused(&element, gst::State::Paused);
    assert!(error.matches(gst::ResourceError::NotFound), "{error}: {text}");
    assert!(text.contains("/nowhere/at/all"), "{text}");
}

#[test]
fn a_folder_that_is_no_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{").unwrap();
    let element = element();
    element.set_property("model", folder.path().to_str().unwrap());
    let (error, text) = refused(&element, gst::State::Paused);
    assert!(error.is::<gst::ResourceError>(), "{error}");
    assert!(text.contains("config.json"), "{text}");
}

#[test]
fn unknown_values_are_refused_at_ready_with_what_is_accepted() {
    for (property, value, accepted) in [("device", "gpu", "cuda:N"), ("precision", "int8", "bf16")] {
        let element = element();
        element.set_property(property, value);
        let (error, text) = refused(&element, gst::State::Ready);
        assert!(error.matches(gst::LibraryError::Settings), "{error}");
        assert!(text.contains(property) && text.contains(value) && text.contains(accepted), "{text}");
    }
}

#[test]
fn a_device_that_this_build_lacks_and_an_overlap_that_does_not_fit_are_refused_before_playing() {
    let (property, value) = ("tile-overlap", 12u32);
    let element = element();
    element.set_property(property, value);
    let (error, text) = refused(&element, gst::State::Paused);
    assert!(error.matches(gst::LibraryError::Settings), "{error}");
    assert!(text.contains("tile-overlap") && text.contains("16x12"), "{text}");
    if !cfg!(feature = "metal") {
        element.set_property(property, 2u32);
        element.set_property("device", "metal");
        let (error, text) = refused(&element, gst::State::Paused);
        assert!(error.matches(gst::LibraryError::Settings), "{error}");
        assert!(text.contains("metal"), "{text}");
    }
}

#[test]
fn elements_of_one_model_share_its_worker() {
    // A precision of their own, so that no other test's elements share it.
    let shared = || {
        let element = element();
        element.set_property("precision", "f32");
        element
    };
    let info = info(VideoFormat::Rgb, 20, 16);
    let mut first = Stage::new(&shared(), &info);
    let second = Stage::new(&shared(), &info);
    let inference = |stage: &Stage| stage.element.property::<gst::Structure>("stats").get::<f64>("inference-ms-p50").unwrap();
    assert_eq!(inference(&second), 0.0);
    (0..2).for_each(|number| first.push(number));
    assert!(inference(&second) > 0.0);
    assert_eq!((first.stat("windows-in"), second.stat("windows-in")), (1, 0), "counts are each element's own");
}

#[test]
fn windows_of_two_pipelines_share_batches() {
    init();
    // A model of their own, so that no other test's windows fill their batches.
    let line = format!(
        "videotestsrc num-buffers=40 ! video/x-raw,width=16,height=16,framerate=25/1 ! perceiverclassify name=classify device=cpu model={}/. \
         batch-size=2 batch-timeout=1000000000 ! fakesink",
        crate::clip::model()
    );
    let pipelines = [(); 2].map(|()| gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap());
    // Both are ready before either begins.
    for state in [gst::State::Paused, gst::State::Playing] {
        assert!(pipelines.iter().all(|pipeline| pipeline.set_state(state).is_ok()));
    }
    let stats = pipelines.each_ref().map(|pipeline| {
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        pipeline.by_name("classify").unwrap().property::<gst::Structure>("stats")
    });
    assert!(pipelines.iter().all(|pipeline| pipeline.set_state(gst::State::Null).is_ok()));
    assert!(stats.iter().all(|stats| stats.get::<u64>("windows-out") == Ok(20)), "{stats:?}");
    assert!(stats[1].get::<f64>("mean-batch").unwrap() > 1.5, "{stats:?}");
}

#[test]
fn statistics_of_a_stream() {
    let mut stage = Stage::new(&element(), &info(VideoFormat::Rgb, 20, 16));
    (0..5).for_each(|number| stage.push(number));
    let stats = stage.element.property::<gst::Structure>("stats");
    assert_eq!((stage.stat("windows-in"), stage.stat("windows-out"), stage.stat("windows-dropped")), (4, 4, 0));
    let [p50, p99, batch, factor] =
        ["inference-ms-p50", "inference-ms-p99", "mean-batch", "real-time-factor"].map(|name| stats.get::<f64>(name).unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{p50} {p99}");
    assert!(batch >= 1.0 && factor > 0.0, "{batch} {factor}");
}

#[test]
fn a_model_is_reloaded_while_running_if_its_tile_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(format!("{MODEL}/{file}"), folder.path().join(file)).unwrap();
    }
    let element = element();
    element.set_property("model", folder.path().to_str().unwrap());
    assert!(!element.emit_by_name::<bool>("reload-model", &[]), "nothing is loaded yet");
    // A live one would also be warned of a model that is slow on a busy machine.
    let mut stage = Stage::prepared(&element, &info(VideoFormat::Rgb, 20, 16), |harness| harness.set_live(false));
    (0..2).for_each(|number| stage.push(number));
    assert!(element.emit_by_name::<bool>("reload-model", &[]));
    stage.push(2);
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    std::fs::write(folder.path().join("config.json"), config.replace("train_size", "trained_size")).unwrap();
    assert!(!element.emit_by_name::<bool>("reload-model", &[]));
    assert_eq!(stage.messages(gst::MessageType::Warning).len(), 1);
    stage.push(3);
    assert_eq!(stage.carried(), [(0, None), (1, Some(0)), (2, Some(1)), (3, Some(2))]);
}
