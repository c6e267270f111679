//! Multimodal autoencoding: the pictures and the sound of a video through one small array of latents, and back.
//!
//! ```text
//! cargo run --release --example multimodal_autoencoding -- MODEL clip.mp4
//! ```
//!
//! MODEL is a folder with a `PerceiverForMultimodalAutoencoding`, or the id of one on the Hub that was pulled before.

use perceiverflow::{
    Error, Result,
    compute::{DeviceChoice, Precision},
    media::{ClipOptions, ClipStream, ClipWindow},
    tasks::{Autoencode, Framing, Head, ReconstructionError, VideoQueries},
    video_file::{Media, MediaReader},
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, video] = arguments.as_slice() else {
        return Err(Error::option("arguments", arguments.join(" "), "MODEL VIDEO"));
    };
    let task = Autoencode::open(model, DeviceChoice::Auto, Precision::Auto)?;
    let preprocessor = task.preprocessor(Framing::Crop);
    let shape = preprocessor.shape();
    let mut reader = MediaReader::open(video, shape.sample_rate)?;
    let (has_video, has_sound) = (reader.video_format().is_some(), reader.has_sound());
    let mut windows = ClipWindow::new(shape, ClipOptions::new(&shape, has_video, has_sound))?;

    let mut ended = false;
    while !ended {
        match reader.next_media()? {
            Some(Media::Frame(frame)) => windows.push_frame(frame)?,
            Some(Media::Audio(chunk)) => windows.push_audio(chunk)?,
            None => {
                [ClipStream::Video, ClipStream::Audio].into_iter().for_each(|stream| windows.finish(stream));
                ended = true;
            }
        }
        while let Some(clip) = windows.next()? {
            let inputs = preprocessor.preprocess(&clip)?;
            // Encoded once. What is asked for afterwards costs as much as it is large: a label next to nothing, every pixel most.
            let latents = task.encode(&[&inputs])?;
            let ask = |head: Head| Ok::<_, Error>(task.decode(&[&latents[0]], head)?.remove(0));
            let every = VideoQueries::default();
            let levels = ask(Head::Video(every))?;
            let pictures = ReconstructionError::of_video(&inputs, &levels, task.video_grid(), every)?;
            let sound = ReconstructionError::of_audio(&inputs, &ask(Head::Audio)?)?;
            let labels = task.labels(&ask(Head::Labels)?);
            let surest = labels.as_slice().first().map_or("nothing", |label| &label.name);
            println!(
                "{:7.3} s: {surest}; pictures {:.1} dB PSNR, sound {:.1} dB SNR",
                clip.time.as_secs_f64(),
                pictures.decibels,
                sound.decibels
            );
        }
    }
    Ok(())
}
