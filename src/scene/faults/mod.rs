//! Short windows of video and sound with exactly known labels: what people who run media servers need to know of a segment.
//!
//! A window is made clean, a [`Scene`](super::Scene) seen by a camera and a sound of voices, notes and weather, and then things are put
//! on it by chance, several at once. S is the side of the (square) picture, 1 the full scale of video and sound; everything holds for the
//! whole window unless it says otherwise.
//!
//! | label | what it means |
//! |---|---|
//! | `black` | every level at most 0.05 |
//! | `freeze` | from some frame of the first third on, every frame repeats the one before, bit by bit |
//! | `colour-bars` | seven or eight vertical bars of 75 % or 100 %, down to the bottom or above a strip |
//! | `snow` | grey noise, new in every frame, is at least 65 % of the picture |
//! | `macroblocks` | 15 % to 60 % of the blocks of S/8 or S/5 pixels are flat, or torn from elsewhere, in half of the frames or more |
//! | `blur` | three box filters that reach S/24 to S/12 pixels to each side; not of shots without texture or before a plain wall |
//! | `flash` | one or two frames brighter by 0.35 to 0.8 than the others |
//! | `cut` | another shot from one frame to the next, not in the first or last |
//! | `fade` | brightness goes in a line to or from black over at least 70 % of the window |
//! | `pan` | the camera moves on by S/64 to S/12 in each frame |
//! | `zoom` | what is seen grows or shrinks by 1.5 % to 5 % of its size in each frame |
//! | `static-shot` | the camera stands; something else moves, or noise does, be it less than a level |
//! | `silence` | no sample above 1e-4, for at least half of the window at its beginning or end |
//! | `tone` | a sine of 200 Hz to 3 kHz and nothing of the programme |
//! | `hiss` | white noise of at least 0.012 and 0.2 times the sound (root mean square) |
//! | `hum` | 50 Hz or 60 Hz with two overtones, at least 0.015 and 0.3 times the sound |
//! | `clipping` | 4 % to 25 % of the samples lie at the limit, which is 0.6 to 1 |
//! | `dropout` | one to five gaps of 8 ms to 50 ms without sound, each with sound before and behind it in the window |
//! | `speech` | somebody speaks for at least a third of the window, and little else is heard beside faults |
//! | `other-sound` | something is heard for at least a third of the window, and nobody speaks |
//!
//! Without any of `pan`, `zoom` and `static-shot` the camera is held in a hand: it sways to and fro in 4 to 8 frames, by S/48 to S/24 in a
//! frame where it is fastest. What cannot be seen is not labelled: with `black`, `colour-bars`, `snow` or `freeze` the camera has no label, nor
//! has it where there is no texture; blur, blocks, flashes, fades and cuts change the picture by a small part of its range at least. `black` and
//! `colour-bars` stand alone in the video, `silence` and `tone` have no content beside them. A pause that a window begins or ends with is no
//! `dropout`, and a `silence` only if it takes half of the window or more. Sound that lies beside zero, as a converter leaves it, has no label for that.
//!
//! Nobody knows how the camera moves in real clips and before a plain wall, or what to call it where it moves faster than in a pan; nor what
//! imitated voices are of, faint sounds and those that are heard for less than a third of the window. Such labels count neither as right nor as wrong.

mod backdrop;
mod camera;
mod damage;
mod distortion;
mod sight;
mod voices;
mod windows;

pub use windows::{FaultyWindow, FaultyWindows, Material};

use std::fmt;

/// A label of a window. Not each is a fault: `cut`, `fade`, `pan`, `zoom` and `static-shot` say what the shot does, `speech` and `other-sound` what is
/// heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the table of the module says what each means")]
pub enum Fault {
    Black,
    Freeze,
    ColourBars,
    Snow,
    Macroblocks,
    Blur,
    Flash,
    Cut,
    Fade,
    Pan,
    Zoom,
    StaticShot,
    Silence,
    Tone,
    Hiss,
    Hum,
    Clipping,
    Dropout,
    Speech,
    OtherSound,
}

impl Fault {
    /// Every label: those of the video, then those of the sound.
    pub const ALL: [Self; 20] = [
        Self::Black,
        Self::Freeze,
        Self::ColourBars,
        Self::Snow,
        Self::Macroblocks,
        Self::Blur,
        Self::Flash,
        Self::Cut,
        Self::Fade,
        Self::Pan,
        Self::Zoom,
        Self::StaticShot,
        Self::Silence,
        Self::Tone,
        Self::Hiss,
        Self::Hum,
        Self::Clipping,
        Self::Dropout,
        Self::Speech,
        Self::OtherSound,
    ];

    /// As in the table: `colour-bars`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Freeze => "freeze",
            Self::ColourBars => "colour-bars",
            Self::Snow => "snow",
            Self::Macroblocks => "macroblocks",
            Self::Blur => "blur",
            Self::Flash => "flash",
            Self::Cut => "cut",
            Self::Fade => "fade",
            Self::Pan => "pan",
            Self::Zoom => "zoom",
            Self::StaticShot => "static-shot",
            Self::Silence => "silence",
            Self::Tone => "tone",
            Self::Hiss => "hiss",
            Self::Hum => "hum",
            Self::Clipping => "clipping",
            Self::Dropout => "dropout",
            Self::Speech => "speech",
            Self::OtherSound => "other-sound",
        }
    }

    /// Whether it is none, but says what the shot does or what is heard.
    pub fn is_content(self) -> bool {
        use Fault::{Cut, Fade, OtherSound, Pan, Speech, StaticShot, Zoom};
        matches!(self, Cut | Fade | Pan | Zoom | StaticShot | Speech | OtherSound)
    }

    /// Whether it says what the sound is of, which is known of recordings alone and cannot be put on.
    pub fn is_of_material(self) -> bool {
        matches!(self, Self::Speech | Self::OtherSound)
    }

    /// Whether it is one of the sound.
    pub fn is_of_sound(self) -> bool {
        use Fault::{Clipping, Dropout, Hiss, Hum, OtherSound, Silence, Speech, Tone};
        matches!(self, Silence | Tone | Hiss | Hum | Clipping | Dropout | Speech | OtherSound)
    }

    /// Whether it holds of `sound` (samples of a whole window, −1 to 1) by its definition; none where that does not say it of samples alone.
    pub fn holds_of(self, sound: &[f32]) -> Option<bool> {
        (self == Self::Silence).then(|| distortion::is_silent(sound))
    }

    /// The label of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
