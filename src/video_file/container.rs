//! What goes into which file: chosen by the extension.

use std::path::Path;

use ffmpeg_next::{
    Codec, Packet, Rational,
    codec::Id,
    encoder,
    format::{self, context::Output},
};

use super::unwrapped::leading_samples;
use crate::error::{Error, Result};

/// The libavformat of FFmpeg 6.
const FIRST_WITH_RUN_IN: u32 = 60;

/// A kind of file: of pictures at uneven times and sound, or of sound alone.
#[derive(Debug)]
pub(super) struct Container {
    /// Its extension, in lower case.
    pub(super) extension: &'static str,
    /// libav's name for its writer.
    pub(super) muxer: &'static str,
    video: &'static [&'static str],
    sound: &'static [&'static str],
}

const H264: &[&str] = &["libx264", "mpeg4"];
const AAC: &[&str] = &["aac"];

const OPUS: &[&str] = &["libopus"];

const CONTAINERS: [Container; 9] = [
    Container { extension: "mp4", muxer: "mp4", video: H264, sound: AAC },
    Container { extension: "m4v", muxer: "mp4", video: H264, sound: AAC },
    Container { extension: "mov", muxer: "mov", video: H264, sound: AAC },
    Container { extension: "mkv", muxer: "matroska", video: H264, sound: AAC },
    Container { extension: "webm", muxer: "webm", video: &["libvpx-vp9"], sound: OPUS },
    Container { extension: "wav", muxer: "wav", video: &[], sound: &["pcm_f32le"] },
    Container { extension: "m4a", muxer: "ipod", video: &[], sound: AAC },
    Container { extension: "ogg", muxer: "ogg", video: &[], sound: OPUS },
    Container { extension: "opus", muxer: "opus", video: &[], sound: OPUS },
];

impl Container {
    /// The container that `path` names by its extension, for pictures or for sound alone.
    pub(super) fn of(path: &Path, pictures: bool) -> Result<&'static Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
        let fits = || CONTAINERS.iter().filter(|container| !pictures || !container.video.is_empty());
        fits().find(|container| container.extension == extension).ok_or_else(|| {
            let known: Vec<&str> = fits().map(|container| container.extension).collect();
            let kind = if pictures { "video" } else { "sound" };
            Error::format(
                path,
                format!("extension `{extension}` names no kind of {kind} file; accepted are {}", known.join(", ")),
            )
        })
    }

    /// The best encoder for its pictures that libav has.
    pub(super) fn video_encoder(&self, path: &Path) -> Result<Codec> {
        first_there(path, self.video)
    }

    /// The best encoder for its sound that libav has.
    pub(super) fn sound_encoder(&self, path: &Path) -> Result<Codec> {
        first_there(path, self.sound)
    }
}

/// Writes a packet of sound (or a subtitle) timed by `clock` to the stream it is marked for, between the other streams' packets.
///
/// Matroska tells how long the run-in of Opus is, and readers subtract it. FFmpeg before 6 tells it without adding it to the times.
pub(super) fn write_sound(mut packet: Packet, clock: Rational, output: &mut Output) -> Result<(), ffmpeg_next::Error> {
    let stream = output.stream(packet.stream()).ok_or(ffmpeg_next::Error::StreamNotFound)?;
    packet.rescale_ts(clock, stream.time_base());
    let matroska = matches!(output.format().name(), "matroska" | "webm");
    if matroska && format::version() >> 16 < FIRST_WITH_RUN_IN && stream.parameters().id() == Id::OPUS {
        let run_in = leading_samples(&stream);
        packet.set_pts(packet.pts().map(|at| at + run_in));
        packet.set_dts(packet.dts().map(|at| at + run_in));
    }
    packet.write_interleaved(output)
}

/// Every encoder that some container asks for, each once.
pub(super) fn encoders() -> impl Iterator<Item = &'static str> {
    let all = || CONTAINERS.iter().flat_map(|container| container.video.iter().chain(container.sound).copied());
    all().enumerate().filter(move |&(index, name)| !all().take(index).any(|earlier| earlier == name)).map(|(_, name)| name)
}

fn first_there(path: &Path, names: &[&str]) -> Result<Codec> {
    names.iter().find_map(|name| encoder::find_by_name(name)).ok_or_else(|| {
        Error::format(path, format!("this build of FFmpeg's libavcodec has none of the encoders {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_choose_in_any_case() {
        assert_eq!(Container::of(Path::new("a/b.c/clip.MKV"), true).unwrap().muxer, "matroska");
        for name in ["clip.gif", "clip", "mp4", "sound.wav"] {
            let message = Container::of(Path::new(name), true).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("mkv"), "{message}");
        }
        assert_eq!(Container::of(Path::new("sound.wav"), false).unwrap().muxer, "wav");
        assert!(Container::of(Path::new("sound.txt"), false).unwrap_err().to_string().contains("wav"));
    }

    #[test]
    fn each_encoder_is_named_once() {
        let names: Vec<&str> = encoders().collect();
        assert_eq!(names, ["libx264", "mpeg4", "aac", "libvpx-vp9", "libopus", "pcm_f32le"]);
    }
}
