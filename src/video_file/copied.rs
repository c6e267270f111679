//! Sound and subtitles taken over from another file, packet by packet.

use std::path::{Path, PathBuf};

use ffmpeg_next::{
    Packet, Rational, Rescale,
    format::{
        context::{Input, Output},
        flag::Flags,
    },
    media,
    rescale::TIME_BASE,
};

use super::{
    container::write_sound,
    input::{self, is_damage, start_ticks},
    unwrapped::{describe_as, discard, holds, leading_samples},
};
use crate::error::{Error, Result};

/// The streams of a file that go into another one unchanged, read along with the pictures.
///
/// The file is opened a second time for it. That costs one more pass of its bytes and saves carrying packets through the model.
pub(super) struct CopiedStreams {
    path: PathBuf,
    input: Input,
    routes: Vec<Option<Route>>,
    held: Option<Packet>,
}

/// The way of one stream.
struct Route {
    to: usize,
    clock: Rational,
    start: i64,
    lowest: i64,
    next: i64,
}

impl CopiedStreams {
    /// Announces every sound stream of `path`, and every subtitle stream the container can hold, to `output`. Also says which
    /// subtitles cannot come along.
    ///
    /// # Errors
    /// When `path` cannot be read or the container of `destination` cannot hold its sound.
    pub(super) fn open(path: &Path, output: &mut Output, destination: &Path) -> Result<(Self, Vec<String>)> {
        let mut input = input::open(path)?;
        let negative = output.format().flags().contains(Flags::TS_NEGATIVE);
        let (mut routes, mut left_out) = (Vec::new(), Vec::new());
        for stream in input.streams() {
            let parameters = stream.parameters();
            let fits = || holds(&output.format(), parameters.id());
            let wanted = match parameters.medium() {
                media::Type::Audio if !fits() => {
                    let reason = format!(
                        "this kind of file cannot hold the {} sound of {}; accepted is another extension, such as mkv",
                        parameters.id().name(),
                        path.display()
                    );
                    return Err(Error::format(destination, reason));
                }
                media::Type::Audio => true,
                media::Type::Subtitle if fits() => true,
                media::Type::Subtitle => {
                    left_out.push(format!("stream {}, {} subtitles", stream.index(), parameters.id().name()));
                    false
                }
                _ => false,
            };
            if !wanted {
                routes.push(None);
                continue;
            }
            let clock = stream.time_base();
            let announce = |output: &mut Output| {
                let mut to = output.add_stream(None)?;
                describe_as(&mut to, &stream)?;
                to.set_time_base(clock);
                to.set_metadata(stream.metadata().to_owned());
                Ok(to.index())
            };
            let to = announce(output).map_err(|error: ffmpeg_next::Error| {
                Error::format(destination, format!("stream {} of {} cannot be added ({error})", stream.index(), path.display()))
            })?;
            let lowest = if negative { i64::MIN } else { -leading_samples(&stream) };
            routes.push(Some(Route { to, clock, start: start_ticks(&input, clock), lowest, next: lowest }));
        }
        for (mut stream, route) in input.streams_mut().zip(&routes) {
            if route.is_none() {
                discard(&mut stream);
            }
        }
        Ok((Self { path: path.to_owned(), input, routes, held: None }, left_out))
    }

    /// Writes the packets up to `until` microseconds from the start; all that are left without a limit.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub(super) fn write(&mut self, output: &mut Output, until: Option<i64>, destination: &Path) -> Result<()> {
        if self.routes.iter().all(Option::is_none) {
            return Ok(());
        }
        while let Some(packet) = self.next()? {
            let Some(Some(route)) = self.routes.get_mut(packet.stream()) else { continue };
            let at = packet.dts().or(packet.pts()).map(|at| at - route.start);
            if until.zip(at).is_some_and(|(until, at)| at.rescale(route.clock, TIME_BASE) > until) {
                self.held = Some(packet);
                return Ok(());
            }
            route.write(packet, output).map_err(|error| Error::format(destination, format!("writing sound failed ({error})")))?;
        }
        Ok(())
    }

    /// The packet held back, else the next one that can be read.
    fn next(&mut self) -> Result<Option<Packet>> {
        if let Some(packet) = self.held.take() {
            return Ok(Some(packet));
        }
        let mut failures = 0;
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => return Ok(Some(packet)),
                Err(error) if is_damage(error) && failures < input::FAILURES_IN_A_ROW => failures += 1,
                Err(ffmpeg_next::Error::Eof) => return Ok(None),
                Err(error) => return Err(Error::format(&self.path, format!("reading its sound failed ({error})"))),
            }
        }
    }
}

impl Route {
    /// Moves a packet to its stream and its clock. Its times count from the start and rise; what lies before anything the container
    /// can hold is the run-in of a codec, and is left out.
    fn write(&mut self, mut packet: Packet, output: &mut Output) -> Result<(), ffmpeg_next::Error> {
        let from_start = |at: Option<i64>| at.map(|at| at - self.start);
        let (pts, dts) = (from_start(packet.pts()), from_start(packet.dts()));
        let Some(wanted) = dts.or(pts) else { return Ok(()) };
        if pts.unwrap_or(wanted) < self.lowest {
            return Ok(());
        }
        let dts = wanted.max(self.next);
        self.next = dts + 1;
        packet.set_dts(Some(dts));
        packet.set_pts(Some(pts.unwrap_or(dts).max(dts)));
        packet.set_position(-1);
        packet.set_stream(self.to);
        write_sound(packet, self.clock, output)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        media::{Frame, Picture},
        video_file::{Ratio, Sound, VideoFormat, VideoReader, VideoWriter, show_libav_messages},
    };

    const RATE: Ratio = Ratio { numerator: 25, denominator: 1 };

    fn clip(path: &Path) {
        show_libav_messages(false);
        let format = VideoFormat::new(64, 48, RATE).unwrap();
        let mut writer = VideoWriter::create(path, &format, Sound::Samples { rate: 48_000, channels: 2 }).unwrap();
        for number in 0..25_u64 {
            let picture = Arc::new(Picture::from_fn(64, 48, |x, y| [(x + number as usize) as u8, y as u8, 0]));
            let time = Duration::from_millis(number * 40);
            writer.write(&Frame { picture, time, duration: Some(Duration::from_millis(40)) }).unwrap();
            let samples: Vec<f32> = (0..3840).map(|n| ((n / 2) as f32 * 0.03 * (1 + n % 2) as f32).sin() * 0.3).collect();
            writer.write_sound(&samples).unwrap();
        }
        writer.finish().unwrap();
    }

    fn copy(from: &Path, to: &Path) -> Result<()> {
        let mut reader = VideoReader::open(from)?;
        let mut writer = VideoWriter::create(to, &reader.format(), Sound::Copied(from))?;
        while let Some(frame) = reader.next_frame()? {
            writer.write(&frame)?;
        }
        writer.finish()
    }

    /// Time in microseconds and bytes of every sound packet, and whether any two packets of the file lie more than a second out of
    /// the order of their times.
    fn sound(path: &Path) -> (Vec<(i64, Vec<u8>)>, bool) {
        let mut input = input::open(path).unwrap();
        let (mut packets, mut latest, mut apart) = (Vec::new(), i64::MIN, false);
        let mut packet = Packet::empty();
        while packet.read(&mut input).is_ok() {
            let stream = input.stream(packet.stream()).unwrap();
            let at = packet.pts().unwrap().rescale(stream.time_base(), TIME_BASE);
            apart |= at + 1_000_000 < latest;
            latest = latest.max(at);
            if stream.parameters().medium() == media::Type::Audio {
                packets.push((at, packet.data().unwrap().to_vec()));
            }
            packet = Packet::empty();
        }
        (packets, apart)
    }

    /// The run-in of a codec lies before zero, where QuickTime files may have packets and Matroska may not.
    #[test]
    fn sound_is_copied_bit_by_bit_and_lies_beside_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        for (from, to, tolerance, earliest) in [
            ("a.mp4", "b.mp4", 0, i64::MIN),
            ("a.mp4", "b.mov", 0, i64::MIN),
            ("a.webm", "b.webm", 0, i64::MIN),
            ("a.mkv", "b.mkv", 0, 0),
            ("a.mp4", "c.mkv", 1000, 0),
            ("a.mkv", "c.mp4", 1000, i64::MIN),
        ] {
            let (from, to) = (folder.path().join(from), folder.path().join(to));
            clip(&from);
            copy(&from, &to).unwrap();
            let ((mut expected, _), (mut copied, apart)) = (sound(&from), sound(&to));
            expected.retain(|packet| packet.0 >= earliest);
            copied.retain(|packet| packet.0 >= earliest);
            assert_eq!((copied.len(), apart), (expected.len(), false), "{}", to.display());
            for ((at, bytes), (copied_at, copied_bytes)) in expected.iter().zip(&copied) {
                assert!(bytes == copied_bytes, "{} at {at}", to.display());
                assert!((at - copied_at).abs() <= tolerance, "{}: {at} became {copied_at}", to.display());
            }
        }
    }

    #[test]
    fn sound_that_does_not_fit_is_refused_with_both_files_named() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a.mp4"), folder.path().join("b.webm"));
        clip(&from);
        let message = copy(&from, &to).unwrap_err().to_string();
        assert!(["a.mp4", "b.webm", "aac", "mkv"].iter().all(|part| message.contains(part)), "{message}");
        assert!(!to.exists());
    }
}
