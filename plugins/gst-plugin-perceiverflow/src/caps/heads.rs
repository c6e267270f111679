//! Caps of what heads say of windows.

use perceiverflow::{media::ClipShape, tasks::Autoencode};

use super::{FieldMedia, at_rate, tensors, window_rate};

/// A head of a multimodal model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// Its video.
    Video,
    /// Its sound.
    Audio,
    /// Its classes.
    Labels,
}

impl HeadKind {
    /// All of them, in the order in which they are offered.
    pub(crate) const ALL: [Self; 3] = [Self::Video, Self::Audio, Self::Labels];

    const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Labels => "labels",
        }
    }
}

/// In what form a head's answers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadMedia {
    /// RGB frames.
    Pictures,
    /// One channel of float32.
    Samples,
    /// Lines for people.
    Text,
    /// One object for each window.
    Json,
    /// The model's own numbers, float32 in the machine's byte order.
    Numbers(HeadKind),
}

impl HeadMedia {
    const PICTURES: &str = "video/x-raw";
    const SAMPLES: &str = "audio/x-raw";
    const TEXT: &str = "text/x-raw";
    const JSON: &str = "application/x-json";
    const HEAD: &str = "perceiver-head";

    /// What a fixed caps asks for, if it is one of them.
    pub(crate) fn of(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        Some(match structure.name().as_str() {
            Self::PICTURES => Self::Pictures,
            Self::SAMPLES => Self::Samples,
            Self::TEXT => Self::Text,
            Self::JSON => Self::Json,
            FieldMedia::TENSORS => {
                let head = structure.get::<&str>(Self::HEAD).ok()?;
                Self::Numbers(HeadKind::ALL.into_iter().find(|kind| kind.name() == head)?)
            }
            _ => return None,
        })
    }

    /// The head that has to be asked.
    pub(crate) fn head(self) -> HeadKind {
        match self {
            Self::Pictures => HeadKind::Video,
            Self::Samples => HeadKind::Audio,
            Self::Text | Self::Json => HeadKind::Labels,
            Self::Numbers(head) => head,
        }
    }
}

/// What heads can say before anything is known of the model.
pub(crate) fn any_head() -> gst::Caps {
    let side = gst::IntRange::new(1, i32::MAX);
    let pictures = at_rate(pictures().field("width", side).field("height", side), None);
    let samples = of(samples().field("rate", side));
    let numbers = HeadKind::ALL.map(|head| at_rate(numbers(head), None));
    [pictures, samples, labels()].into_iter().chain(numbers).collect()
}

/// What these heads of one model can say: of its video `width` × `height` pixels, of `framerate` windows a second.
pub(crate) fn heads(
    of_model: &Autoencode,
    shape: &ClipShape,
    kinds: &[HeadKind],
    (width, height): (usize, usize),
    framerate: gst::Fraction,
) -> gst::Caps {
    let media = kinds.iter().map(|kind| match kind {
        HeadKind::Video => {
            let frames = Some(window_rate(shape, 1));
            at_rate(pictures().field("width", width as i32).field("height", height as i32), frames)
        }
        HeadKind::Audio => of(samples().field("rate", shape.sample_rate as i32)),
        HeadKind::Labels => labels(),
    });
    let numbers = kinds.iter().map(|&kind| {
        let dimensions = match kind {
            HeadKind::Video => format!("3:{width}:{height}:{}", shape.frames),
            HeadKind::Audio => shape.samples().to_string(),
            HeadKind::Labels => of_model.label_names().len().to_string(),
        };
        let numbers = numbers(kind).field("dimensions", dimensions).field("perceiver-hash", of_model.hash());
        at_rate(numbers, Some(framerate))
    });
    media.chain(numbers).collect()
}

fn pictures() -> gst::structure::Builder {
    let square = gst::Fraction::new(1, 1);
    gst::Structure::builder(HeadMedia::PICTURES).field("format", "RGB").field("pixel-aspect-ratio", square)
}

fn samples() -> gst::structure::Builder {
    gst::Structure::builder(HeadMedia::SAMPLES).field("format", "F32LE").field("layout", "interleaved").field("channels", 1)
}

fn labels() -> gst::Caps {
    gst::Caps::builder_full()
        .structure(gst::Structure::builder(HeadMedia::TEXT).field("format", "utf8").build())
        .structure(gst::Structure::new_empty(HeadMedia::JSON))
        .build()
}

fn numbers(head: HeadKind) -> gst::structure::Builder {
    tensors("float32").field("perceiver-stage", "outputs").field(HeadMedia::HEAD, head.name())
}

fn of(structure: gst::structure::Builder) -> gst::Caps {
    gst::Caps::builder_full().structure(structure.build()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_again() {
        gst::init().unwrap();
        let media: Vec<_> = any_head()
            .iter()
            .map(|structure| {
                let caps = gst::Caps::builder_full().structure(structure.to_owned()).build();
                HeadMedia::of(&caps).unwrap()
            })
            .collect();
        let numbers = HeadKind::ALL.map(HeadMedia::Numbers);
        let plain = [HeadMedia::Pictures, HeadMedia::Samples, HeadMedia::Text, HeadMedia::Json];
        assert_eq!(media, [&plain[..], &numbers].concat());
        assert_eq!(HeadMedia::of(&super::super::any_latents()), None);
    }
}
