//! The sound of a file that is made of samples.

use ffmpeg_next::Packet;

use super::{
    container::{Container, write_sound},
    output_file::OutputFile,
    pcm::PcmEncoder,
};
use crate::error::{Error, Result};

/// An encoder and the stream its packets go to.
pub(super) struct SoundTrack {
    encoder: PcmEncoder,
    stream: usize,
}

impl SoundTrack {
    /// Announces a stream of `channels` channels, `rate` samples a second each.
    ///
    /// # Errors
    /// When libav lacks the encoder, or that refuses the rate or the channels.
    pub(super) fn add(file: &mut OutputFile, container: &Container, rate: u32, channels: u32) -> Result<Self> {
        let codec = container.sound_encoder(&file.path)?;
        let encoder = PcmEncoder::open(codec, rate, channels, file.global_header()).map_err(|error| {
            let refused = format!("the encoder {} refuses {channels} channels at {rate} Hz ({error})", codec.name());
            Error::format(&file.path, refused)
        })?;
        let added = file.output.add_stream_with(encoder.context()).map(|stream| stream.index());
        let stream = added.map_err(|error| file.failed("adding the sound", error))?;
        Ok(Self { encoder, stream })
    }

    /// Adds samples, the channels in turn, where those before ended.
    pub(super) fn write(&mut self, samples: &[f32], file: &mut OutputFile) -> Result<()> {
        let packets = self.encoder.send(samples).map_err(|error| file.failed("encoding sound", error))?;
        self.write_packets(packets, file)
    }

    /// Adds what the encoder still holds.
    pub(super) fn finish(&mut self, file: &mut OutputFile) -> Result<()> {
        let packets = self.encoder.finish().map_err(|error| file.failed("encoding sound", error))?;
        self.write_packets(packets, file)
    }

    fn write_packets(&self, packets: Vec<Packet>, file: &mut OutputFile) -> Result<()> {
        for mut packet in packets {
            packet.set_stream(self.stream);
            let written = write_sound(packet, self.encoder.clock(), &mut file.output);
            written.map_err(|error| file.failed("writing sound", error))?;
        }
        Ok(())
    }
}
