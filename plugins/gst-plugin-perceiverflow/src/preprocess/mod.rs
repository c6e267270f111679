//! SECTION:element-perceiverpreprocess
//! @see_also: perceiverencode, perceiverdecode
//!
//! `perceiverpreprocess` cuts video and sound into the windows of a multimodal Perceiver IO model. Picture and sound of a window are
//! locked to each other by counting samples. Of the model it needs the configuration.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 perceiverpreprocess name=windows model=MODEL ! queue ! perceiverencode model=MODEL ! perceiverdecode model=MODEL \
//!     head=labels ! text/x-raw ! fdsink \
//!     filesrc location=clip.mp4 ! decodebin name=clip \
//!     clip. ! queue ! videoconvert ! windows.video_sink \
//!     clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink
//! ```
//!
//! ## Pads
//!
//! `video_sink` takes frames of any size and rate, their pixels as they are, `audio_sink` any number of channels, whose
//! mean is heard, at the model's rate: put `audioconvert ! audioresample` before it. Either may be left out. One that is requested while
//! the element runs joins at its time, one that is released is no longer waited for. Put a `queue` before each.
//!
//! ## Windows
//!
//! A window begins with the video, in running time, and every `stride-frames` frames after that: fewer than the window has overlap, more
//! leave media out between windows. The pictures of a window are those shown at its frames' times; frames are chosen, not mixed, so video of
//! any rate fits. Samples follow each other by count and are placed anew where their time says that some are missing; a clock that drifts is
//! followed sample by sample. What is missing is silent and black; `missing-audio` says what becomes of windows without sound, `partial-window`
//! what becomes of the last one.
//!
//! A discontinuity or new caps of the video end the windows and begin new ones. A GAP advances time. In a live pipeline a window is
//! finished at its deadline with what is there.
//!
//! `src` gives for each window a buffer with its time and duration, its number as offset, and two tensors in two memories: the pictures,
//! float32, `X:Y:3:T` from 0 to 1, and the samples. These are the window's own numbers and not the model's tokens, which would be many
//! times larger and need the weights. Times that have no window become GAP events.
//!
//! `stats` counts what was missing or dropped, and a warning on the bus, at most one a second, says so.

mod cutter;
mod imp;
mod settings;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiverpreprocess", gst::DebugColorFlags::empty(), Some("Windows for Perceiver IO models"))
});

glib::wrapper! {
    /// The element `perceiverpreprocess`.
    pub struct Preprocess(ObjectSubclass<imp::Preprocess>) @extends gst_base::Aggregator, gst::Element, gst::Object;
}

/// Every property of the element but the statistics.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    settings::Settings::properties()
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "perceiverpreprocess", gst::Rank::NONE, Preprocess::static_type())
}
