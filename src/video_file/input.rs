//! Opening a file, with words for what is wrong with it.

use std::{fs::File, path::Path};

use ffmpeg_next::{
    Error as LibavError, Rational, Rescale,
    ffi::AV_NOPTS_VALUE,
    format::{
        self,
        context::{Input, StreamIo},
    },
    media,
    rescale::TIME_BASE,
};

use super::{
    libav,
    unwrapped::{has_running_clock, indexed_bytes, start_time},
};
use crate::error::{Error, Result};

/// Enough to read a file in few calls.
const READ_BYTES: usize = 1 << 18;

/// After this many failures without anything usable in between, the rest of a file is given up.
pub(super) const FAILURES_IN_A_ROW: u32 = 100;

/// Whether a path is an address for libav to read, such as `https://host/clip.mp4`: it begins with a scheme, and no file is called so.
pub fn is_address(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
        && !path.exists()
}

/// Opens a media file of any kind that libav knows by its content, or an address.
///
/// # Errors
/// When the file cannot be read, is empty, is no media file, or ends before what its own index points to.
pub(super) fn open(path: &Path) -> Result<Input> {
    libav::start();
    if is_address(path) {
        return format::input(path).map_err(|error| Error::format(path, format!("FFmpeg cannot open the address ({error})")));
    }
    let file = File::open(path).map_err(Error::io(path))?;
    let metadata = file.metadata().map_err(Error::io(path))?;
    if metadata.is_dir() {
        return Err(Error::format(path, "is a folder; accepted is a video file"));
    }
    if metadata.is_file() && metadata.len() == 0 {
        return Err(Error::format(path, "the file is empty"));
    }
    // Read through Rust's file, not by name: a name with a colon would be taken for a protocol, and any bytes are a name.
    let input = StreamIo::from_read_seek_with_capacity(file, READ_BYTES)
        .and_then(|file| format::input_from_stream(file, None, None))
        .map_err(|error| {
            Error::format(path, format!("not a video file that FFmpeg can read, or its beginning only ({error})"))
        })?;
    let indexed = input.streams().filter_map(|stream| indexed_bytes(&stream)).max().unwrap_or(0);
    if metadata.is_file() && indexed > metadata.len() {
        let reason = format!("the file is truncated: it has {} bytes of at least {indexed} that its index names", metadata.len());
        return Err(Error::format(path, reason));
    }
    Ok(input)
}

/// Where times are counted from, in ticks of `clock`: the container's zero, or the first picture's time where that is below. Sound
/// may begin before zero: it is the run-in of its codec, which nobody hears. Transport and program streams have no zero, their clock
/// runs on from anywhere; there it is the start of the earliest stream.
pub(super) fn start_ticks(input: &Input, clock: Rational) -> i64 {
    let zero = if has_running_clock(input) { start_time(input).unwrap_or(0) } else { 0 };
    let pictures = input
        .streams()
        .filter(|stream| stream.parameters().medium() == media::Type::Video && stream.start_time() != AV_NOPTS_VALUE)
        .map(|stream| stream.start_time().rescale(stream.time_base(), TIME_BASE));
    pictures.fold(zero, i64::min).rescale(TIME_BASE, clock)
}

/// Whether a read is worth repeating: the demuxer finds its way again after broken data.
pub(super) fn is_damage(error: LibavError) -> bool {
    error == LibavError::InvalidData
}
