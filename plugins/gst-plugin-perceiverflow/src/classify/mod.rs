//! SECTION:element-perceiverclassify
//! @see_also: perceiveroverlay, perceiverflow
//!
//! `perceiverclassify` says with a multimodal Perceiver IO model what a stream shows and sounds like, or with an image classifier what it
//! shows. The stream passes through untouched, with the labels of its windows as metadata (`PerceiverLabelsMeta`, see
//! [`LabelsMeta`](crate::meta::LabelsMeta)); `perceiveroverlay` writes them on the picture.
//!
//! ## Usage
//!
//! ```shell
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin name=clip \
//!     clip. ! queue ! videoconvert ! perceiverclassify name=classify model=folder ! perceiveroverlay ! queue ! videoconvert \
//!         ! autovideosink \
//!     clip. ! queue ! audioconvert ! audioresample ! classify.audio_sink
//! ```
//!
//! ## Video, sound, or both
//!
//! Video on `sink` is joined by its sound on the request pad `audio_sink`, where the sound ends; put a `tee` before it to hear it,
//! too. Without `audio_sink` the windows have no sound, and `missing-audio` says what becomes of them. `sink` takes sound alone as
//! well: it passes through, and the windows have no pictures. Sound of any number of channels is taken, at the model's sample rate;
//! put `audioresample` before it.
//!
//! A window has as many frames, and as much sound, as the model was trained on; frames are chosen by their times where the video has
//! another rate. Windows begin with the first frame and follow each other side by side, or every `stride-frames` frames;
//! `inference-interval=N` asks the model about every N-th. Picture and sound meet by running time. The stream on `sink` leads: windows
//! begin with it. They end with whichever lasts longer: a sound that goes on has labels in the messages and on `text_src`, and the end
//! of the stream is passed on after them.
//!
//! The window of an image classifier is one picture, at 25 of them a second; with `stride-frames=25` it is asked once a second. It hears
//! nothing: sound on `audio_sink` is not waited for, sound on `sink` is refused, and `resize-mode` leaves pictures to the model's image
//! processor.
//!
//! A live element takes what is there; otherwise `sink` waits for `audio_sink` and the other way round, by no more than a window, so
//! that the same input gives the same labels every time. Both therefore need a thread of their own: put a `queue` before each,
//! and behind each branch of a `tee`. An `audio_sink` that is not linked is not waited for, and one that is linked, ended or
//! released while the stream runs joins or leaves the windows from there on.
//!
//! ## Windows and buffers
//!
//! With `result-policy=persist` a buffer carries the newest labels known when it leaves. With `result-policy=aligned` buffers are
//! held back until the labels of the window that they lie in are there, by a window and as many strides as `max-size-buffers`
//! says, at most; the latency query says how long that is. Buffers without labels of their own carry the newest before them; the
//! metadata's `window-id` and times tell whose they are. After a discontinuity nothing of before is carried. `top-k`, `threshold` and
//! `labels-file` (a name in each line, in the order of the model's classes) say which labels there are.
//!
//! ## When the model cannot keep up
//!
//! Buffers are never dropped. With `leaky=no` the streaming thread waits for the model. With `leaky=downstream` or `upstream` it never
//! does: at most `max-size-buffers` windows wait for the model besides the one it works on, and the oldest or the new one goes when
//! there are more. Each dropped window is counted in `stats`, and a warning on the bus, at most one a second, says how many and how
//! far behind the model is. `qos=true` leaves out windows that downstream reports to be too late; they count as dropped, too.
//!
//! A new segment, new caps and EOS end the window that is open, and it is padded or left out by `partial-window`; a flush forgets it.
//!
//! ## Labels as text
//!
//! The request pad `text_src` gives the labels of each window with its time as `text/x-raw` (a line for each, `juggling balls 87%`),
//! which `webvttenc` and muxers take, or as `application/x-json` (a line with times, model hash and labels), by what downstream
//! accepts. A window without labels is a GAP. Put a `queue` behind it, as behind `src`.
//!
//! ```shell
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! queue ! videoconvert ! perceiverclassify name=classify model=folder \
//!     ! queue ! fakesink  classify.text_src ! queue ! webvttenc ! filesink location=clip.vtt
//! ```
//!
//! ## Messages
//!
//! With `post-messages`, each result is an element message `perceiver-result`: `labels` (strings), `confidences` (doubles) and `indices`
//! (unsigned integers), arrays with the surest label first, `window-id` (uint64), `stream-time`, `running-time`, `duration` (uint64, ns)
//! and `model-hash` (string).
//!
//! ## Changing the model
//!
//! The signal `reload-model` reads `model` again while the element runs, and answers whether it did. The new model's windows and classes
//! must have the old one's shape; windows on their way finish with the old one.

mod imp;
mod line;
mod model;
pub(crate) mod settings;
mod stream;

use std::sync::LazyLock;

use gst::{glib, prelude::*};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("perceiverclassify", gst::DebugColorFlags::empty(), Some("Perceiver IO labels")));

glib::wrapper! {
    /// The element `perceiverclassify`.
    pub struct Classify(ObjectSubclass<imp::Classify>) @extends gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "perceiverclassify", gst::Rank::NONE, Classify::static_type())
}
