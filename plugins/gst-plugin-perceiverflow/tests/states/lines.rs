//! Pipelines with every element that has a model and with every task of the bin, on endless streams and tiny models.

use gst::{glib, prelude::*};

use crate::small_model;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

/// Lines by name. `VIDEO`, `AUDIO` and `TEXTS` stand for sources, `WINDOWS` for what cuts video and sound, `MODEL`, `FLOW` and `LANGUAGE` for
/// what the elements are told of their models.
pub(crate) const LINES: [(&str, &str); 8] = [
    (
        "classify",
        "VIDEO ! perceiverclassify name=classify result-policy=aligned MODEL ! perceiveroverlay ! queue ! fakesink \
         AUDIO ! classify.audio_sink classify.text_src ! queue ! text/x-raw ! fakesink async=false",
    ),
    (
        "split elements",
        "VIDEO ! windows.video_sink AUDIO ! windows.audio_sink WINDOWS ! queue ! perceiverencode MODEL \
         ! tee name=latents latents. ! queue ! perceiverdecode MODEL head=video ! queue ! fakesink \
         latents. ! queue ! perceiverdecode MODEL head=audio leaky=upstream ! fakesink async=false \
         latents. ! queue leaky=downstream ! perceiverdecode MODEL head=labels ! text/x-raw ! fakesink async=false",
    ),
    (
        "optical flow",
        "VIDEO ! perceiveropticalflow name=flow FLOW ! perceiveroverlay ! queue ! fakesink \
         flow.flow_src ! queue ! image/x-flo ! fakesink async=false",
    ),
    ("text", "TEXTS ! perceivertext LANGUAGE ! queue ! fakesink"),
    (
        "task=autoencode",
        "VIDEO ! memory.video_sink AUDIO ! memory.audio_sink perceiverflow name=memory task=autoencode MODEL \
         memory.video_src ! queue ! fakesink memory.text_src ! queue ! text/x-raw ! fakesink async=false",
    ),
    (
        "task=classify",
        "VIDEO ! perceiverflow name=labels task=classify MODEL ! queue ! fakesink AUDIO ! labels.audio_sink \
         labels.text_src ! queue ! text/x-raw ! fakesink async=false",
    ),
    (
        "task=optical-flow",
        "VIDEO ! perceiverflow name=flow task=optical-flow result-policy=aligned FLOW ! queue ! fakesink \
         flow.flow_src ! queue ! other/tensors ! fakesink async=false",
    ),
    ("task=fill-mask", "TEXTS ! fill.text_sink perceiverflow name=fill task=fill-mask LANGUAGE fill.text_src ! queue ! fakesink"),
];

/// The models and files that the lines name.
pub(crate) struct Media {
    folder: tempfile::TempDir,
}

impl Media {
    pub(crate) fn write() -> Self {
        let folder = small_model::copy();
        let cue = |n: usize| format!("{}\n00:00:{:02},{:03} --> 00:00:59,000\ng[MASK]p\n\n", n + 1, n / 50, n % 50 * 20);
        std::fs::write(folder.path().join("cues.srt"), (0..1000).map(cue).collect::<String>()).unwrap();
        Self { folder }
    }

    /// The folder of the multimodal model.
    pub(crate) fn model(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// One of [`LINES`] as GStreamer reads it.
    pub(crate) fn fill_in(&self, line: &str, live: bool) -> String {
        let model = self.model();
        let video = format!("videotestsrc is-live={live} ! video/x-raw,width=16,height=16,framerate=100/1 ! queue");
        let audio = format!("audiotestsrc is-live={live} samplesperbuffer=16 ! audio/x-raw,rate=800 ! queue");
        let texts = format!("filesrc location={model}/cues.srt ! subparse ! queue");
        let line = line.replace("WINDOWS", &format!("perceiverpreprocess name=windows model={model}"));
        let line = line.replace("VIDEO", &video).replace("AUDIO", &audio).replace("TEXTS", &texts);
        let line = line.replace("FLOW", &format!("device=cpu tile-overlap=2 model={FIXTURES}/flow"));
        let line = line.replace("LANGUAGE", &format!("device=cpu model={FIXTURES}/models/masked_lm"));
        line.replace("MODEL", &format!("device=cpu model={model}"))
    }

    /// Elements that keep the models loaded while pipelines come and go.
    pub(crate) fn hold_models(&self) -> Vec<gst::Element> {
        let [flow, language] = ["flow", "models/masked_lm"].map(|model| format!("{FIXTURES}/{model}"));
        let held =
            [("perceiverclassify", self.model()), ("perceiveropticalflow", flow.as_str()), ("perceivertext", language.as_str())];
        held.into_iter()
            .map(|(element, model)| {
                let element = gst::ElementFactory::make(element).property("model", model).property("device", "cpu");
                let element = element.build().unwrap();
                if element.find_property("tile-overlap").is_some() {
                    element.set_property("tile-overlap", 2u32);
                }
                element.set_state(gst::State::Paused).unwrap();
                element
            })
            .collect()
    }
}

/// GStreamer with the plugin, and every warning fatal.
pub(crate) fn init() {
    gst::init().unwrap();
    glib::log_set_always_fatal(glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_ERROR);
    gstperceiverflow::plugin_register_static().unwrap();
}

/// The states, by a generator of its own, so that every run makes the same changes.
pub(crate) fn states() -> impl Iterator<Item = gst::State> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        [gst::State::Null, gst::State::Ready, gst::State::Paused, gst::State::Playing][(state >> 33) as usize % 4]
    })
}

/// Puts a pipeline through these states and back to the first.
pub(crate) fn change(pipeline: &gst::Element, states: impl Iterator<Item = gst::State>) {
    for (at, state) in states.enumerate() {
        assert!(pipeline.set_state(state).is_ok(), "change {at} to {state:?}");
        if at % 8 == 0 {
            // Sometimes the change is waited for, mostly the next one meets it half-way.
            let (reached, ..) = pipeline.state(gst::ClockTime::from_seconds(20));
            assert!(reached.is_ok(), "change {at} to {state:?}");
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let errors = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    assert!(errors.is_none(), "{errors:?}");
}
