//! Optical flow as metadata.

use std::sync::{Arc, Once};

use gst::{glib, meta::CustomMeta};
use perceiverflow::media::FlowField;

use super::{ResultWindow, attach, read};

/// The flow of one window of two frames, as it travels on a buffer: metadata `PerceiverFlowMeta` with the field `field`, boxed, in this
/// process only (other processes and languages take the pad `flow_src`).
///
/// Copies, a `tee` and colour conversion keep it; so does scaling, and the field keeps the size and the pixels of the picture it was
/// computed on ([`FlowMeta::field_for`] stretches it). Elements that crop or turn the picture drop it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowMeta {
    /// Where each pixel of the window's first frame has gone in its second.
    pub field: Arc<FlowField>,
    /// The window: it begins with its first frame and ends with its second.
    pub window: ResultWindow,
}

/// How a field lies in a structure.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "PerceiverFlowField")]
struct SharedField(Arc<FlowField>);

impl FlowMeta {
    /// The metadata's name, and its structure's.
    pub const NAME: &str = "PerceiverFlowMeta";

    /// Puts this result on a buffer, in the place of one that it may carry already.
    pub fn attach(&self, buffer: &mut gst::BufferRef) {
        attach(buffer, Self::NAME, |structure| {
            structure.set("field", SharedField(self.field.clone()));
            self.window.write(structure);
        });
    }

    /// The result that a buffer carries.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        read(buffer, Self::NAME, Self::read)
    }

    fn read(structure: &gst::StructureRef) -> Option<Self> {
        Some(Self { field: structure.get::<SharedField>("field").ok()?.0, window: ResultWindow::read(structure)? })
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

pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // By GStreamer's tags for what depends on the picture and its size, cropping elements drop it. Scalers, and colour
        // converters with them, ask for a transformation.
        let kept = ["gst-copy", "gst-video-scale"].map(glib::Quark::from_str);
        CustomMeta::register_with_transform(FlowMeta::NAME, &["video", "size"], move |to, meta, _, transformation| {
            let read = FlowMeta::read(meta.structure()).filter(|_| kept.contains(&transformation));
            read.inspect(|meta| meta.attach(to)).is_some()
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: u64) -> FlowMeta {
        FlowMeta {
            field: Arc::new(FlowField::from_fn(2, 1, |x, _| [x as f32, id as f32])),
            window: ResultWindow {
                id,
                stream_time: Some(gst::ClockTime::from_mseconds(40)),
                running_time: None,
                duration: gst::ClockTime::from_mseconds(20),
                model_hash: "abc".into(),
            },
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
