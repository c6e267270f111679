//! What one call of a model takes.

use std::fmt;

use perceiverflow::{
    checkpoint::Checkpoint,
    media::ClipShape,
    perceiver::PerceiverImageProcessor,
    tasks::{ClipPreprocessor, Framing},
};
use serde_json::{Value, json};

/// The input of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// Two frames that follow each other.
    Pair([usize; 2]),
    /// Frames with the sound that belongs to them.
    Clip {
        shape: ClipShape,
        side: usize,
    },
    Picture([usize; 2]),
    Bytes(usize),
    /// Any number of inputs of so many channels.
    Inputs(usize),
}

impl Window {
    /// What the architecture and configuration of a checkpoint ask for. `None` for what is none of the family's.
    pub(super) fn of(model: &Checkpoint, architecture: &str) -> Option<Self> {
        let config = model.config();
        Some(match architecture {
            "PerceiverForOpticalFlow" => Self::Pair(config.train_size),
            "PerceiverForMultimodalAutoencoding" => {
                let preprocessor = ClipPreprocessor::new(config, Framing::default());
                Self::Clip { shape: preprocessor.shape(), side: preprocessor.side() }
            }
            "PerceiverForImageClassificationLearned" => Self::Picture([config.image_size; 2]),
            name if name.starts_with("PerceiverForImageClassification") => Self::Picture(picture(model)),
            "PerceiverForMaskedLM" | "PerceiverForSequenceClassification" => Self::Bytes(config.max_position_embeddings),
            "PerceiverModel" => Self::Inputs(config.d_model),
            _ => return None,
        })
    }

    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Pair([rows, columns]) => json!({ "frames": 2, "rows": rows, "columns": columns }),
            Self::Clip { shape, side } => json!({
                "frames": shape.frames,
                "rows": side,
                "columns": side,
                "frame_rate": shape.frame_rate(),
                "samples": shape.samples(),
                "sample_rate": shape.sample_rate,
            }),
            Self::Picture([rows, columns]) => json!({ "rows": rows, "columns": columns }),
            Self::Bytes(bytes) => json!({ "bytes": bytes }),
            Self::Inputs(channels) => json!({ "channels": channels }),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pair([rows, columns]) => write!(f, "2 frames of {rows} × {columns}"),
            Self::Clip { shape, side } => {
                let (frames, rate) = (shape.frames, shape.frame_rate());
                let (samples, kilohertz) = (shape.samples(), f64::from(shape.sample_rate) / 1000.0);
                write!(f, "{frames} frames of {side} × {side} at {rate}/s + {samples} samples at {kilohertz} kHz")
            }
            Self::Picture([rows, columns]) => write!(f, "image {rows} × {columns}"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Inputs(channels) => write!(f, "any number of inputs of {channels} channels"),
        }
    }
}

/// The size to which the checkpoint's own image processor brings pictures, or the published one.
pub(crate) fn picture(model: &Checkpoint) -> [usize; 2] {
    let settings = model.folder().map(|folder| folder.join("preprocessor_config.json"));
    let processor = settings.and_then(|path| PerceiverImageProcessor::open(path).ok()).unwrap_or_default();
    [processor.size.height, processor.size.width]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_people_say_them() {
        let clip = |frames, samples_per_frame, sample_rate, side| {
            Window::Clip { shape: ClipShape { frames, samples_per_frame, sample_rate }, side }.to_string()
        };
        assert_eq!(clip(16, 1920, 48_000, 224), "16 frames of 224 × 224 at 25/s + 30720 samples at 48 kHz");
        assert_eq!(clip(8, 1764, 22_050, 32), "8 frames of 32 × 32 at 12.5/s + 14112 samples at 22.05 kHz");
        assert_eq!(Window::Pair([368, 496]).to_string(), "2 frames of 368 × 496");
    }
}
