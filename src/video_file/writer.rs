//! From frames to a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ffmpeg_next::{
    Dictionary, Error as LibavError, Packet, Rational, Rescale,
    format::{
        self,
        context::{Output, StreamIo},
        flag::Flags,
    },
    rescale::TIME_BASE,
};

use super::{
    VideoFormat,
    container::{Container, write_sound},
    copied::CopiedStreams,
    encoder::{VideoEncoder, rational},
    libav,
    pcm::PcmEncoder,
    time::Timeline,
    unwrapped::set_pixel_aspect,
};
use crate::{
    error::{Error, Result},
    formats::PendingFile,
    media::Frame,
};

/// A QuickTime clock ticks at least this often a second; slower ones are doubled until they do.
const SLOWEST_QUICKTIME_CLOCK: u32 = 10_000;

/// The stream of the pictures is announced first.
const VIDEO: usize = 0;

/// What is to be heard.
#[derive(Clone, Copy, Debug)]
pub enum Sound<'a> {
    /// Nothing.
    None,
    /// The sound of another file, bit by bit, and its subtitles where the container can hold them.
    Copied(&'a Path),
    /// Samples that come with the frames, through [`VideoWriter::write_sound`].
    Samples {
        /// Samples of a channel in a second.
        rate: u32,
        /// Number of channels.
        channels: u32,
    },
}

/// A video file in the making: it has its name only once [`VideoWriter::finish`] has succeeded. Dropped before, it leaves nothing.
///
/// The extension chooses: H.264 (MPEG-4 part 2 where libav lacks libx264) in mp4, m4v, mov and mkv, VP9 in webm; always YUV 4:2:0 at
/// constant quality. H.264 has no odd sides: there the last column or row is repeated once. Frames keep their times to the tick of
/// [`VideoFormat::time_base`]; mkv and webm, which count milliseconds, round them to those.
pub struct VideoWriter {
    path: PathBuf,
    output: Output,
    unfinished: PendingFile,
    format: VideoFormat,
    timeline: Timeline,
    video: VideoEncoder,
    sound: Track,
    left_out: Vec<String>,
}

/// Where sound comes from.
enum Track {
    None,
    Copied(CopiedStreams),
    Samples { encoder: PcmEncoder, stream: usize },
}

impl VideoWriter {
    /// Begins the file `path` for pictures of `format`.
    ///
    /// # Errors
    /// When the extension names no container, the folder cannot be written to, libav lacks an encoder, or the container cannot hold
    /// the sound.
    pub fn create(path: impl AsRef<Path>, format: &VideoFormat, sound: Sound<'_>) -> Result<Self> {
        libav::start();
        let path = path.as_ref();
        let container = Container::of(path)?;
        let codec = container.video_encoder(path)?;
        let failed = |error: LibavError| Error::format(path, format!("the video cannot be begun ({error})"));

        let mut unfinished = PendingFile::create(path)?;
        let file = unfinished.file().try_clone().map_err(Error::io(path))?;
        let mut output = StreamIo::from_write_seek(file)
            .and_then(|file| format::output_to_stream(file, None, Some(container.muxer)))
            .map_err(failed)?;
        let global_header = output.format().flags().contains(Flags::GLOBAL_HEADER);

        let video = VideoEncoder::open(codec, format, global_header)
            .map_err(|error| Error::format(path, format!("the encoder {} refuses the video ({error})", codec.name())))?;
        let mut stream = output.add_stream_with(video.context()).map_err(failed)?;
        stream.set_time_base(rational(format.time_base.seconds()));
        stream.set_avg_frame_rate(rational(format.frame_rate));
        set_pixel_aspect(&mut stream, format.pixel_aspect);

        let mut left_out = Vec::new();
        let sound = match sound {
            Sound::None => Track::None,
            Sound::Copied(source) => {
                let (copied, without) = CopiedStreams::open(source, &mut output, path)?;
                left_out = without;
                Track::Copied(copied)
            }
            Sound::Samples { rate, channels } => {
                let codec = container.sound_encoder(path)?;
                let encoder = PcmEncoder::open(codec, rate, channels, global_header).map_err(|error| {
                    let refused = format!("the encoder {} refuses {channels} channels at {rate} Hz ({error})", codec.name());
                    Error::format(path, refused)
                })?;
                let stream = output.add_stream_with(encoder.context()).map_err(failed)?.index();
                Track::Samples { encoder, stream }
            }
        };
        output.write_header_with(header_options(container, format)).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            output,
            unfinished,
            format: *format,
            timeline: Timeline::new(0, 1),
            video,
            sound,
            left_out,
        })
    }

    /// What of the copied file this one cannot hold, a line for each stream.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Adds a frame. Frames come in the order of their times; one that is not later than the last is moved one tick behind it.
    ///
    /// # Errors
    /// When the picture has another size than the video, or encoding or writing fails.
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        let picture = &*frame.picture;
        if (picture.width(), picture.height()) != (self.format.width, self.format.height) {
            let accepted = format!("{} rows and {} columns, as the video began", self.format.height, self.format.width);
            return Err(Error::tensor("picture", (picture.height(), picture.width()), accepted));
        }
        let clock = self.format.time_base;
        let at = self.timeline.place(Some(clock.ticks(frame.time) as i64));
        let duration = frame.duration.unwrap_or_else(|| Duration::from_secs_f64(self.format.frame_rate.inverse().value()));
        let sent = self.video.send(picture, frame.time, at, clock.ticks(duration).max(1));
        sent.map_err(|error| self.failed("encoding", error))?;
        self.write_ready()
    }

    /// Adds sound: samples from -1 to 1, the channels in turn. It lies where the sound before it ended, the first at the start.
    ///
    /// # Errors
    /// When the writer was not created for samples, or encoding or writing fails.
    pub fn write_sound(&mut self, samples: &[f32]) -> Result<()> {
        let Track::Samples { encoder, stream } = &mut self.sound else {
            return Err(Error::option("sound", "samples", "samples only for a writer created with Sound::Samples"));
        };
        let (stream, clock, packets) = (*stream, encoder.clock(), encoder.send(samples));
        self.write_samples(packets.map_err(|error| self.failed("encoding sound", error))?, stream, clock)
    }

    /// Writes what the encoders still hold and the rest of the sound, closes the file and gives it its name.
    ///
    /// # Errors
    /// When encoding or writing fails; then nothing is left.
    pub fn finish(mut self) -> Result<()> {
        let ended = self.video.finish();
        ended.map_err(|error| self.failed("encoding", error))?;
        self.write_ready()?;
        match &mut self.sound {
            Track::None => {}
            Track::Copied(copied) => copied.write(&mut self.output, None, &self.path)?,
            Track::Samples { encoder, stream } => {
                let (stream, clock, packets) = (*stream, encoder.clock(), encoder.finish());
                self.write_samples(packets.map_err(|error| self.failed("encoding sound", error))?, stream, clock)?;
            }
        }
        let closed = self.output.write_trailer();
        closed.map_err(|error| self.failed("writing", error))?;
        drop(self.output);
        self.unfinished.publish()
    }

    /// Moves the pictures that are ready into the file, each behind the copied sound that goes before it.
    fn write_ready(&mut self) -> Result<()> {
        let clock = rational(self.format.time_base.seconds());
        loop {
            let received = self.video.receive();
            let Some(packet) = received.map_err(|error| self.failed("encoding", error))? else { return Ok(()) };
            if let Track::Copied(copied) = &mut self.sound {
                let until = packet.dts().map(|at| at.rescale(clock, TIME_BASE));
                copied.write(&mut self.output, until, &self.path)?;
            }
            self.write_picture(packet, clock)?;
        }
    }

    fn write_picture(&mut self, mut packet: Packet, clock: Rational) -> Result<()> {
        let Some(to) = self.output.stream(VIDEO).map(|stream| stream.time_base()) else { return Ok(()) };
        packet.set_stream(VIDEO);
        packet.rescale_ts(clock, to);
        packet.write_interleaved(&mut self.output).map_err(|error| self.failed("writing", error))
    }

    fn write_samples(&mut self, packets: Vec<Packet>, stream: usize, clock: Rational) -> Result<()> {
        for mut packet in packets {
            packet.set_stream(stream);
            write_sound(packet, clock, &mut self.output).map_err(|error| self.failed("writing sound", error))?;
        }
        Ok(())
    }

    fn failed(&self, doing: &str, error: LibavError) -> Error {
        Error::format(&self.path, format!("{doing} failed ({error})"))
    }
}

impl std::fmt::Debug for VideoWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoWriter").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

/// What keeps the times. Sound that begins before zero, the run-in of its codec, must not push the pictures later. QuickTime files
/// tell when a track begins by the clock of the whole; it has to tick as the frames do, or a late first frame moves.
fn header_options(container: &Container, format: &VideoFormat) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("avoid_negative_ts", "disabled");
    if matches!(container.muxer, "mp4" | "mov") {
        let mut clock = format.time_base.seconds().denominator;
        while clock < SLOWEST_QUICKTIME_CLOCK {
            clock *= 2;
        }
        options.set("movie_timescale", &clock.to_string());
    }
    options
}
