//! `perceivertext`: gaps are filled and sentences classified as the library does it, at their own times, and what cannot be asked passes.

use std::path::Path;

use gst::prelude::*;
use gst_check::Harness;
use gstperceiverflow::{meta::LabelsMeta, text::Output};
use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::Labels,
    perceiver::tokenizer::Truncation,
    tasks::{ClassifyText, FillMask},
};

use crate::stage::init;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models");
const MASKED: &str = "masked_lm";
const CLASSIFIER: &str = "sequence_classification";
/// Classes of the classifier.
const CLASSES: usize = 5;

fn folder(model: &str) -> String {
    format!("{MODELS}/{model}")
}

fn element(model: &str) -> gst::Element {
    init();
    let element = gst::ElementFactory::make("perceivertext").property("model", folder(model)).property("device", "cpu");
    element.property("precision", "f32").build().unwrap()
}

/// The element on a harness that plays, with a bus.
struct Texts {
    harness: Harness,
    element: gst::Element,
    bus: gst::Bus,
}

impl Texts {
    fn new(element: &gst::Element, format: &str) -> Self {
        let bus = gst::Bus::new();
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        element.set_bus(Some(&bus));
        harness.set_src_caps(gst::Caps::builder("text/x-raw").field("format", format).build());
        harness.play();
        Self { harness, element: element.clone(), bus }
    }

    /// Pushes a text shown from `second` on for half a second; gives what comes out at once.
    fn push(&mut self, second: u64, text: impl AsRef<[u8]>) -> Option<gst::Buffer> {
        self.harness.push(cue(second, text)).unwrap();
        self.harness.try_pull()
    }

    fn stats(&self) -> [u64; 3] {
        let stats = self.element.property::<gst::Structure>("stats");
        ["windows-in", "windows-out", "windows-dropped"].map(|name| stats.get(name).unwrap())
    }

    fn messages(&self, kind: gst::MessageType) -> Vec<gst::Message> {
        let messages: Vec<_> = std::iter::from_fn(|| self.bus.pop()).collect();
        assert!(messages.iter().all(|message| message.type_() != gst::MessageType::Error), "{messages:?}");
        messages.into_iter().filter(|message| message.type_() == kind).collect()
    }

    /// The events that came out since the last call, without those that lead every stream.
    fn events(&mut self) -> Vec<gst::Event> {
        let leading = [gst::EventType::StreamStart, gst::EventType::Caps, gst::EventType::Segment];
        let events = std::iter::from_fn(|| self.harness.try_pull_event());
        events.filter(|event| !leading.contains(&event.type_())).collect()
    }
}

fn cue(second: u64, text: impl AsRef<[u8]>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(text.as_ref().to_vec());
    let stamps = buffer.get_mut().unwrap();
    stamps.set_pts(second * gst::ClockTime::SECOND);
    stamps.set_duration(gst::ClockTime::from_mseconds(500));
    buffer
}

fn text(buffer: &gst::BufferRef) -> String {
    String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap()
}

fn times(buffer: &gst::BufferRef) -> (u64, u64) {
    (buffer.pts().unwrap().mseconds(), buffer.duration().unwrap().mseconds())
}

fn filled(given: &str, top_k: usize) -> perceiverflow::media::FilledText {
    let task = FillMask::open(&folder(MASKED), DeviceChoice::Cpu, Precision::F32).unwrap();
    task.fill(&[&given.into()], top_k).unwrap().remove(0)
}

fn classified(given: &str) -> Labels {
    let task = ClassifyText::open(&folder(CLASSIFIER), DeviceChoice::Cpu, Precision::F32).unwrap();
    task.classify(&[given], Truncation::None).unwrap().remove(0)
}

fn numbers<T: for<'a> gst::glib::value::FromValue<'a>>(structure: &gst::StructureRef, field: &str) -> Vec<T> {
    values(&structure.get::<gst::Array>(field).unwrap())
}

fn values<T: for<'a> gst::glib::value::FromValue<'a>>(array: &gst::Array) -> Vec<T> {
    array.iter().map(|value| value.get::<T>().unwrap_or_else(|_| panic!("{value:?}"))).collect()
}

#[test]
fn gaps_are_filled_as_the_library_fills_them_and_other_texts_pass() {
    let mut texts = Texts::new(&element(MASKED), "utf8");
    let given = "He[MASK]lo, w[MASK][MASK]ld";
    let out = texts.push(3, given).unwrap();
    assert_eq!((text(&out), times(&out)), (filled(given, 1).text().into_owned(), (3000, 500)));
    for (second, plain) in [(4, "no gap in it"), (5, "")] {
        let out = texts.push(second, plain).unwrap();
        assert_eq!((text(&out), times(&out)), (plain.into(), (second * 1000, 500)));
    }
    let caps = texts.harness.sinkpad().unwrap().current_caps().unwrap();
    assert_eq!(caps.to_string(), "text/x-raw, format=(string)utf8");
    assert_eq!(texts.stats(), [1, 1, 0]);
}

#[test]
fn the_message_of_a_filled_text_has_the_guesses() {
    let element = element(MASKED);
    element.set_property("top-k", 3u32);
    let mut texts = Texts::new(&element, "utf8");
    let given = "a[MASK] [MASK]b";
    texts.push(2, given).unwrap();
    element.set_property("post-messages", false);
    texts.push(3, given).unwrap();
    let expected = filled(given, 3);
    let messages = texts.messages(gst::MessageType::Element);
    assert_eq!(messages.len(), 1);
    let result = messages[0].structure().unwrap();
    assert_eq!((result.name().as_str(), result.get::<&str>("text").unwrap()), ("perceiver-result", &*expected.text()));
    assert_eq!(result.get::<gst::ClockTime>("stream-time").unwrap(), 2 * gst::ClockTime::SECOND);
    assert_eq!(result.get::<&str>("model-hash").unwrap().len(), 64);
    assert_eq!(numbers::<u32>(result, "gaps"), [1, 3]);
    let (guesses, shares) = (numbers::<gst::Array>(result, "guesses"), numbers::<gst::Array>(result, "probabilities"));
    for ((gap, guesses), shares) in expected.gaps().iter().zip(&guesses).zip(&shares) {
        let bytes: Vec<u32> = gap.guesses.iter().map(|guess| guess.byte.into()).collect();
        assert_eq!(values::<u32>(guesses), bytes);
        for (given, expected) in values::<f64>(shares).iter().zip(&gap.guesses) {
            assert!((given - f64::from(expected.probability)).abs() < 1e-6, "{given} {expected:?}");
        }
    }
}

#[test]
fn sentences_pass_with_their_labels_on_them() {
    let element = element(CLASSIFIER);
    element.set_property("top-k", CLASSES as u32);
    let mut texts = Texts::new(&element, "utf8");
    for (window, sentence) in ["A fine day.", "Not so fine, this one."].into_iter().enumerate() {
        let out = texts.push(window as u64, sentence).unwrap();
        let meta = LabelsMeta::of(&out).unwrap();
        assert_eq!((text(&out).as_str(), meta.window.id, &meta.labels), (sentence, window as u64, &classified(sentence)));
        assert_eq!(meta.window.duration, gst::ClockTime::from_mseconds(500));
    }
    let messages = texts.messages(gst::MessageType::Element);
    let result = messages[1].structure().unwrap();
    assert_eq!(numbers::<u32>(result, "indices").len(), CLASSES);
    assert_eq!(result.get::<&str>("text").unwrap(), "Not so fine, this one.");
}

#[test]
fn labels_leave_as_lines_in_the_place_of_the_text() {
    let element = element(CLASSIFIER);
    element.set_property("output", Output::Labels);
    element.set_property("top-k", 2u32);
    let mut texts = Texts::new(&element, "utf8");
    let out = texts.push(7, "A fine day.").unwrap();
    let labels = classified("A fine day.").top(2, 0.0);
    let lines: Vec<String> = labels.as_slice().iter().map(ToString::to_string).collect();
    assert_eq!((text(&out), times(&out)), (lines.join("\n"), (7000, 500)));
    assert_eq!(LabelsMeta::of(&out).unwrap().labels, labels);
    assert!(texts.push(8, "").is_none());
    let events = texts.events();
    let Some(gst::EventView::Gap(gap)) = events.last().map(|event| event.view()) else { panic!("{events:?}") };
    assert_eq!(gap.get(), (8 * gst::ClockTime::SECOND, Some(gst::ClockTime::from_mseconds(500))));
}

#[test]
fn markup_is_taken_out() {
    let mut texts = Texts::new(&element(MASKED), "pango-markup");
    assert_eq!(text(&texts.push(0, "<i>Tom</i> &amp; Jerry").unwrap()), "Tom & Jerry");
    let out = texts.push(1, "<b>a</b>[MASK]&lt;").unwrap();
    assert_eq!((text(&out), times(&out)), (filled("a[MASK]<", 1).text().into_owned(), (1000, 500)));
}

#[test]
fn what_the_model_cannot_read_passes_unchanged_with_a_warning() {
    let mut texts = Texts::new(&element(MASKED), "utf8");
    let long = format!("{}[MASK]", "x".repeat(38));
    let broken = b"\xC3[MASK]";
    let out = texts.push(0, broken).unwrap();
    assert_eq!((&*out.map_readable().unwrap(), times(&out)), (&broken[..], (0, 500)));
    let warnings = texts.messages(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    assert!(warning.debug().unwrap().contains("UTF-8"), "{warning:?}");
    assert_eq!(text(&texts.push(1, &long).unwrap()), long);
    assert_eq!(texts.stats(), [2, 0, 2]);
    // The second within a second is told of at the end.
    texts.harness.push_event(gst::event::Eos::new());
    let warnings = texts.messages(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    assert!(warning.debug().unwrap().contains("at most 40"), "{warning:?}");
}

#[test]
fn gaps_flushes_and_the_end_keep_their_places() {
    let mut texts = Texts::new(&element(MASKED), "utf8");
    texts.push(0, "[MASK]").unwrap();
    texts.harness.push_event(gst::event::Gap::builder(gst::ClockTime::SECOND).build());
    assert!(texts.harness.push_event(gst::event::FlushStart::new()));
    assert!(texts.harness.push_event(gst::event::FlushStop::new(true)));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(10 * gst::ClockTime::SECOND);
    segment.set_time(100 * gst::ClockTime::SECOND);
    assert!(texts.harness.push_event(gst::event::Segment::new(&segment)));
    texts.messages(gst::MessageType::Element);
    texts.push(12, "[MASK]").unwrap();
    let messages = texts.messages(gst::MessageType::Element);
    let time = |name: &str| messages[0].structure().unwrap().get::<gst::ClockTime>(name).unwrap().seconds();
    assert_eq!((time("stream-time"), time("running-time")), (102, 2));
    assert!(texts.harness.push_event(gst::event::Eos::new()));
    let kinds: Vec<_> = texts.events().iter().map(|event| event.type_()).collect();
    use gst::EventType::{Eos, FlushStart, FlushStop, Gap};
    assert_eq!(kinds, [Gap, FlushStart, FlushStop, Eos]);
}

#[test]
fn texts_too_late_for_downstream_pass_without_an_answer() {
    let mut texts = Texts::new(&element(MASKED), "utf8");
    texts.push(0, "[MASK]").unwrap();
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 1.0, 2_000_000_000).timestamp(gst::ClockTime::ZERO);
    texts.harness.push_upstream_event(late.build());
    assert_eq!(text(&texts.push(3, "[MASK]").unwrap()), "[MASK]");
    assert_eq!(texts.stats(), [2, 1, 1]);
    assert_eq!(texts.messages(gst::MessageType::Warning).len(), 1);
    assert_ne!(text(&texts.push(5, "[MASK]").unwrap()), "[MASK]");
}

#[test]
fn the_longest_text_and_the_wait_for_a_batch_are_the_latency() {
    let element = element(MASKED);
    element.set_property("processing-latency", 30_000_000u64);
    element.set_property("batch-timeout", 5_000_000u64);
    let mut texts = Texts::new(&element, "utf8");
    texts.harness.set_upstream_latency(gst::ClockTime::from_mseconds(7));
    assert_eq!(texts.harness.query_latency(), Some(gst::ClockTime::from_mseconds(42)));
}

#[test]
fn elements_of_one_model_share_one_copy() {
    // A path of its own, so that no other test's elements share it.
    let shared = || {
        let element = element(MASKED);
        element.set_property("model", format!("{}/.", folder(MASKED)));
        element
    };
    let (mut first, second) = (Texts::new(&shared(), "utf8"), Texts::new(&shared(), "utf8"));
    let inference = |texts: &Texts| texts.element.property::<gst::Structure>("stats").get::<f64>("inference-ms-p50").unwrap();
    assert_eq!(inference(&second), 0.0);
    first.push(0, "[MASK]").unwrap();
    assert!(inference(&second) > 0.0, "the worker is one, and so are its weights");
    assert_eq!((first.stats(), second.stats()), ([1, 1, 0], [0, 0, 0]), "counts are each element's own");
}

#[test]
fn a_model_of_other_media_and_labels_of_a_model_without_are_refused() {
    let refused = |element: &gst::Element| {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err());
        let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error on the bus");
        element.set_state(gst::State::Null).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        error.debug().unwrap().to_string()
    };
    let text = refused(&element("optical_flow"));
    assert!(text.contains("optical_flow") && text.contains("PerceiverForMaskedLM"), "{text}");
    let element = element(MASKED);
    element.set_property("output", Output::Labels);
    let text = refused(&element);
    assert!(text.contains("output = labels"), "{text}");
}

#[test]
fn a_model_is_reloaded_while_running_if_it_answers_the_same_question() {
    let folder = tempfile::tempdir().unwrap();
    let lay = |model: &str| {
        for file in ["config.json", "model.safetensors"] {
            // The file may be mapped: it goes, and another comes.
            let _ = std::fs::remove_file(folder.path().join(file));
            std::fs::copy(Path::new(MODELS).join(model).join(file), folder.path().join(file)).unwrap();
        }
    };
    lay(MASKED);
    let element = element(MASKED);
    element.set_property("model", folder.path().to_str().unwrap());
    assert!(!element.emit_by_name::<bool>("reload-model", &[]), "nothing is loaded yet");
    let mut texts = Texts::new(&element, "utf8");
    texts.push(0, "[MASK]").unwrap();
    assert!(element.emit_by_name::<bool>("reload-model", &[]));
    lay(CLASSIFIER);
    assert!(!element.emit_by_name::<bool>("reload-model", &[]));
    assert_eq!(texts.messages(gst::MessageType::Warning).len(), 1);
    assert_eq!(text(&texts.push(1, "[MASK]").unwrap()), filled("[MASK]", 1).text());
}
