//! Every caps of this plugin, in one place.

mod heads;
mod texts;
mod windows;

use gst_video::VideoFormat;

pub(crate) use self::{
    heads::{HeadKind, HeadMedia, any_head, heads},
    texts::{any_text, is_markup, text},
    windows::{any_inputs, any_latents, are_tensors, chosen_latents, inputs, latents, window_rate},
};
use crate::sound;

/// The pixel formats whose bytes `convert` reads and writes, those nearest to the model's RGB first.
pub(crate) const FORMATS: [VideoFormat; 9] = [
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::I420,
    VideoFormat::Nv12,
    VideoFormat::Gray8,
];

/// Raw video of any size and rate in system memory.
pub(crate) fn video() -> gst::Caps {
    gst_video::VideoCapsBuilder::new().format_list(FORMATS).build()
}

/// Raw audio in system memory, of any number of channels: of this many samples a second, or of any where that is not known yet.
pub(crate) fn audio(rate: Option<u32>) -> gst::Caps {
    let audio = gst::Caps::builder("audio/x-raw")
        .field("format", gst::List::new(sound::FORMATS))
        .field("layout", "interleaved")
        .field("channels", gst::IntRange::new(1, i32::MAX));
    match rate.and_then(|rate| i32::try_from(rate).ok()) {
        Some(rate) => audio.field("rate", rate).build(),
        None => audio.field("rate", gst::IntRange::new(1, i32::MAX)).build(),
    }
}

/// What passes through a classifier: video, or audio as [`audio`] has it.
pub(crate) fn video_or_audio(rate: Option<u32>) -> gst::Caps {
    let mut caps = video();
    caps.merge(audio(rate));
    caps
}

/// In what form labels leave the pad `text_src`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelMedia {
    /// A line for each label, its name and its confidence in percent.
    Text,
    /// One JSON object in a line.
    Json,
}

impl LabelMedia {
    const TEXT: &str = "text/x-raw";
    const JSON: &str = "application/x-json";

    /// What a fixed caps asks for, if it is one of the two.
    pub(crate) fn of(caps: &gst::CapsRef) -> Option<Self> {
        match caps.structure(0)?.name().as_str() {
            Self::TEXT => Some(Self::Text),
            Self::JSON => Some(Self::Json),
            _ => None,
        }
    }
}

/// What `text_src` can produce.
pub(crate) fn labels() -> gst::Caps {
    gst::Caps::builder_full()
        .structure(gst::Structure::builder(LabelMedia::TEXT).field("format", "utf8").build())
        .structure(gst::Structure::new_empty(LabelMedia::JSON))
        .build()
}

/// In what form a field of flow leaves the pad `flow_src`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldMedia {
    /// float32 in the machine's byte order, innermost first 2 (u, v), columns, rows, in the caps that NNStreamer agreed on.
    Tensors,
    /// One whole Middlebury `.flo` file in each buffer.
    Flo,
}

impl FieldMedia {
    const TENSORS: &str = "other/tensors";
    const FLO: &str = "image/x-flo";

    /// What a fixed caps asks for, if it is one of the two.
    pub(crate) fn of(caps: &gst::CapsRef) -> Option<Self> {
        match caps.structure(0)?.name().as_str() {
            Self::TENSORS => Some(Self::Tensors),
            Self::FLO => Some(Self::Flo),
            _ => None,
        }
    }
}

/// What `flow_src` can produce before anything is known of the video.
pub(crate) fn any_field() -> gst::Caps {
    let rates = any_rate();
    gst::Caps::builder_full()
        .structure(tensors("float32").field("framerate", rates).build())
        .structure(
            gst::Structure::builder(FieldMedia::FLO)
                .field("width", gst::IntRange::new(1, i32::MAX))
                .field("height", gst::IntRange::new(1, i32::MAX))
                .field("framerate", rates)
                .build(),
        )
        .build()
}

/// What `flow_src` produces for fields of `width` × `height`, `framerate` of them a second (0/1 where that varies).
pub(crate) fn field(width: usize, height: usize, framerate: gst::Fraction) -> gst::Caps {
    gst::Caps::builder_full()
        .structure(tensors("float32").field("dimensions", format!("2:{width}:{height}")).field("framerate", framerate).build())
        .structure(
            gst::Structure::builder(FieldMedia::FLO)
                .field("width", width as i32)
                .field("height", height as i32)
                .field("framerate", framerate)
                .build(),
        )
        .build()
}

/// Any number of buffers a second.
fn any_rate() -> gst::FractionRange {
    gst::FractionRange::new(gst::Fraction::new(0, 1), gst::Fraction::new(i32::MAX, 1))
}

/// Caps of one structure, at one rate or any.
fn at_rate(structure: gst::structure::Builder, framerate: Option<gst::Fraction>) -> gst::Caps {
    let structure = match framerate {
        Some(framerate) => structure.field("framerate", framerate),
        None => structure.field("framerate", any_rate()),
    };
    gst::Caps::builder_full().structure(structure.build()).build()
}

/// Tensors in the caps that NNStreamer agreed on; `types` as many as there are tensors, with commas between them.
fn tensors(types: &str) -> gst::structure::Builder {
    gst::Structure::builder(FieldMedia::TENSORS)
        .field("format", "static")
        .field("num_tensors", types.split(',').count() as i32)
        .field("types", types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_known_size_is_one_that_the_template_promises() {
        gst::init().unwrap();
        let known = field(640, 480, gst::Fraction::new(25, 1));
        assert!(known.is_subset(&any_field()));
        assert_eq!(
            known.structure(0).unwrap().get::<&str>("dimensions").unwrap(),
            "2:640:480",
            "innermost first, as NNStreamer writes it"
        );
    }

    #[test]
    fn the_media_follows_the_caps() {
        gst::init().unwrap();
        let mut caps = field(4, 3, gst::Fraction::new(0, 1));
        assert_eq!(FieldMedia::of(&caps), Some(FieldMedia::Tensors));
        caps.get_mut().unwrap().remove_structure(0);
        assert_eq!(FieldMedia::of(&caps), Some(FieldMedia::Flo));
        assert_eq!(FieldMedia::of(&video()), None);
    }
}
