//! The properties of `perceiverdecode` that are its own: defaults, ranges, when they may change.

use std::path::Path;

use gst::{glib, prelude::*};
use perceiverflow::{
    Result,
    tasks::{Region, VideoQueries},
};

use super::Head;
use crate::{caps::HeadKind, names::Names, settings::CHECKED};

/// What is asked, and what is said of it.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    head: Head,
    query_roi: Option<String>,
    query_stride: u32,
    pub(super) top_k: u32,
    pub(super) threshold: f32,
    labels_file: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { head: Head::default(), query_roi: None, query_stride: 1, top_k: 5, threshold: 0.0, labels_file: None }
    }
}

impl Settings {
    /// The properties, in the order in which a user meets them.
    pub(super) fn properties() -> Vec<glib::ParamSpec> {
        let Self { head, query_stride, top_k, threshold, .. } = Self::default();
        vec![
            glib::ParamSpecEnum::builder_with_default("head", head)
                .nick("Head")
                .blurb("What is asked about each window")
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("query-roi")
                .nick("Query region")
                .blurb(
                    "The part of the video that is asked for, x,y,width,height in pixels of the model's output; unset: all of it",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("query-stride")
                .nick("Query stride")
                .blurb("Ask for every N-th pixel of every N-th row; the others cost nothing")
                .minimum(1)
                .maximum(1024)
                .default_value(query_stride)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("top-k")
                .nick("Top k")
                .blurb("Labels of a window at most, the surest first")
                .minimum(1)
                .maximum(10_000)
                .default_value(top_k)
                .mutable_playing()
                .build(),
            glib::ParamSpecFloat::builder("threshold")
                .nick("Threshold")
                .blurb("Leave out labels that are less sure")
                .minimum(0.0)
                .maximum(1.0)
                .default_value(threshold)
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("labels-file")
                .nick("Labels file")
                .blurb("Text file with the name of each class on a line of its own; unset: the model's own names")
                .mutable_ready()
                .build(),
        ]
    }

    /// Sets one of [`Settings::properties`]; says whether it is one of them.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "head" => self.head = value.get().expect(CHECKED),
            "query-roi" => self.query_roi = value.get().expect(CHECKED),
            "query-stride" => self.query_stride = value.get().expect(CHECKED),
            "top-k" => self.top_k = value.get().expect(CHECKED),
            "threshold" => self.threshold = value.get().expect(CHECKED),
            "labels-file" => self.labels_file = value.get().expect(CHECKED),
            _ => return false,
        }
        true
    }

    /// Reads one of [`Settings::properties`]; none if it is another.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "head" => self.head.to_value(),
            "query-roi" => self.query_roi.to_value(),
            "query-stride" => self.query_stride.to_value(),
            "top-k" => self.top_k.to_value(),
            "threshold" => self.threshold.to_value(),
            "labels-file" => self.labels_file.to_value(),
            _ => return None,
        })
    }

    /// The heads that may be asked.
    pub(super) fn kinds(&self) -> &'static [HeadKind] {
        match self.head {
            Head::Auto => &HeadKind::ALL,
            Head::Video => &[HeadKind::Video],
            Head::Audio => &[HeadKind::Audio],
            Head::Labels => &[HeadKind::Labels],
        }
    }

    /// The pixels that are asked for.
    ///
    /// # Errors
    /// When the region cannot be read.
    pub(super) fn queries(&self) -> Result<VideoQueries> {
        let given = self.query_roi.as_deref().filter(|text| !text.is_empty());
        let region: Option<Region> = given.map(str::parse).transpose()?;
        Ok(VideoQueries { stride: self.query_stride as usize, region })
    }

    /// The classes' names, if they are in a file.
    ///
    /// # Errors
    /// When the file cannot be read or does not have `classes` lines.
    pub(super) fn names(&self, classes: usize) -> Result<Option<Names>> {
        let path = self.labels_file.as_deref().filter(|path| !path.is_empty());
        path.map(|path| Names::read(Path::new(path), classes)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_can_be_set_and_read_and_starts_at_its_default() {
        gst::init().unwrap();
        for spec in Settings::properties() {
            let mut settings = Settings::default();
            let default = settings.get(spec.name()).unwrap();
            assert_eq!(spec.value_type(), default.type_(), "{}", spec.name());
            assert!(settings.set(spec.name(), spec.default_value()), "{}", spec.name());
            let again = settings.get(spec.name()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{default:?}"), "{}", spec.name());
            assert!(spec.nick() != spec.name() && spec.blurb().is_some(), "{}", spec.name());
        }
    }
}
