//! Windows of multimodal models as metadata.

use std::sync::{Arc, Once};

use gst::{glib, meta::CustomMeta};
use perceiverflow::tasks::{ClipInputs, ReconstructionError};

use super::{ResultWindow, attach, read};

/// Which window a buffer between the split elements holds, or was made of: metadata `PerceiverWindowMeta`. Nothing needs it: recorded
/// latents come without.
///
/// Besides the window's own fields its structure holds `inputs` (boxed, in this process only) and, where a head was told what the window
/// was, `mse` and `decibels` (double, see [`ReconstructionError`]).
#[derive(Clone, Debug, PartialEq)]
pub struct WindowMeta {
    /// The window.
    pub window: ResultWindow,
    /// The window as the model reads it.
    pub inputs: Option<Arc<ClipInputs>>,
    /// How far the buffer's media are from the window's.
    pub error: Option<ReconstructionError>,
}

/// How a window's numbers lie in a structure.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "PerceiverClipInputs")]
struct SharedInputs(Arc<ClipInputs>);

impl WindowMeta {
    /// The metadata's name, and its structure's.
    pub const NAME: &str = "PerceiverWindowMeta";

    /// Puts this on a buffer, in the place of what it may carry already.
    pub fn attach(&self, buffer: &mut gst::BufferRef) {
        attach(buffer, Self::NAME, |structure| {
            self.window.write(structure);
            self.write_error(structure);
            structure.set_if_some("inputs", self.inputs.clone().map(SharedInputs));
        });
    }

    /// What a buffer carries.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        read(buffer, Self::NAME, |structure| {
            let number = |name: &str| structure.get::<f64>(name).ok();
            Some(Self {
                window: ResultWindow::read(structure)?,
                inputs: structure.get::<SharedInputs>("inputs").ok().map(|inputs| inputs.0),
                error: number("mse").zip(number("decibels")).map(|(mse, decibels)| ReconstructionError { mse, decibels }),
            })
        })
    }

    /// Adds the reconstruction error to a structure.
    pub(crate) fn write_error(&self, structure: &mut gst::StructureRef) {
        structure.set_if_some("mse", self.error.map(|error| error.mse));
        structure.set_if_some("decibels", self.error.map(|error| error.decibels));
    }
}

pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    // Without tags: it says nothing of the bytes and survives whatever is done to them.
    REGISTERED.call_once(|| CustomMeta::register_simple(WindowMeta::NAME));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_buffer_carries_the_same() {
        gst::init().unwrap();
        let window = |id| ResultWindow {
            id,
            stream_time: Some(gst::ClockTime::SECOND),
            running_time: None,
            duration: gst::ClockTime::from_mseconds(640),
            model_hash: "abc".into(),
        };
        let error = Some(ReconstructionError { mse: 0.25, decibels: 6.0 });
        let meta = WindowMeta { window: window(7), inputs: None, error };
        let mut buffer = gst::Buffer::with_size(4).unwrap();
        assert_eq!(WindowMeta::of(&buffer), None);
        WindowMeta { window: window(6), ..meta.clone() }.attach(buffer.get_mut().unwrap());
        meta.attach(buffer.get_mut().unwrap());
        assert_eq!(WindowMeta::of(&buffer.copy_deep().unwrap()), Some(meta));
        assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1);
    }
}
