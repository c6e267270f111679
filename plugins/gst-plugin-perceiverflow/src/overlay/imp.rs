//! The shell: metadata to `render`, pixels back into the frame.

use std::{
    error::Error,
    sync::{LazyLock, Mutex},
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{BaseTransformMode, prelude::*},
};
use gst_video::{VideoFrameRef, VideoInfo};
use perceiverflow::render::{FlowStyle, draw_flow, draw_labels};

use super::Mode;
use crate::{
    caps,
    colour::video_info,
    convert, element,
    lock::lock,
    meta::{FlowMeta, LabelsMeta},
    settings::CHECKED,
};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("perceiveroverlay", gst::DebugColorFlags::empty(), Some("Drawing of Perceiver IO results"))
});

#[derive(Clone, Copy, Debug)]
struct Settings {
    mode: Mode,
    max_magnitude: f32,
    arrow_step: u32,
    alpha: f32,
    font_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let FlowStyle { max_magnitude, arrow_step, alpha, .. } = FlowStyle::default();
        Self { mode: Mode::default(), max_magnitude, arrow_step: arrow_step as u32, alpha, font_size: 0 }
    }
}

/// The element's state. Mutex order: neither is taken while the other is held, and none is held while drawing.
#[derive(Default)]
pub struct Overlay {
    settings: Mutex<Settings>,
    info: Mutex<Option<VideoInfo>>,
}

/// Every property of the element.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecEnum::builder_with_default("mode", default.mode)
            .nick("Mode")
            .blurb("What flow becomes on the picture")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("max-magnitude")
            .nick("Maximum magnitude")
            .blurb("Motion in pixels that has full colour or the longest arrow (0 = by each field)")
            .minimum(0.0)
            .maximum(10_000.0)
            .default_value(default.max_magnitude)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("arrow-step")
            .nick("Arrow step")
            .blurb("Pixels from one arrow to the next (mode=arrows)")
            .minimum(2)
            .maximum(1024)
            .default_value(default.arrow_step)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("alpha")
            .nick("Alpha")
            .blurb("How much of the picture the wheel covers (mode=blend)")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.alpha)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("font-size")
            .nick("Font size")
            .blurb("Height in pixels of the text that labels are written in, rounded to a multiple of 8 (0 = a twentieth of the picture)")
            .maximum(1024)
            .default_value(default.font_size)
            .controllable()
            .mutable_playing()
            .build(),
    ]
}

#[glib::object_subclass]
impl ObjectSubclass for Overlay {
    const NAME: &'static str = "GstPerceiverOverlay";
    type Type = super::Overlay;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Overlay {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "mode" => settings.mode = value.get().expect(CHECKED),
            "max-magnitude" => settings.max_magnitude = value.get().expect(CHECKED),
            "arrow-step" => settings.arrow_step = value.get().expect(CHECKED),
            "alpha" => settings.alpha = value.get().expect(CHECKED),
            "font-size" => settings.font_size = value.get().expect(CHECKED),
            name => unreachable!("{name} is no property of this element"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "mode" => settings.mode.to_value(),
            "max-magnitude" => settings.max_magnitude.to_value(),
            "arrow-step" => settings.arrow_step.to_value(),
            "alpha" => settings.alpha.to_value(),
            "font-size" => settings.font_size.to_value(),
            name => unreachable!("{name} is no property of this element"),
        }
    }
}

impl GstObjectImpl for Overlay {}

impl ElementImpl for Overlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver overlay",
                "Filter/Effect/Video",
                "Draws the results that Perceiver IO elements attach to frames",
                "gst-launch-1.0 videotestsrc pattern=ball num-buffers=50 ! perceiveropticalflow ! perceiveroverlay mode=arrows ! \
                     videoconvert ! autovideosink",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| element::always(&caps::video(), &caps::video()));
        &TEMPLATES
    }
}

impl BaseTransformImpl for Overlay {
    const MODE: BaseTransformMode = BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = video_info(incaps).map_err(|error| gst::loggable_error!(CAT, "{incaps}: {error}"))?;
        *lock(&self.info) = Some(info);
        Ok(())
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        // Properties under a controller follow the stream's time.
        let time = self.obj().segment().downcast_ref::<gst::ClockTime>().and_then(|segment| segment.to_stream_time(inbuf.pts()));
        if let Some(time) = time
            && let Err(error) = self.obj().sync_values(time)
        {
            gst::trace!(CAT, imp = self, "no controlled property at {time}: {error}");
        }
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let results = Results { flow: FlowMeta::of(buffer), labels: LabelsMeta::of(buffer) };
        if results.flow.is_none() && results.labels.is_none() {
            return Ok(gst::FlowSuccess::Ok);
        }
        let info = lock(&self.info).clone().ok_or(gst::FlowError::NotNegotiated)?;
        let settings = *lock(&self.settings);
        draw(buffer, &info, &results, &settings).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["a result cannot be drawn: {error}"]);
            gst::FlowError::Error
        })?;
        Ok(gst::FlowSuccess::Ok)
    }
}

/// What a frame carries.
struct Results {
    flow: Option<FlowMeta>,
    labels: Option<LabelsMeta>,
}

/// Draws results on the frame they lie on, the labels uppermost.
fn draw(buffer: &mut gst::BufferRef, info: &VideoInfo, results: &Results, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let Settings { mode, max_magnitude, arrow_step, alpha, font_size } = *settings;
    let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
    let before = convert::read(&frame)?;
    let mut after = before.clone();
    if let Some(meta) = &results.flow {
        let style = FlowStyle { mode: mode.into(), max_magnitude, arrow_step: arrow_step as usize, alpha };
        draw_flow(&mut after, &meta.field_for(before.width(), before.height()), &style)?;
    }
    if let Some(meta) = &results.labels {
        draw_labels(&mut after, &meta.labels, font_size as usize);
    }
    Ok(convert::write_changes(&mut frame, &before, &after)?)
}
