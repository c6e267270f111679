//! From frames to a file.

use std::{path::Path, time::Duration};

use ffmpeg_next::{Dictionary, Error as LibavError, Packet, Rational, Rescale, rescale::TIME_BASE};

use super::{
    VideoFormat,
    container::Container,
    copied::CopiedStreams,
    encoder::{VideoEncoder, rational},
    output_file::OutputFile,
    sound_track::SoundTrack,
    time::Timeline,
    unwrapped::set_pixel_aspect,
};
use crate::{
    error::{Error, Result},
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
    file: OutputFile,
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
    Samples(SoundTrack),
}

impl VideoWriter {
    /// Begins the file `path` for pictures of `format`.
    ///
    /// # Errors
    /// When the extension names no container, the folder cannot be written to, libav lacks an encoder, or the container cannot hold
    /// the sound.
    pub fn create(path: impl AsRef<Path>, format: &VideoFormat, sound: Sound<'_>) -> Result<Self> {
        let path = path.as_ref();
        let container = Container::of(path, true)?;
        let codec = container.video_encoder(path)?;
        let mut file = OutputFile::create(path, container)?;
        let begun = |error: LibavError| OutputFile::failure(path, "beginning the video", error);

        let video = VideoEncoder::open(codec, format, file.global_header())
            .map_err(|error| Error::format(path, format!("the encoder {} refuses the video ({error})", codec.name())))?;
        let mut stream = file.output.add_stream_with(video.context()).map_err(begun)?;
        stream.set_time_base(rational(format.time_base.seconds()));
        stream.set_avg_frame_rate(rational(format.frame_rate));
        set_pixel_aspect(&mut stream, format.pixel_aspect);

        let mut left_out = Vec::new();
        let sound = match sound {
            Sound::None => Track::None,
            Sound::Copied(source) => {
                let (copied, without) = CopiedStreams::open(source, &mut file.output, path)?;
                left_out = without;
                Track::Copied(copied)
            }
            Sound::Samples { rate, channels } => Track::Samples(SoundTrack::add(&mut file, container, rate, channels)?),
        };
        file.begin(header_options(container, format))?;
        Ok(Self { file, format: *format, timeline: Timeline::new(0, 1), video, sound, left_out })
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
        sent.map_err(|error| self.file.failed("encoding", error))?;
        self.write_ready()
    }

    /// Adds sound: samples from -1 to 1, the channels in turn. It lies where the sound before it ended, the first at the start.
    ///
    /// # Errors
    /// When the writer was not created for samples, or encoding or writing fails.
    pub fn write_sound(&mut self, samples: &[f32]) -> Result<()> {
        let Track::Samples(track) = &mut self.sound else {
            return Err(Error::option("sound", "samples", "samples only for a writer created with Sound::Samples"));
        };
        track.write(samples, &mut self.file)
    }

    /// Writes what the encoders still hold and the rest of the sound, closes the file and gives it its name.
    ///
    /// # Errors
    /// When encoding or writing fails; then nothing is left.
    pub fn finish(mut self) -> Result<()> {
        let ended = self.video.finish();
        ended.map_err(|error| self.file.failed("encoding", error))?;
        self.write_ready()?;
        match &mut self.sound {
            Track::None => {}
            Track::Copied(copied) => copied.write(&mut self.file.output, None, &self.file.path)?,
            Track::Samples(track) => track.finish(&mut self.file)?,
        }
        self.file.publish()
    }

    /// Moves the pictures that are ready into the file, each behind the copied sound that goes before it.
    fn write_ready(&mut self) -> Result<()> {
        let clock = rational(self.format.time_base.seconds());
        loop {
            let received = self.video.receive();
            let Some(packet) = received.map_err(|error| self.file.failed("encoding", error))? else { return Ok(()) };
            if let Track::Copied(copied) = &mut self.sound {
                let until = packet.dts().map(|at| at.rescale(clock, TIME_BASE));
                copied.write(&mut self.file.output, until, &self.file.path)?;
            }
            self.write_picture(packet, clock)?;
        }
    }

    fn write_picture(&mut self, mut packet: Packet, clock: Rational) -> Result<()> {
        let Some(to) = self.file.output.stream(VIDEO).map(|stream| stream.time_base()) else { return Ok(()) };
        packet.set_stream(VIDEO);
        packet.rescale_ts(clock, to);
        packet.write_interleaved(&mut self.file.output).map_err(|error| self.file.failed("writing", error))
    }
}

impl std::fmt::Debug for VideoWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoWriter").field("path", &self.file.path).field("format", &self.format).finish_non_exhaustive()
    }
}

/// What keeps the times. QuickTime files tell when a track begins by the clock of the whole; it has to tick as the frames do, or a
/// late first frame moves.
fn header_options(container: &Container, format: &VideoFormat) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    if matches!(container.muxer, "mp4" | "mov") {
        let mut clock = format.time_base.seconds().denominator;
        while clock < SLOWEST_QUICKTIME_CLOCK {
            clock *= 2;
        }
        options.set("movie_timescale", &clock.to_string());
    }
    options
}
