//! The split elements from outside: a recorded stream in, what the reference model says of it out.
//!
//! Every warning of GLib or GStreamer is fatal here, as with `G_DEBUG=fatal_warnings`.

mod events;
mod heads;
mod leaky;
mod live;
mod pads;
mod recording;
mod refusals;
#[path = "../small_model/mod.rs"]
mod small_model;
mod stage;
mod timeline;
