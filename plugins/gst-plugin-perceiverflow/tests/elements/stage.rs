//! What the tests stand on: the registered plugin, a small model, frames, and a harness around the element.

use std::sync::Once;

use gst::{glib, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use gstperceiverflow::meta::{FlowMeta, ResultWindow};

/// A small flow model with random weights, for tiles of 16 columns and 12 rows.
pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/flow");

/// Frame period of the test streams.
pub(crate) const PERIOD: gst::ClockTime = gst::ClockTime::from_mseconds(40);

pub(crate) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        glib::log_set_always_fatal(
            glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL | glib::LogLevels::LEVEL_ERROR,
        );
        gstperceiverflow::plugin_register_static().unwrap();
    });
}

/// A bare `perceiveropticalflow` with the small model.
pub(crate) fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("perceiveropticalflow")
        .property("model", MODEL)
        .property("device", "cpu")
        .property("tile-overlap", 2u32)
        .build()
        .unwrap()
}

/// The element on a harness that plays, with a bus, and caps for `info`.
pub(crate) struct Stage {
    pub(crate) harness: Harness,
    pub(crate) element: gst::Element,
    pub(crate) bus: gst::Bus,
    pub(crate) info: VideoInfo,
}

impl Stage {
    pub(crate) fn new(element: &gst::Element, info: &VideoInfo) -> Self {
        Self::prepared(element, info, |_| ())
    }

    /// `prepare` is called before the element starts.
    pub(crate) fn prepared(element: &gst::Element, info: &VideoInfo, prepare: impl FnOnce(&mut Harness)) -> Self {
        let bus = gst::Bus::new();
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        element.set_bus(Some(&bus));
        prepare(&mut harness);
        harness.set_src_caps(info.to_caps().unwrap());
        harness.play();
        Self { harness, element: element.clone(), bus, info: info.clone() }
    }

    /// Pushes frame `number` of the test stream.
    pub(crate) fn push(&mut self, number: u64) {
        let buffer = frame(&self.info, number);
        self.harness.push(buffer).unwrap();
    }

    /// Takes every buffer that has come out.
    pub(crate) fn pull(&mut self) -> Vec<gst::Buffer> {
        std::iter::from_fn(|| self.harness.try_pull()).collect()
    }

    /// What came out: the frame's number, and the number of the window that it carries.
    pub(crate) fn carried(&mut self) -> Vec<(u64, Option<u64>)> {
        self.pull().iter().map(|buffer| (number(buffer), FlowMeta::of(buffer).map(|meta| meta.window.id))).collect()
    }

    pub(crate) fn eos(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).unwrap()
    }

    /// The messages of one type that lie on the bus, on which no error must lie.
    pub(crate) fn messages(&self, kind: gst::MessageType) -> Vec<gst::Message> {
        let messages: Vec<_> = std::iter::from_fn(|| self.bus.pop()).collect();
        assert!(messages.iter().all(|message| message.type_() != gst::MessageType::Error), "{messages:?}");
        messages.into_iter().filter(|message| message.type_() == kind).collect()
    }
}

/// The number of a frame, by its timestamp.
pub(crate) fn number(buffer: &gst::BufferRef) -> u64 {
    buffer.pts().unwrap() / PERIOD
}

pub(crate) fn info(format: VideoFormat, width: usize, height: usize) -> VideoInfo {
    init();
    VideoInfo::builder(format, width as u32, height as u32).fps(gst::Fraction::new(25, 1)).build().unwrap()
}

/// Frame `number` of a stream whose texture moves.
pub(crate) fn frame(info: &VideoInfo, number: u64) -> gst::Buffer {
    let bytes: Vec<u8> = (0..info.size() as u64).map(|at| ((at * 37 + number * 53) % 251) as u8).collect();
    stamped(gst::Buffer::from_mut_slice(bytes), number)
}

/// The buffer at the place of frame `number`.
pub(crate) fn stamped(mut buffer: gst::Buffer, number: u64) -> gst::Buffer {
    let stamps = buffer.get_mut().unwrap();
    stamps.set_pts(PERIOD * number);
    stamps.set_duration(PERIOD);
    buffer
}

/// A window of one frame's duration that nobody asked for.
pub(crate) fn window(id: u64) -> ResultWindow {
    ResultWindow { id, stream_time: None, running_time: None, duration: PERIOD, model_hash: "".into() }
}

/// An element, and frames whose many tiles keep its model busy for a second, so that a test can act meanwhile. The model is one of
/// its own, so that no other test waits for it.
pub(crate) fn busy() -> (gst::Element, VideoInfo) {
    let element = element();
    element.set_property("model", format!("{MODEL}/."));
    (element, info(VideoFormat::Gray8, 240, 180))
}
