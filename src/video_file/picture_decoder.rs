//! From packets to upright RGB frames.

use std::{sync::Arc, time::Duration};

use ffmpeg_next::{
    Error as LibavError, Packet, Stream,
    codec::{self, context::Context, threading},
    decoder,
    error::EAGAIN,
    format::{context::Input, stream::Disposition},
    frame, media,
    packet::side_data,
};

use super::{
    VideoFormat,
    colour::Colour,
    demuxer::{Demuxer, declared},
    entrance::{Mark, Target},
    h264::{has_idr, length_bytes},
    input::start_ticks,
    orientation::Orientation,
    scaler::ToRgb,
    time::{Ratio, TimeBase, Timeline},
    unwrapped::{has_running_clock, is_concealed, is_shown, pixel_aspect},
};
use crate::{
    error::{Error, Result},
    media::{Frame, Picture},
};

/// What is taken for the rate of a file that does not tell: only estimates and frames without a timestamp depend on it.
const USUAL_FRAME_RATE: Ratio = Ratio { numerator: 25, denominator: 1 };

/// Decodes one video stream.
pub(super) struct PictureDecoder {
    decoder: decoder::Video,
    pub(super) stream: usize,
    pub(super) format: VideoFormat,
    /// How long the stream says it lasts.
    pub(super) duration: Option<Duration>,
    /// How many frames the file's index has.
    pub(super) frames: Option<u64>,
    orientation: Orientation,
    coded_width: usize,
    to_rgb: ToRgb,
    timeline: Timeline,
    start: i64,
    /// Whether its packets tell what is in them: a picture each, with its time.
    is_countable: bool,
    /// Bytes of the length before each unit of H.264; none where units are told apart by start codes.
    length_bytes: Option<usize>,
}

/// Codecs of which every packet is one picture, and a key frame needs nothing before it.
const COUNTABLE: [codec::Id; 9] = [
    codec::Id::AV1,
    codec::Id::FFV1,
    codec::Id::H263,
    codec::Id::H264,
    codec::Id::HEVC,
    codec::Id::MJPEG,
    codec::Id::MPEG4,
    codec::Id::PRORES,
    codec::Id::VP9,
];

impl PictureDecoder {
    /// Opens the stream to watch, if the file has one: libav's choice, unless that is the cover of a piece of music.
    ///
    /// # Errors
    /// When there is no decoder for it, or no frame could be decoded.
    pub(super) fn open(demuxer: &mut Demuxer) -> Result<Option<Self>> {
        let (path, input) = (&demuxer.path, &mut demuxer.input);
        let Some(stream) = video_stream(input) else { return Ok(None) };
        let (index, clock) = (stream.index(), stream.time_base());
        let id = stream.parameters().id();
        let codec = id.name();
        let decoder = open_decoder(&stream)
            .map_err(|error| Error::format(path, format!("no decoder for its video codec {codec} ({error})")))?;
        let orientation = orientation(&stream);
        let length_bytes = length_bytes(&stream);
        let (frame_rate, frames, duration) = (frame_rate(&stream), stream.frames(), stream.duration());
        let aspect = pixel_aspect(input, index).unwrap_or(Ratio::ONE);

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
        let step = time_base.ticks(Duration::from_secs_f64(frame_rate.inverse().value()));
        let start = start_ticks(input, clock);
        Ok(Some(Self {
            timeline: Timeline::new(start, step),
            start,
            length_bytes,
            is_countable: COUNTABLE.contains(&id) && !has_running_clock(input),
            decoder,
            stream: index,
            format,
            duration: declared(duration, clock),
            frames: u64::try_from(frames).ok().filter(|&frames| frames > 0),
            orientation,
            coded_width: size.0,
            to_rgb: ToRgb::new(coded_width, coded_height),
        }))
    }

    /// Whether pictures can be passed over and still be counted.
    pub(super) fn is_countable(&self) -> bool {
        self.is_countable
    }

    /// What is not to be missed where everything from `time` on is wanted.
    pub(super) fn target(&self, time: Duration) -> Target {
        Target::Tick(i64::try_from(self.format.time_base.ticks(time)).unwrap_or(i64::MAX).saturating_add(self.start))
    }

    /// What a packet tells; none if it is another stream's.
    pub(super) fn mark(&self, packet: &Packet) -> Option<Mark> {
        (packet.stream() == self.stream).then(|| Mark {
            pts: packet.pts(),
            duration: packet.duration(),
            is_key: packet.is_key() && self.begins_anew(packet),
            is_shown: is_shown(packet),
        })
    }

    /// Whether nothing behind a key frame needs what lies before it. Of H.264 that is so where the stream says that all is forgotten (IDR).
    fn begins_anew(&self, packet: &Packet) -> bool {
        self.decoder.id() != codec::Id::H264 || packet.data().is_some_and(|data| has_idr(data, self.length_bytes))
    }

    /// Passes over a picture: the frame that would have come, with `stand_in` for its picture.
    pub(super) fn pass(&mut self, pts: i64, duration: i64, stand_in: Arc<Picture>) -> Frame {
        self.frame(stand_in, Some(pts), duration)
    }

    /// When a picture with this timestamp is shown.
    pub(super) fn time(&self, pts: i64) -> Duration {
        self.format.time_base.time(pts.saturating_sub(self.start).max(0) as u64)
    }

    /// Takes the next packet; none at the end.
    pub(super) fn send(&mut self, packet: Option<&Packet>) -> Result<(), LibavError> {
        match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        }
    }

    /// The next frame, if the packets so far hold one.
    ///
    /// # Errors
    /// When its pictures cannot become RGB.
    pub(super) fn receive(&mut self, demuxer: &mut Demuxer) -> Result<Option<Frame>> {
        let mut decoded = frame::Video::empty();
        while !demuxer.given_up() {
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => {
                    demuxer.deliver();
                    if is_concealed(&decoded) {
                        demuxer.mend();
                    }
                    return self.convert(&decoded, demuxer).map(Some);
                }
                Err(LibavError::Eof | LibavError::Other { errno: EAGAIN }) => break,
                Err(_) => demuxer.skip(),
            }
        }
        Ok(None)
    }

    fn convert(&mut self, decoded: &frame::Video, demuxer: &Demuxer) -> Result<Frame> {
        let rgb = self.to_rgb.convert(decoded).map_err(|error| {
            Error::format(&demuxer.path, format!("{:?} pictures cannot become RGB ({error})", decoded.format()))
        })?;
        let rgb = self.orientation.apply(self.coded_width, rgb);
        let picture = Picture::new(self.format.width, self.format.height, rgb)?;
        Ok(self.frame(Arc::new(picture), decoded.timestamp(), decoded.packet().duration))
    }

    /// The next frame on the clock of the file.
    fn frame(&mut self, picture: Arc<Picture>, timestamp: Option<i64>, duration: i64) -> Frame {
        let time_base = self.format.time_base;
        let duration = u64::try_from(duration).ok().filter(|&ticks| ticks > 0);
        Frame {
            picture,
            time: time_base.time(self.timeline.place(timestamp)),
            duration: duration.map(|ticks| time_base.time(ticks)),
        }
    }
}

fn video_stream(input: &Input) -> Option<Stream<'_>> {
    input.streams().best(media::Type::Video).filter(|stream| !stream.disposition().contains(Disposition::ATTACHED_PIC))
}

fn open_decoder(stream: &Stream<'_>) -> Result<decoder::Video, LibavError> {
    let mut context = Context::from_parameters(stream.parameters())?;
    context.set_threading(threading::Config::kind(threading::Type::Frame));
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.video()
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
