//! Labels as metadata.

use std::sync::Once;

use gst::meta::CustomMeta;
use perceiverflow::media::{Label, Labels};

use super::{ResultWindow, attach, read};

/// The labels of one window, as they travel on a buffer: metadata `PerceiverLabelsMeta` with three arrays of plain values that any
/// language reads, the surest label first: `labels` (strings), `confidences` (doubles, 0 to 1) and `indices` (unsigned integers, the
/// classes' numbers in the model).
///
/// They are of the whole picture and its sound, so every copy and conversion of the buffer keeps them.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelsMeta {
    /// What the window shows, the surest first.
    pub labels: Labels,
    /// The window.
    pub window: ResultWindow,
}

impl LabelsMeta {
    /// The metadata's name, and its structure's.
    pub const NAME: &str = "PerceiverLabelsMeta";

    /// Puts this result on a buffer, in the place of one that it may carry already.
    pub fn attach(&self, buffer: &mut gst::BufferRef) {
        attach(buffer, Self::NAME, |structure| self.write(structure));
    }

    /// The result that a buffer carries.
    pub fn of(buffer: &gst::BufferRef) -> Option<Self> {
        read(buffer, Self::NAME, Self::read)
    }

    /// Adds labels and window to a structure.
    pub(crate) fn write(&self, structure: &mut gst::StructureRef) {
        let labels = self.labels.as_slice();
        structure.set("labels", gst::Array::new(labels.iter().map(|label| &*label.name)));
        structure.set("confidences", gst::Array::new(labels.iter().map(|label| f64::from(label.confidence))));
        structure.set("indices", gst::Array::new(labels.iter().map(|label| label.index as u32)));
        self.window.write(structure);
    }

    fn read(structure: &gst::StructureRef) -> Option<Self> {
        let [names, confidences, indices] =
            ["labels", "confidences", "indices"].map(|name| structure.get::<gst::ArrayRef<'_>>(name).ok());
        let (names, confidences, indices) = (names?, confidences?, indices?);
        let labels = names.iter().zip(confidences.iter()).zip(indices.iter()).map(|((name, confidence), index)| {
            Some(Label {
                index: index.get::<u32>().ok()? as usize,
                name: name.get::<&str>().ok()?.into(),
                confidence: confidence.get::<f64>().ok()? as f32,
            })
        });
        Some(Self { labels: Labels::new(labels.collect::<Option<_>>()?), window: ResultWindow::read(structure)? })
    }
}

pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // Nothing of the picture's size or place is in it: without tags, every element keeps it.
        CustomMeta::register_with_transform(LabelsMeta::NAME, &[], |to, meta, _, _| {
            LabelsMeta::read(meta.structure()).inspect(|meta| meta.attach(to)).is_some()
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: u64) -> LabelsMeta {
        let label = |index, name: &str, confidence| Label { index, name: name.into(), confidence };
        LabelsMeta {
            labels: Labels::new(vec![label(3, "ball, red", 0.25), label(400, "Käse", 0.7)]),
            window: ResultWindow {
                id,
                stream_time: None,
                running_time: Some(gst::ClockTime::from_mseconds(640)),
                duration: gst::ClockTime::from_mseconds(640),
                model_hash: "abc".into(),
            },
        }
    }

    #[test]
    fn a_copy_of_the_buffer_carries_the_labels() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(6).unwrap();
        assert_eq!(LabelsMeta::of(&buffer), None);
        meta(1).attach(buffer.get_mut().unwrap());
        meta(2).attach(buffer.get_mut().unwrap());
        let copy = buffer.copy_deep().unwrap();
        assert_eq!(LabelsMeta::of(&copy), Some(meta(2)));
        assert_eq!(copy.iter_meta::<gst::Meta>().count(), 1);
    }

    #[test]
    fn its_fields_are_plain_values() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        meta(1).attach(buffer.get_mut().unwrap());
        let written = CustomMeta::from_buffer(&buffer, LabelsMeta::NAME).unwrap().structure().to_string();
        for field in
            ["labels=(string)< \"K\\303\\244se\", \"ball\\,\\ red\" >", "indices=(uint)< 400, 3 >", "window-id=(guint64)1"]
        {
            assert!(written.contains(field), "{field} in {written}");
        }
    }
}
