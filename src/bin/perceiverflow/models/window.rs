//! What one call of a model takes.

use std::fmt;

use perceiverflow::{checkpoint::Checkpoint, perceiver::PerceiverImageProcessor};
use serde_json::{Value, json};

/// The published rate of sound; a configuration tells only the samples of a frame.
const SOUND_RATE: usize = 48_000;

/// The input of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// Two frames that follow each other.
    Pair([usize; 2]),
    /// Frames with the sound that belongs to them.
    Segment {
        frames: usize,
        picture: [usize; 2],
        samples_per_frame: usize,
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
            "PerceiverForMultimodalAutoencoding" => Self::Segment {
                frames: config.num_frames,
                picture: [config.image_size * config.multimodal.patch; 2],
                samples_per_frame: config.audio_samples_per_frame,
            },
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
            Self::Segment { frames, picture: [rows, columns], samples_per_frame } => {
                json!({ "frames": frames, "rows": rows, "columns": columns, "samples": frames * samples_per_frame })
            }
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
            Self::Segment { frames, picture: [rows, columns], samples_per_frame } => {
                let samples = frames * samples_per_frame;
                let rate = SOUND_RATE as f64 / samples_per_frame as f64;
                write!(f, "{frames} frames of {rows} × {columns} at {rate}/s + {samples} samples at {} kHz", SOUND_RATE / 1000)
            }
            Self::Picture([rows, columns]) => write!(f, "image {rows} × {columns}"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Inputs(channels) => write!(f, "any number of inputs of {channels} channels"),
        }
    }
}

/// The size to which the checkpoint's own image processor brings pictures, or the published one.
pub(super) fn picture(model: &Checkpoint) -> [usize; 2] {
    let settings = model.folder().map(|folder| folder.join("preprocessor_config.json"));
    let processor = settings.and_then(|path| PerceiverImageProcessor::open(path).ok()).unwrap_or_default();
    [processor.size.height, processor.size.width]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_people_say_them() {
        let segment = Window::Segment { frames: 16, picture: [224, 224], samples_per_frame: 1920 };
        assert_eq!(segment.to_string(), "16 frames of 224 × 224 at 25/s + 30720 samples at 48 kHz");
        assert_eq!(Window::Pair([368, 496]).to_string(), "2 frames of 368 × 496");
    }
}
