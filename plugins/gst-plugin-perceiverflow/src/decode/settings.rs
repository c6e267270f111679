//! The properties of `perceiverdecode` that are its own: defaults, ranges, when they may change.

use gst::{glib, prelude::*};
use perceiverflow::{
    Result,
    tasks::{Region, VideoQueries},
};

use super::Head;
use crate::{
    caps::HeadKind,
    label_settings::LabelSettings,
    settings::{CHECKED, OwnSettings},
};

/// What is asked, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    head: Head,
    query_roi: Option<String>,
    query_stride: u32,
    pub(super) labels: LabelSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { head: Head::default(), query_roi: None, query_stride: 1, labels: LabelSettings::default() }
    }
}

impl OwnSettings for Settings {
    const MODEL: &'static str = "builtin:av";
    const NAMES: &'static str = "Multimodal model that made the latents: a folder with config.json and weights, a Hub id in the local cache, or builtin:NAME";

    fn properties() -> Vec<glib::ParamSpec> {
        let Self { head, query_stride, labels, .. } = Self::default();
        let mut properties = vec![
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
        ];
        properties.extend(labels.properties());
        properties
    }

    fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "head" => self.head = value.get().expect(CHECKED),
            "query-roi" => self.query_roi = value.get().expect(CHECKED),
            "query-stride" => self.query_stride = value.get().expect(CHECKED),
            name => return self.labels.set(name, value),
        }
        true
    }

    fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "head" => Some(self.head.to_value()),
            "query-roi" => Some(self.query_roi.to_value()),
            "query-stride" => Some(self.query_stride.to_value()),
            name => self.labels.get(name),
        }
    }
}

impl Settings {
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
}
