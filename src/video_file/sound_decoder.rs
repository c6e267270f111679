//! From packets to samples of one channel.

use ffmpeg_next::{
    ChannelLayout, Error as LibavError, Packet, Rescale, codec::context::Context, decoder, error::EAGAIN, frame, media,
};

use super::{demuxer::Demuxer, input::start_ticks, mono::ToMono};
use crate::{
    error::{Error, Result},
    media::AudioChunk,
};

/// Decodes one sound stream.
pub(super) struct SoundDecoder {
    decoder: decoder::Audio,
    pub(super) stream: usize,
    clock: ffmpeg_next::Rational,
    start: i64,
    /// Where the sound ends, where the container has an index and so knows.
    end: Option<i64>,
    to_mono: ToMono,
    ended: bool,
}

impl SoundDecoder {
    /// Opens the stream to hear, libav's choice, if the file has one; it becomes one channel of `rate` samples a second.
    ///
    /// # Errors
    /// When there is no decoder for it.
    pub(super) fn open(demuxer: &Demuxer, rate: u32) -> Result<Option<Self>> {
        let Some(stream) = demuxer.input.streams().best(media::Type::Audio) else { return Ok(None) };
        let codec = stream.parameters().id().name();
        let open = || {
            let mut decoder = Context::from_parameters(stream.parameters())?.decoder();
            decoder.set_packet_time_base(stream.time_base());
            decoder.audio()
        };
        let decoder = open().map_err(|error: LibavError| {
            Error::format(&demuxer.path, format!("no decoder for its audio codec {codec} ({error})"))
        })?;
        let end = Some(stream.start_time().max(0) + stream.duration());
        Ok(Some(Self {
            decoder,
            stream: stream.index(),
            clock: stream.time_base(),
            start: start_ticks(&demuxer.input, stream.time_base()),
            end: end.filter(|_| stream.frames() > 0 && stream.duration() > 0),
            to_mono: ToMono::new(rate),
            ended: false,
        }))
    }

    /// Takes the next packet; none at the end.
    pub(super) fn send(&mut self, packet: Option<&Packet>) -> Result<(), LibavError> {
        match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        }
    }

    /// The next samples, if the packets so far hold some.
    ///
    /// # Errors
    /// When they cannot be converted.
    pub(super) fn receive(&mut self, demuxer: &mut Demuxer) -> Result<Option<AudioChunk>> {
        let mut decoded = frame::Audio::empty();
        loop {
            if let Some(chunk) = self.to_mono.next_chunk() {
                return Ok(Some(chunk));
            }
            if self.ended || demuxer.given_up() {
                return Ok(None);
            }
            let converted = match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => {
                    demuxer.deliver();
                    self.convert(&mut decoded)
                }
                Err(LibavError::Other { errno: EAGAIN }) => return Ok(None),
                Err(LibavError::Eof) => {
                    self.ended = true;
                    self.to_mono.finish()
                }
                Err(_) => {
                    demuxer.skip();
                    Ok(())
                }
            };
            converted.map_err(|error| Error::format(&demuxer.path, format!("its sound cannot be converted ({error})")))?;
        }
    }

    fn convert(&mut self, decoded: &mut frame::Audio) -> Result<(), LibavError> {
        if decoded.channel_layout().is_empty() {
            decoded.set_channel_layout(ChannelLayout::default(i32::from(decoded.channels())));
        }
        // The last packet decodes to as many samples as any other, and what fills it up was never part of the sound.
        if let Some((end, at)) = self.end.zip(decoded.timestamp()) {
            let left = (end - at).rescale(self.clock, (1, decoded.rate() as i32)).max(0) as usize;
            if left < decoded.samples() {
                decoded.set_samples(left);
            }
            if left == 0 {
                return Ok(());
            }
        }
        let time = decoded.timestamp().map(|at| (at - self.start).rescale(self.clock, (1, 1_000_000_000)));
        self.to_mono.convert(decoded, time)
    }
}
