//! Results as metadata on buffers: a `GstCustomMeta` for each kind of result, registered once.
//!
//! The structure of each holds the result and, under the same names in all, the window it is of: `window-id` (uint64), `stream-time`,
//! `running-time` and `duration` (uint64, nanoseconds; a time that the segment does not cover is left out) and `model-hash` (string).
//! The element messages `perceiver-result` hold the same fields.

mod flow;
mod labels;
mod model_window;
mod window;

pub use flow::FlowMeta;
pub use labels::LabelsMeta;
pub use model_window::WindowMeta;
pub use window::ResultWindow;

use gst::meta::CustomMeta;

/// Registers the metadata with GStreamer; further calls do nothing.
pub(crate) fn register() {
    flow::register();
    labels::register();
    model_window::register();
}

/// Writes a result on a buffer, in the place of one of the same kind that it may carry already.
fn attach(buffer: &mut gst::BufferRef, name: &str, write: impl FnOnce(&mut gst::StructureRef)) {
    register();
    if CustomMeta::from_mut_buffer(buffer, name).is_err() {
        CustomMeta::add(buffer, name).expect("the metadata is registered and the buffer writable");
    }
    let mut meta = CustomMeta::from_mut_buffer(buffer, name).expect("added above");
    let structure = meta.mut_structure();
    structure.remove_all_fields();
    write(structure);
}

/// Reads a result from a buffer.
fn read<R>(buffer: &gst::BufferRef, name: &str, read: impl FnOnce(&gst::StructureRef) -> Option<R>) -> Option<R> {
    register();
    read(CustomMeta::from_buffer(buffer, name).ok()?.structure())
}
