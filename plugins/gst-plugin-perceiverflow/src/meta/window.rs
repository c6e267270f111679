//! Which window of which model a result is of.

use std::sync::Arc;

/// The window that a result was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultWindow {
    /// The window's number since the element started, from 0.
    pub id: u64,
    /// When the window begins, in stream time.
    pub stream_time: Option<gst::ClockTime>,
    /// The same in running time.
    pub running_time: Option<gst::ClockTime>,
    /// From the window's beginning to its end.
    pub duration: gst::ClockTime,
    /// SHA-256 of the model, in hexadecimal.
    pub model_hash: Arc<str>,
}

impl ResultWindow {
    /// Adds the window's fields to a structure.
    pub(crate) fn write(&self, structure: &mut gst::StructureRef) {
        structure.set("window-id", self.id);
        structure.set_if_some("stream-time", self.stream_time);
        structure.set_if_some("running-time", self.running_time);
        structure.set("duration", self.duration);
        structure.set("model-hash", &*self.model_hash);
    }

    /// Reads them back.
    pub(super) fn read(structure: &gst::StructureRef) -> Option<Self> {
        Some(Self {
            id: structure.get("window-id").ok()?,
            stream_time: structure.get("stream-time").ok(),
            running_time: structure.get("running-time").ok(),
            duration: structure.get("duration").ok()?,
            model_hash: structure.get::<&str>("model-hash").ok()?.into(),
        })
    }
}
