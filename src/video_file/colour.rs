//! Which numbers stand for which colour.

use ffmpeg_next::{
    color::{Primaries, Range, Space, TransferCharacteristic},
    format::Pixel,
    frame,
};

/// How a video codes its colours. What the file says is kept; where it says nothing, the usual is taken: BT.601 up to 576 rows,
/// BT.709 above, and limited range, as players and GStreamer do.
#[derive(Clone, Copy, Debug)]
pub struct Colour {
    pub(super) matrix: Matrix,
    pub(super) primaries: Primaries,
    pub(super) transfer: TransferCharacteristic,
}

/// How luma and chroma follow from red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
}

/// More rows than this are taken for high definition.
const STANDARD_DEFINITION_ROWS: usize = 576;

impl Colour {
    /// What a video of `height` rows is taken for when it does not say.
    pub fn usual(height: usize) -> Self {
        Self { matrix: Matrix::usual(height), primaries: Primaries::Unspecified, transfer: TransferCharacteristic::Unspecified }
    }

    /// What a stream says of itself, with the usual where it says nothing.
    pub(super) fn of(space: Space, primaries: Primaries, transfer: TransferCharacteristic, height: usize) -> Self {
        Self { matrix: Matrix::of(space, height), primaries, transfer }
    }
}

impl Matrix {
    /// The matrix that `space` names, or the usual one for `height` rows.
    pub(super) fn of(space: Space, height: usize) -> Self {
        match space {
            Space::BT470BG | Space::SMPTE170M | Space::FCC => Self::Bt601,
            Space::BT709 | Space::SMPTE240M => Self::Bt709,
            Space::BT2020NCL | Space::BT2020CL => Self::Bt2020,
            _ => Self::usual(height),
        }
    }

    fn usual(height: usize) -> Self {
        if height > STANDARD_DEFINITION_ROWS { Self::Bt709 } else { Self::Bt601 }
    }

    /// What an encoder writes into its stream for it.
    pub(super) fn space(self) -> Space {
        match self {
            Self::Bt601 => Space::SMPTE170M,
            Self::Bt709 => Space::BT709,
            Self::Bt2020 => Space::BT2020NCL,
        }
    }
}

/// Whether a decoded picture uses all 256 values rather than 16 to 235.
pub(super) fn full_range(picture: &frame::Video) -> bool {
    let by_format = [Pixel::YUVJ420P, Pixel::YUVJ422P, Pixel::YUVJ444P, Pixel::YUVJ440P, Pixel::YUVJ411P];
    picture.color_range() == Range::JPEG || by_format.contains(&picture.format())
}
