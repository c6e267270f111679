//! Samples to packets.

use ffmpeg_next::{
    ChannelLayout, Codec, Error, Packet, Rational,
    codec::{Flags, context::Context},
    encoder,
    error::EAGAIN,
    format::{Sample, sample::Type},
    frame,
};

/// Samples in a packet of an encoder that takes any number.
const USUAL_FRAME: usize = 1024;

/// An encoder of interleaved 32-bit float samples.
pub(super) struct PcmEncoder {
    encoder: encoder::Audio,
    channels: usize,
    waiting: Vec<f32>,
    sent: i64,
}

impl PcmEncoder {
    /// Opens `codec` for `channels` channels of `rate` samples a second.
    pub(super) fn open(codec: Codec, rate: u32, channels: u32, global_header: bool) -> Result<Self, Error> {
        let rate = i32::try_from(rate).map_err(|_| Error::InvalidData)?;
        let layout = i32::try_from(channels).map_err(|_| Error::InvalidData)?;
        let mut audio = Context::new_with_codec(codec).encoder().audio()?;
        audio.set_rate(rate);
        audio.set_channel_layout(ChannelLayout::default(layout));
        audio.set_format(Sample::F32(if codec.name() == "aac" { Type::Planar } else { Type::Packed }));
        audio.set_time_base(Rational::new(1, rate));
        if global_header {
            audio.set_flags(Flags::GLOBAL_HEADER);
        }
        Ok(Self { encoder: audio.open_as(codec)?, channels: channels as usize, waiting: Vec::new(), sent: 0 })
    }

    /// What the container has to know of the stream.
    pub(super) fn context(&self) -> &Context {
        self.encoder.as_ref()
    }

    /// The encoder's clock: one tick for each sample.
    pub(super) fn clock(&self) -> Rational {
        self.encoder.time_base()
    }

    /// Takes samples, the channels in turn; returns the packets they fill, timed in samples.
    pub(super) fn send(&mut self, samples: &[f32]) -> Result<Vec<Packet>, Error> {
        self.waiting.extend_from_slice(samples);
        let frame = self.channels
            * match self.encoder.frame_size() as usize {
                0 => USUAL_FRAME,
                samples => samples,
            };
        let rest = self.waiting.split_off(self.waiting.len() / frame * frame);
        let whole = std::mem::replace(&mut self.waiting, rest);
        let mut packets = Vec::new();
        for samples in whole.chunks(frame) {
            self.send_frame(samples)?;
            self.receive(&mut packets)?;
        }
        Ok(packets)
    }

    /// Ends the stream; returns its last packets.
    pub(super) fn finish(&mut self) -> Result<Vec<Packet>, Error> {
        let mut packets = Vec::new();
        let rest = std::mem::take(&mut self.waiting);
        if !rest.is_empty() {
            self.send_frame(&rest)?;
            self.receive(&mut packets)?;
        }
        self.encoder.send_eof()?;
        self.receive(&mut packets)?;
        Ok(packets)
    }

    fn receive(&mut self, packets: &mut Vec<Packet>) -> Result<(), Error> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => packets.push(packet),
                Err(Error::Eof | Error::Other { errno: EAGAIN }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn send_frame(&mut self, samples: &[f32]) -> Result<(), Error> {
        let count = samples.len() / self.channels;
        let mut audio = frame::Audio::new(self.encoder.format(), count, self.encoder.channel_layout());
        audio.set_rate(self.encoder.rate());
        audio.set_pts(Some(self.sent));
        if audio.is_planar() {
            for channel in 0..self.channels {
                let of_channel = samples.iter().skip(channel).step_by(self.channels);
                audio.plane_mut::<f32>(channel).iter_mut().zip(of_channel).for_each(|(to, from)| *to = *from);
            }
        } else {
            let bytes = audio.data_mut(0);
            bytes.chunks_exact_mut(4).zip(samples).for_each(|(to, from)| to.copy_from_slice(&from.to_ne_bytes()));
        }
        self.sent += count as i64;
        self.encoder.send_frame(&audio)
    }
}
