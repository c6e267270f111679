//! Windows as the model remembers them to pictures and sound.

use perceiverflow::{
    Result,
    tasks::{Autoencode, Head, Latents, VideoQueries},
    video_file::{DecodedWindow, Reconstruction},
};

use super::Encoded;

/// Asks for the pictures and the sound of windows that follow each other, as far as `file` holds them, and writes them.
pub(crate) fn push_decoded(
    file: &mut Reconstruction<'_>,
    task: &Autoencode,
    queries: VideoQueries,
    windows: &[Encoded],
) -> Result<()> {
    let latents: Vec<&Latents> = windows.iter().map(|window| &window.latents).collect();
    let ask = |wanted: bool, head: Head| if wanted { task.decode(&latents, head) } else { Ok(Vec::new()) };
    let mut video = ask(file.kind().video, Head::Video(queries))?.into_iter();
    let mut sound = ask(file.kind().sound, Head::Audio)?.into_iter();
    windows.iter().try_for_each(|Encoded { time, duration, .. }| {
        file.push(DecodedWindow { time: *time, duration: *duration, video: video.next(), sound: sound.next() })
    })
}
