//! Video files, read and written through FFmpeg's libraries (libav).
//!
//! [`VideoReader`] turns any file into upright RGB [`Frame`](crate::media::Frame)s with their times; [`VideoWriter`] turns such
//! frames into a file again, with the same times and the sound of the original. [`MediaReader`] gives pictures and sound of a file
//! together, [`SoundWriter`] makes files of sound alone, [`Reconstruction`] what a multimodal model remembers of one. The only folder that names libav's types.
//!
//! Times are those of the file, tick for tick, whatever its frame rate does. They count from the container's zero, in transport
//! streams, which have none, from the start of the earliest stream; so picture and sound keep their distance.

mod colour;
mod container;
mod copied;
mod demuxer;
mod encoder;
mod entrance;
mod h264;
mod input;
mod libav;
mod media_reader;
mod mono;
mod orientation;
mod output_file;
mod pcm;
mod picture_decoder;
mod reader;
mod reconstruction;
mod scaler;
mod sound_decoder;
mod sound_track;
mod sound_writer;
mod time;
mod unwrapped;
mod writer;

pub use colour::Colour;
pub use input::is_address;
pub use libav::{Libav, show_libav_messages};
pub use media_reader::{Media, MediaReader, SkipTo};
pub use reader::VideoReader;
pub use reconstruction::{DecodedWindow, Kind, Reconstruction};
pub use sound_writer::SoundWriter;
pub use time::{Ratio, TimeBase};
pub use writer::{Sound, VideoWriter};

/// What a video is like apart from its pictures: the reader finds it out, the writer keeps it.
#[derive(Clone, Copy, Debug)]
pub struct VideoFormat {
    /// Number of columns, X, of the upright picture.
    pub width: usize,
    /// Number of rows, Y, of the upright picture.
    pub height: usize,
    /// Width of a pixel over its height.
    pub pixel_aspect: Ratio,
    /// What a tick of the clock lasts.
    pub time_base: TimeBase,
    /// Frames per second, in the mean; the frames themselves may come unevenly.
    pub frame_rate: Ratio,
    /// How RGB is coded.
    pub colour: Colour,
}

impl VideoFormat {
    /// Square pixels, `width` × `height` of them, `frame_rate` times a second.
    ///
    /// # Errors
    /// When a side or the rate is zero.
    pub fn new(width: usize, height: usize, frame_rate: Ratio) -> crate::Result<Self> {
        if width == 0 || height == 0 {
            return Err(crate::Error::option("size", format!("{width}x{height}"), "1x1 or more"));
        }
        Ok(Self {
            width,
            height,
            pixel_aspect: Ratio::ONE,
            time_base: TimeBase::of_rate(frame_rate)?,
            frame_rate,
            colour: Colour::usual(height),
        })
    }
}
