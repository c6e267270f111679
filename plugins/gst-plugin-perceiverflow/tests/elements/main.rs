//! The elements from outside: frames and events in, frames, fields, messages and errors out.
//!
//! Every warning of GLib or GStreamer is fatal here, as with `G_DEBUG=fatal_warnings`.

mod bin;
mod classify;
mod classify_events;
mod classify_pictures;
mod classify_text;
mod clip;
mod events;
mod field_pad;
mod latency;
mod leaky;
mod metadata;
mod models;
mod overlay;
mod passthrough;
mod properties;
#[path = "../small_model/mod.rs"]
mod small_model;
mod stage;
mod text;
