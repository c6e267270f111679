//! Results as metadata on buffers: one `GstCustomMeta`, registered once.
//!
//! Its structure `PerceiverFlowMeta` holds `field` (boxed, in this process only; other processes and languages take the pad
//! `flow_src`), `window-id` (uint64), `stream-time`, `running-time` and `duration` (uint64, nanoseconds; a time that the segment
//! does not cover is left out) and `model-hash` (string). Copies, a `tee` and colour conversion keep it; so does scaling, and the
//! field keeps the size and the pixels of the picture it was computed on ([`FlowMeta::field_for`] stretches it). Elements that crop
//! or turn the picture drop it.

use std::sync::{Arc, Once};

use gst::{glib, meta::CustomMeta};
use perceiverflow::media::FlowField;

/// The metadata's name, and its structure's.
pub const NAME: &str = "PerceiverFlowMeta";

/// The flow of one window of two frames, as it travels on a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowMeta {
    /// Where each pixel of the window's first frame has gone in its second.
    pub field: Arc<FlowField>,
    /// The window's number since the element started, from 0.
    pub window_id: u64,
    /// When the window's first frame is shown, in stream time.
    pub stream_time: Option<gst::ClockTime>,
    /// The same in running time.
    pub running_time: Option<gst::ClockTime>,
    /// From the window's first frame to its second.
    pub duration: gst::ClockTime,
    /// SHA-256 of the model, in hexadecimal.
    pub model_hash: Arc<str>,
}

/// How a field lies in a structure.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "PerceiverFlowField")]
struct SharedField(Arc<FlowField>);

impl FlowMeta {
    /// Puts this result on a buffer, in the place of one that it may carry already.
    pub fn attach(&self, buffer: &mut gst::BufferRef) {
        register();
        if CustomMeta::from_mut_buffer(buffer, NAME).is_err() {
            CustomMeta::add(buffer, NAME).expect("the metadata is registered and the buffer writable");
        }
        let mut meta = CustomMeta::from_mut_buffer(buffer, NAME).expect("added above");
        let structure = meta.mut_structure();
        structure.remove_all_fields();
        structure.set("field", SharedField(self.field.clone()));
        structure.set("window-id", self.window_id);
        structure.set_if_some("stream-time", self.stream_time);
        structure.set_if_some("running-time", self.running_time);
        structure.set("duration", self.duration);
        structure.set("model-hash", &*self.model_hash);
    }

    /// The result that a buffer carries.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        register();
        Self::read(CustomMeta::from_buffer(buffer, NAME).ok()?.structure())
    }

    fn read(structure: &gst::StructureRef) -> Option<Self> {
        Some(Self {
            field: structure.get::<SharedField>("field").ok()?.0,
            window_id: structure.get("window-id").ok()?,
            stream_time: structure.get("stream-time").ok(),
            running_time: structure.get("running-time").ok(),
            duration: structure.get("duration").ok()?,
            model_hash: structure.get::<&str>("model-hash").ok()?.into(),
        })
    }

    /// The field as it lies on a frame of `width` × `height` pixels, in its pixels: the field itself, or stretched if the frame has
    /// been scaled since.
    pub fn field_for(&self, width: usize, height: usize) -> Arc<FlowField> {
        let field = &self.field;
        let (from_width, from_height) = (field.width(), field.height());
        if (from_width, from_height) == (width, height) {
            return field.clone();
        }
        let (stretch_x, stretch_y) = (width as f32 / from_width as f32, height as f32 / from_height as f32);
        Arc::new(FlowField::from_fn(width, height, |x, y| {
            let [u, v] = field.at(x * from_width / width, y * from_height / height);
            [u * stretch_x, v * stretch_y]
        }))
    }
}

/// Registers the metadata with GStreamer; further calls do nothing.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // By GStreamer's tags for what depends on the picture and its size, cropping elements drop it. Scalers, and colour
        // converters with them, ask for a transformation.
        let kept = ["gst-copy", "gst-video-scale"].map(glib::Quark::from_str);
        CustomMeta::register_with_transform(NAME, &["video", "size"], move |to, meta, _, transformation| {
            let read = FlowMeta::read(meta.structure()).filter(|_| kept.contains(&transformation));
            read.inspect(|meta| meta.attach(to)).is_some()
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(window_id: u64) -> FlowMeta {
        FlowMeta {
            field: Arc::new(FlowField::from_fn(2, 1, |x, _| [x as f32, window_id as f32])),
            window_id,
            stream_time: Some(gst::ClockTime::from_mseconds(40)),
            running_time: None,
            duration: gst::ClockTime::from_mseconds(20),
            model_hash: "abc".into(),
        }
    }

    #[test]
    fn a_copy_of_the_buffer_shares_the_field() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(6).unwrap();
        assert_eq!(FlowMeta::of(&buffer), None);
        meta(3).attach(buffer.get_mut().unwrap());
        let copy = FlowMeta::of(&buffer.copy_deep().unwrap()).unwrap();
        assert_eq!(copy, meta(3));
        assert!(Arc::ptr_eq(&copy.field, &FlowMeta::of(&buffer).unwrap().field));
    }

    #[test]
    fn a_scaled_frame_has_the_field_in_its_own_pixels() {
        let field = meta(3).field_for(4, 3);
        assert_eq!((field.width(), field.height()), (4, 3));
        assert_eq!((field.at(0, 0), field.at(3, 2)), ([0.0, 9.0], [2.0, 9.0]));
        let own = meta(3);
        assert!(Arc::ptr_eq(&own.field, &own.field_for(2, 1)));
    }

    #[test]
    fn a_second_result_takes_the_place_of_the_first() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        meta(1).attach(buffer.get_mut().unwrap());
        meta(2).attach(buffer.get_mut().unwrap());
        assert_eq!(FlowMeta::of(&buffer), Some(meta(2)));
        assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1);
    }
}
