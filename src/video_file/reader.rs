//! From a file to frames.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ffmpeg_next::{
    Error as LibavError, Packet, Rational, Stream,
    codec::{context::Context, threading},
    decoder,
    error::EAGAIN,
    format::{context::Input, stream::Disposition},
    frame, media,
    packet::side_data,
    rescale::TIME_BASE,
};

use super::{
    VideoFormat,
    colour::Colour,
    input::{self, FAILURES_IN_A_ROW, is_damage, start_ticks},
    orientation::Orientation,
    scaler::ToRgb,
    time::{Ratio, TimeBase, Timeline},
    unwrapped::{duration_is_declared, pixel_aspect},
};
use crate::{
    error::{Error, Result},
    media::{Frame, Picture},
};

/// What is taken for the rate of a file that does not tell: only estimates and frames without a timestamp depend on it.
const USUAL_FRAME_RATE: Ratio = Ratio { numerator: 25, denominator: 1 };

/// A file may end this much earlier than it says, or a twentieth of its length: containers round, and sound outlasts pictures.
const TOLERATED_LOSS: Duration = Duration::from_millis(500);

/// The frames of a file's main video stream, in the order of their times.
///
/// Pictures are turned upright where the file says how, and all have the size of the first: a stream that changes its size is
/// scaled. Packets that cannot be decoded are skipped and counted.
pub struct VideoReader {
    path: PathBuf,
    input: Input,
    decoder: decoder::Video,
    stream: usize,
    format: VideoFormat,
    orientation: Orientation,
    coded_width: usize,
    to_rgb: ToRgb,
    timeline: Timeline,
    duration: Option<Duration>,
    frames: Option<u64>,
    delivered: u64,
    damaged: u64,
    failures: u32,
    last_end: Duration,
}

impl VideoReader {
    /// Opens `path`, of any container and codec that libav knows.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, truncated or no media file, or has no video that can be decoded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut input = input::open(path)?;
        let stream = video_stream(&input).ok_or_else(|| Error::format(path, "the file has no video stream"))?;
        let (index, clock) = (stream.index(), stream.time_base());
        let decoder = open_decoder(path, &stream)?;
        let orientation = orientation(&stream);
        let (frame_rate, frames, stream_duration) = (frame_rate(&stream), stream.frames(), stream.duration());
        let aspect = pixel_aspect(&mut input, index).unwrap_or(Ratio::ONE);

        let (coded_width, coded_height) = (decoder.width(), decoder.height());
        if coded_width == 0 || coded_height == 0 {
            return Err(Error::format(path, "no frame of the video stream could be decoded"));
        }
        let size = (coded_width as usize, coded_height as usize);
        let turned = orientation.transposed();
        let (width, height) = if turned { (size.1, size.0) } else { size };
        let time_base = TimeBase::new(clock.numerator(), clock.denominator()).ok_or_else(|| {
            Error::format(path, format!("the video stream counts time in {clock} s; accepted are fractions above 0"))
        })?;
        let format = VideoFormat {
            width,
            height,
            pixel_aspect: if turned { aspect.inverse() } else { aspect },
            time_base,
            frame_rate,
            colour: Colour::of(
                decoder.color_space(),
                decoder.color_primaries(),
                decoder.color_transfer_characteristic(),
                coded_height as usize,
            ),
        };
        let duration = declared(stream_duration, clock).or_else(|| declared(input.duration(), TIME_BASE));
        let step = time_base.ticks(Duration::from_secs_f64(frame_rate.inverse().value()));
        Ok(Self {
            path: path.to_owned(),
            timeline: Timeline::new(start_ticks(&input, clock), step),
            decoder,
            stream: index,
            format,
            orientation,
            coded_width: size.0,
            to_rgb: ToRgb::new(coded_width, coded_height),
            frames: u64::try_from(frames)
                .ok()
                .filter(|&frames| frames > 0)
                .or_else(|| duration.map(|duration| (duration.as_secs_f64() * frame_rate.value()).round() as u64)),
            duration,
            delivered: 0,
            damaged: 0,
            failures: 0,
            last_end: Duration::ZERO,
            input,
        })
    }

    /// Size, clock and colour.
    pub fn format(&self) -> VideoFormat {
        self.format
    }

    /// How long the video lasts, as far as the file tells.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// How many frames to expect, as far as the file tells: exact where it has an index, otherwise reckoned.
    pub fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// Packets and frames skipped so far because they could not be decoded.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The next frame; none after the last.
    ///
    /// # Errors
    /// When reading fails, when nothing at all can be decoded, or when the file ends long before it says.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let mut decoded = frame::Video::empty();
        loop {
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => return self.deliver(&decoded).map(Some),
                Err(LibavError::Other { errno: EAGAIN }) => self.feed()?,
                Err(LibavError::Eof) => return self.end(),
                Err(_) if self.skip() => {}
                Err(_) => return self.end(),
            }
        }
    }

    /// Hands the decoder the next packet, or tells it that there is none.
    fn feed(&mut self) -> Result<()> {
        let mut packet = Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) => {
                    self.note_end(&packet);
                    if packet.stream() == self.stream {
                        if self.decoder.send_packet(&packet).is_err() {
                            self.skip();
                        }
                        return Ok(());
                    }
                }
                Err(LibavError::Eof) => break,
                Err(error) if is_damage(error) => {
                    if !self.skip() {
                        break;
                    }
                }
                Err(error) => {
                    return Err(Error::format(
                        &self.path,
                        format!("reading failed after {:.3} s ({error})", self.last_end.as_secs_f64()),
                    ));
                }
            }
        }
        // Refused only by a decoder that has had its end already, and that one does not ask for more.
        let _ = self.decoder.send_eof();
        Ok(())
    }

    /// Counts damage; false once there is so much that going on makes no sense.
    fn skip(&mut self) -> bool {
        self.damaged += 1;
        self.failures += 1;
        self.failures < FAILURES_IN_A_ROW
    }

    fn deliver(&mut self, decoded: &frame::Video) -> Result<Frame> {
        let rgb = self
            .to_rgb
            .convert(decoded)
            .map_err(|error| Error::format(&self.path, format!("{:?} pictures cannot become RGB ({error})", decoded.format())))?;
        let rgb = self.orientation.apply(self.coded_width, rgb);
        let time_base = self.format.time_base;
        let duration = u64::try_from(decoded.packet().duration).ok().filter(|&ticks| ticks > 0);
        self.delivered += 1;
        self.failures = 0;
        Ok(Frame {
            picture: Arc::new(Picture::new(self.format.width, self.format.height, rgb)?),
            time: time_base.time(self.timeline.place(decoded.timestamp())),
            duration: duration.map(|ticks| time_base.time(ticks)),
        })
    }

    /// Remembers how far the file has been read, by the clock of whichever stream.
    fn note_end(&mut self, packet: &Packet) {
        let Some(stream) = self.input.stream(packet.stream()) else { return };
        let clock = stream.time_base();
        let end = packet.pts().or(packet.dts()).map(|at| at - start_ticks(&self.input, clock) + packet.duration().max(0));
        if let Some(end) = end.and_then(|ticks| declared(ticks, clock)) {
            self.last_end = self.last_end.max(end);
        }
    }

    fn end(&self) -> Result<Option<Frame>> {
        if self.delivered == 0 {
            return Err(Error::format(&self.path, "no frame of the video stream could be decoded"));
        }
        let whole = declared(self.input.duration(), TIME_BASE).filter(|_| duration_is_declared(&self.input));
        match whole {
            Some(whole) if self.last_end + TOLERATED_LOSS.max(whole / 20) < whole => Err(Error::format(
                &self.path,
                format!(
                    "the file is truncated: it ends after {:.3} s of the {:.3} s that it declares",
                    self.last_end.as_secs_f64(),
                    whole.as_secs_f64()
                ),
            )),
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for VideoReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoReader").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

/// The stream to watch: libav's choice, unless that is the cover of a piece of music.
fn video_stream(input: &Input) -> Option<Stream<'_>> {
    input.streams().best(media::Type::Video).filter(|stream| !stream.disposition().contains(Disposition::ATTACHED_PIC))
}

fn open_decoder(path: &Path, stream: &Stream<'_>) -> Result<decoder::Video> {
    let codec = stream.parameters().id();
    let open = || {
        let mut context = Context::from_parameters(stream.parameters())?;
        context.set_threading(threading::Config::kind(threading::Type::Frame));
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(stream.time_base());
        decoder.video()
    };
    open().map_err(|error| Error::format(path, format!("no decoder for its video codec {} ({error})", codec.name())))
}

fn orientation(stream: &Stream<'_>) -> Orientation {
    stream
        .side_data()
        .find(|data| data.kind() == side_data::Type::DisplayMatrix)
        .and_then(|data| Orientation::from_display_matrix(data.data()))
        .unwrap_or_default()
}

fn frame_rate(stream: &Stream<'_>) -> Ratio {
    [stream.avg_frame_rate(), stream.rate()]
        .into_iter()
        .find_map(|rate| Ratio::positive(rate.numerator(), rate.denominator()))
        .unwrap_or(USUAL_FRAME_RATE)
}

/// `ticks` of a clock as a time; none where they are not above 0, which is how libav says that it does not know.
fn declared(ticks: i64, clock: Rational) -> Option<Duration> {
    let ticks = u64::try_from(ticks).ok().filter(|&ticks| ticks > 0)?;
    Some(TimeBase::new(clock.numerator(), clock.denominator())?.time(ticks))
}
