//! Which window a buffer belongs to: a `GstCustomMeta` on the buffers between the split elements, and on what heads give.
//!
//! Its structure `PerceiverWindowMeta` holds `window-id` (uint64), `stream-time`, `running-time` and `duration` (uint64, nanoseconds; a
//! time that the segment does not cover is left out), on latents and behind them `model-hash` (string), and on what the video and
//! audio heads give `mse` and `decibels` (double, see [`ReconstructionError`]) where they were told the window. `inputs` (boxed, in
//! this process only) is the window itself. Nothing needs this metadata: recorded latents come without it.

use std::sync::{Arc, Once};

use gst::{glib, meta::CustomMeta};
use perceiverflow::tasks::{ClipInputs, ReconstructionError};

/// The metadata's name, and its structure's.
pub const NAME: &str = "PerceiverWindowMeta";

/// One window's place in its stream, as it travels on a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowMeta {
    /// The window's number since the element that cut it started, from 0.
    pub window_id: u64,
    /// When the window begins, in stream time.
    pub stream_time: Option<gst::ClockTime>,
    /// The same in running time.
    pub running_time: Option<gst::ClockTime>,
    /// How long the window lasts.
    pub duration: gst::ClockTime,
    /// SHA-256 of the model that has seen the window, in hexadecimal.
    pub model_hash: Option<Arc<str>>,
    /// The window as the model reads it.
    pub inputs: Option<Arc<ClipInputs>>,
    /// How far this buffer's media are from the window's.
    pub error: Option<ReconstructionError>,
}

/// How a window lies in a structure.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "PerceiverClipInputs")]
struct SharedInputs(Arc<ClipInputs>);

impl WindowMeta {
    /// Puts this on a buffer, in the place of what it may carry already.
    pub fn attach(&self, buffer: &mut gst::BufferRef) {
        register();
        if CustomMeta::from_mut_buffer(buffer, NAME).is_err() {
            CustomMeta::add(buffer, NAME).expect("the metadata is registered and the buffer writable");
        }
        let mut meta = CustomMeta::from_mut_buffer(buffer, NAME).expect("added above");
        let structure = meta.mut_structure();
        structure.remove_all_fields();
        structure.set("window-id", self.window_id);
        structure.set_if_some("stream-time", self.stream_time);
        structure.set_if_some("running-time", self.running_time);
        structure.set("duration", self.duration);
        structure.set_if_some("model-hash", self.model_hash.as_deref());
        structure.set_if_some("inputs", self.inputs.clone().map(SharedInputs));
        structure.set_if_some("mse", self.error.map(|error| error.mse));
        structure.set_if_some("decibels", self.error.map(|error| error.decibels));
    }

    /// What a buffer carries.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        register();
        let meta = CustomMeta::from_buffer(buffer, NAME).ok()?;
        let structure = meta.structure();
        let number = |name: &str| structure.get::<f64>(name).ok();
        Some(Self {
            window_id: structure.get("window-id").ok()?,
            stream_time: structure.get("stream-time").ok(),
            running_time: structure.get("running-time").ok(),
            duration: structure.get("duration").ok()?,
            model_hash: structure.get::<&str>("model-hash").ok().map(Into::into),
            inputs: structure.get::<SharedInputs>("inputs").ok().map(|inputs| inputs.0),
            error: number("mse").zip(number("decibels")).map(|(mse, decibels)| ReconstructionError { mse, decibels }),
        })
    }
}

/// Registers the metadata with GStreamer; further calls do nothing.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    // Without tags: it says nothing of the bytes and survives whatever is done to them.
    REGISTERED.call_once(|| CustomMeta::register_simple(NAME));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_buffer_carries_the_same() {
        gst::init().unwrap();
        let meta = WindowMeta {
            window_id: 7,
            stream_time: Some(gst::ClockTime::SECOND),
            running_time: None,
            duration: gst::ClockTime::from_mseconds(640),
            model_hash: Some("abc".into()),
            inputs: None,
            error: Some(ReconstructionError { mse: 0.25, decibels: 6.0 }),
        };
        let mut buffer = gst::Buffer::with_size(4).unwrap();
        assert_eq!(WindowMeta::of(&buffer), None);
        WindowMeta { window_id: 6, ..meta.clone() }.attach(buffer.get_mut().unwrap());
        meta.attach(buffer.get_mut().unwrap());
        assert_eq!(WindowMeta::of(&buffer.copy_deep().unwrap()), Some(meta));
        assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1);
    }
}
