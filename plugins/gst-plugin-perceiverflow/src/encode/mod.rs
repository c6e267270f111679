//! SECTION:element-perceiverencode
//! @see_also: perceiverpreprocess, perceiverdecode
//!
//! `perceiverencode` turns each window of `perceiverpreprocess` into the latents of a multimodal Perceiver IO model, the small array
//! that every head reads. Put a `tee` behind it: the window is encoded once, whatever number of `perceiverdecode` ask about it.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 perceiverpreprocess name=windows model=MODEL ! queue ! perceiverencode model=MODEL ! tee name=latents \
//!     filesrc location=clip.mp4 ! decodebin name=clip \
//!     clip. ! queue ! videoconvert ! windows.video_sink \
//!     clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink \
//!     latents. ! queue ! perceiverdecode model=MODEL head=labels ! text/x-raw ! fdsink \
//!     latents. ! queue ! perceiverdecode model=MODEL head=video ! videoconvert ! autovideosink
//! ```
//!
//! ## Latents
//!
//! One buffer for each window with the window's time and duration, its number as offset: `other/tensors`, float32 in the machine's
//! byte order, `D:N`. The bytes are real: `gdppay ! filesink` keeps them, and `filesrc ! gdpdepay ! perceiverdecode` asks any head
//! later. `perceiver-hash` in the caps names the model; a decoder of another one refuses them.
//!
//! For neighbours that know it, `perceiverdecode` and a `tee` before several of them, the caps have the feature
//! `memory:PerceiverTensor`: the latents stay where the model left them, on a GPU too, and nothing is copied. Who maps such a buffer, as
//! `gdppay` beside a decoder does, finds the same bytes, fetched once. A neighbour that comes later and takes system memory alone has
//! that from its first window on.
//!
//! ## When the model cannot keep up
//!
//! With `leaky=no` the streaming thread waits for the model. With `leaky=downstream` or `upstream` it never waits: at most
//! `max-size-buffers` windows wait for the model besides the one it works on, and the oldest or the new one goes when there are more;
//! latents leave with the next window. Each dropped window is counted in `stats`, becomes a GAP event, and a warning on the bus, at most
//! one a second, says how many and how far behind the model is. `qos=true` leaves out windows that downstream reports to be too late
//! for. A new segment and new caps drop windows that still wait in a leaky element; EOS waits for the model in every case.
//!
//! ## Messages
//!
//! With `post-messages`, each window is an element message `perceiver-result`: `stream-time`, `running-time`, `duration` (uint64, ns),
//! `window-id` (uint64) and `model-hash` (string).
//!
//! ## Changing the model
//!
//! The signal `reload-model` reads `model` again while the element runs, and answers whether it did. Windows, latents and outputs must
//! keep their shapes. The new model begins with the next window; decoders of the same `model` behind it follow.

mod imp;
mod settings;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("perceiverencode", gst::DebugColorFlags::empty(), Some("Perceiver IO encoder")));

glib::wrapper! {
    /// The element `perceiverencode`.
    pub struct Encode(ObjectSubclass<imp::Encode>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "perceiverencode", gst::Rank::NONE, Encode::static_type())
}
