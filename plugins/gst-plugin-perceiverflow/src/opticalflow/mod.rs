//! SECTION:element-perceiveropticalflow
//! @see_also: perceiveroverlay, perceiverflow
//!
//! `perceiveropticalflow` estimates with a Perceiver IO model where each pixel of a frame goes in a later frame, and passes the video
//! through with the result as metadata (`PerceiverFlowMeta`, see [`FlowMeta`](crate::meta::FlowMeta)). `perceiveroverlay` draws it.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! queue \
//!     ! perceiveropticalflow ! perceiveroverlay ! queue ! videoconvert ! autovideosink
//! ```
//!
//! The model runs on a thread of its own that elements with the same `model`, `device` and `precision` share; the element itself has
//! none. A `queue` before it lets upstream decode while the model computes, and one after it lets downstream encode meanwhile. A live
//! source wants `leaky=downstream`: without it the source waits for the model.
//!
//! ## Windows and frames
//!
//! A window is a frame and the one `frame-distance` frames later; one begins at every `inference-interval`-th frame. The flow of a
//! window says where the first frame's pixels have gone in the second, in pixels, and carries the first frame's time.
//!
//! With `result-policy=persist` a frame carries the newest result known when it leaves: with `leaky=no` that of the window it
//! completes. With `result-policy=aligned` frames are held back until their own result is there, at most `frame-distance +
//! max-size-buffers` frames; the latency query says how long that is. Frames without a result of their own (between intervals, at the
//! end of the stream, dropped windows) carry the newest one before them; the metadata's `window-id` and times tell whose it is.
//! After a discontinuity, nothing of before is carried.
//!
//! ## When the model cannot keep up
//!
//! Frames are never dropped. With `leaky=no` the streaming thread waits for the model, and the same input gives the same output
//! every time. With `leaky=downstream` or `upstream` it never waits: at most `max-size-buffers` windows wait for the model besides
//! the one it works on, and the oldest or the new one goes when there are more. Each dropped window is counted in `stats`, and a
//! warning on the bus, at most one a second, says how many and how far behind the model is. `qos=true` leaves out windows whose
//! frames downstream reports to be too late; `stats` counts these as dropped, too.
//!
//! A new segment, new caps and a GAP end the windows that are open. In a leaky element the first two drop windows that still wait. EOS
//! waits for the model in every case.
//!
//! ## The raw field
//!
//! The request pad `flow_src` gives each field as a buffer with the window's time and duration, the window's number as offset: as
//! `other/tensors` (float32, `2:width:height`: u and v of each pixel, row by row) or as `image/x-flo`, a whole Middlebury file, by
//! what downstream accepts. Put a `queue` behind it, as behind every branch of a `tee`. A gap in the windows becomes a GAP event.
//!
//! ```shell
//! gst-launch-1.0 videotestsrc num-buffers=50 pattern=ball ! perceiveropticalflow name=flow ! queue ! fakesink \
//!     flow.flow_src ! queue ! image/x-flo ! multifilesink location=%05d.flo
//! ```
//!
//! ## Messages
//!
//! With `post-messages`, each result is an element message `perceiver-result`: `stream-time`, `running-time`, `duration` (uint64, ns),
//! `window-id` (uint64), `mean-magnitude`, `max-magnitude` (double, pixels) and `model-hash` (string).
//!
//! ## Changing the model
//!
//! The signal `reload-model` reads `model` again while the element runs, and answers whether it did. The new model's tile must have
//! the old one's size; windows on their way finish with the old one.

mod field_bytes;
mod imp;
mod line;
mod model;
pub(crate) mod settings;
mod stream;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

pub use settings::Scale;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiveropticalflow", gst::DebugColorFlags::empty(), Some("Perceiver IO optical flow"))
});

glib::wrapper! {
    /// The element `perceiveropticalflow`.
    pub struct OpticalFlow(ObjectSubclass<imp::OpticalFlow>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    Scale::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "perceiveropticalflow", gst::Rank::NONE, OpticalFlow::static_type())
}
