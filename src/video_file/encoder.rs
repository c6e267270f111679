//! Pictures to packets.

use std::{collections::VecDeque, time::Duration};

use ffmpeg_next::{
    Codec, Dictionary, Error, Packet, Rational,
    codec::{Flags, Id, context::Context},
    color::Range,
    encoder,
    error::EAGAIN,
    format::Pixel,
};

use super::{
    VideoFormat,
    scaler::ToYuv,
    time::{Ratio, TimeBase, Timeline},
};
use crate::media::Picture;

/// MPEG-4 counts time in 16 bits, so it gets a clock of its own; packets carry the exact times all the same.
const MILLISECONDS: Ratio = Ratio { numerator: 1000, denominator: 1 };

/// An encoder that gives one packet for each picture, in their order.
///
/// No encoder is allowed to reorder: then each packet is shown when it is decoded, and every container can hold the exact times.
pub(super) struct VideoEncoder {
    encoder: encoder::Video,
    to_yuv: ToYuv,
    clock: TimeBase,
    timeline: Timeline,
    waiting: VecDeque<Due>,
}

/// Where a picture lies in time, in ticks of the video's clock.
#[derive(Clone, Copy)]
struct Due {
    at: u64,
    duration: u64,
}

impl VideoEncoder {
    /// Opens `codec` for a video of `format`. H.264 and MPEG-4 code colour for blocks of 2 × 2 pixels, so there an odd side grows by
    /// one; VP9 keeps it.
    pub(super) fn open(codec: Codec, format: &VideoFormat, global_header: bool) -> Result<Self, Error> {
        let side = |length: usize| {
            let length = u32::try_from(length).map_err(|_| Error::InvalidData)?;
            Ok::<_, Error>(if codec.id() == Id::VP9 { length } else { length.next_multiple_of(2) })
        };
        let (width, height) = (side(format.width)?, side(format.height)?);
        let clock = match codec.id() {
            Id::MPEG4 => TimeBase::of_rate(MILLISECONDS).map_err(|_| Error::Bug)?,
            _ => format.time_base,
        };
        let mut video = Context::new_with_codec(codec).encoder().video()?;
        video.set_width(width);
        video.set_height(height);
        video.set_format(Pixel::YUV420P);
        video.set_time_base(rational(clock.seconds()));
        video.set_frame_rate(Some(rational(format.frame_rate)));
        video.set_aspect_ratio(rational(format.pixel_aspect));
        video.set_colorspace(format.colour.matrix.space());
        video.set_color_range(Range::MPEG);
        video.set_color_primaries(format.colour.primaries);
        video.set_color_transfer_characteristic(format.colour.transfer);
        if global_header {
            video.set_flags(Flags::GLOBAL_HEADER);
        }
        Ok(Self {
            encoder: video.open_as_with(codec, settings(codec.name(), width).collect::<Dictionary<'_>>())?,
            to_yuv: ToYuv::new(width, height, format.colour.matrix)?,
            clock,
            timeline: Timeline::new(0, 1),
            waiting: VecDeque::new(),
        })
    }

    /// What the container has to know of the stream.
    pub(super) fn context(&self) -> &Context {
        self.encoder.as_ref()
    }

    /// Takes the picture that is shown at `time`, which is `at` ticks of the video's clock, for `duration` ticks.
    pub(super) fn send(&mut self, picture: &Picture, time: Duration, at: u64, duration: u64) -> Result<(), Error> {
        let mut yuv = self.to_yuv.convert(picture)?;
        yuv.set_pts(Some(self.timeline.place(Some(self.clock.ticks(time) as i64)) as i64));
        if let Some(previous) = self.waiting.back_mut() {
            previous.duration = at - previous.at;
        }
        self.waiting.push_back(Due { at, duration });
        self.encoder.send_frame(&yuv)
    }

    /// Tells the encoder that there are no more pictures; what it holds back comes out of [`VideoEncoder::receive`].
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.encoder.send_eof()
    }

    /// The next packet, timed in ticks of the video's clock, if the encoder has one.
    pub(super) fn receive(&mut self) -> Result<Option<Packet>, Error> {
        let mut packet = Packet::empty();
        match self.encoder.receive_packet(&mut packet) {
            Ok(()) => {
                let due = self.waiting.pop_front().ok_or(Error::Bug)?;
                packet.set_pts(Some(due.at as i64));
                packet.set_dts(Some(due.at as i64));
                packet.set_duration(due.duration as i64);
                Ok(Some(packet))
            }
            Err(Error::Eof | Error::Other { errno: EAGAIN }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A ratio in libav's form. Its parts come from libav or fit anyway.
pub(super) fn rational(ratio: Ratio) -> Rational {
    Rational::new(ratio.numerator as i32, ratio.denominator as i32)
}

/// Narrower pictures are coded without libx264's macroblock tree: its AVX-512 form reads memory that nobody has written where a row has
/// fewer macroblocks (16 pixels each) than a register has places (16), and the same pictures give other bytes from one time to the next.
const NARROWEST_WITH_TREE: u32 = 256;

/// Good looks without a choice: constant quality, no reordering.
fn settings(encoder: &str, width: u32) -> impl Iterator<Item = (&'static str, &'static str)> {
    let settings: &[_] = match encoder {
        "libx264" => &[("preset", "veryfast"), ("crf", "18"), ("bf", "0")],
        "libvpx-vp9" => &[
            ("crf", "24"),
            ("b", "0"),
            ("deadline", "good"),
            ("cpu-used", "5"),
            ("row-mt", "1"),
            ("lag-in-frames", "0"),
            ("auto-alt-ref", "0"),
        ],
        // Quality 3 of 1 (best) to 31, in libav's unit of 118.
        "mpeg4" => &[("flags", "+qscale"), ("global_quality", "354"), ("bf", "0")],
        _ => &[],
    };
    let narrow = encoder == "libx264" && width < NARROWEST_WITH_TREE;
    settings.iter().copied().chain(narrow.then_some(("mbtree", "0")))
}
