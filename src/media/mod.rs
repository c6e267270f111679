//! Plain owned media with a time: what comes in, and what goes out.
//!
//! Nothing here knows a codec, a container, a pipeline or a tensor. Times are [`Duration`](std::time::Duration)s from the start of the
//! stream and travel beside the data; nobody recomputes them from a counter.

mod audio;
mod crossfade;
mod filled_text;
mod flow_field;
mod frame;
mod labels;
mod picture;
mod raster;
mod resample;
mod tile;
mod window;

pub use audio::AudioChunk;
pub use crossfade::{Crossfade, Stretch};
pub use filled_text::{ByteGuess, FilledText, Gap};
pub use flow_field::{FlowField, UNKNOWN};
pub use frame::Frame;
pub use labels::{Label, Labels};
pub use picture::Picture;
pub use raster::Raster;
pub use resample::{Filter, resample};
pub use tile::{Tile, TileGrid};
pub use window::{
    Clip, ClipOptions, ClipShape, ClipStats, ClipStream, ClipWindow, FramePair, HeldMedia, MissingAudio, PairWindow,
    PartialWindow,
};
