//! Pictures and samples that a model makes of a file, by the program and by a pipeline.

use std::path::Path;

use gst::prelude::*;

use super::{APART, MODEL, latents::assert_same_latents, said};
use crate::launch::{command, succeeded};

/// The rate of the model's sound, which every codec takes.
const RATE: f64 = 8000.0;

/// How far apart pictures may be, in levels of 255, on average: those of the program went through a lossy codec.
const LEVELS: f64 = 8.0;

/// How far apart sounds may be, in the root mean square, of their own.
const UNLIKE: f64 = 0.1;

/// The cubic tables that `audioresample` takes otherwise are half a sample of the source late, 10 µs of most sounds.
const RESAMPLED: &str = "audioconvert ! audioresample sinc-filter-interpolation=linear";

/// Sound of less in the root mean square is next to silence, in which there is nothing to compare.
const SILENCE: f64 = 1e-3;

/// What a file decodes to, of one kind: begin in seconds and content of each buffer.
fn decoded(path: &Path, caps: &str) -> Vec<(f64, Vec<u8>)> {
    gst::init().unwrap();
    let convert = if caps.starts_with("video") { "videoconvert" } else { "audioconvert" };
    let line = format!("filesrc name=file ! decodebin ! {convert} ! {caps} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path);
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let buffers = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| {
        let buffer = sample.buffer().unwrap();
        (buffer.pts().unwrap().nseconds() as f64 / 1e9, buffer.map_readable().unwrap().to_vec())
    });
    let buffers = buffers.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    buffers
}

/// The sound of a file from time 0 on.
fn samples(path: &Path) -> Vec<f32> {
    let chunks = decoded(path, "audio/x-raw,format=F32LE,channels=1");
    let silence = vec![0.0; (chunks[0].0 * RATE).round() as usize];
    let bytes: Vec<u8> = chunks.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let sound = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    silence.into_iter().chain(sound).collect()
}

/// Latents, pictures and samples by the program and by a pipeline; they are asserted to be the same.
pub(super) fn assert_same_reconstruction(input: &Path, video: bool, audio: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut line = format!(
        "decodebin name=clip perceiverpreprocess name=windows model={MODEL} ! queue ! perceiverencode device=cpu model={MODEL} \
         ! tee name=latents matroskamux name=file ! filesink"
    );
    let patient = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";
    line += &format!(" location={}", text(&path("pipeline.mkv")));
    line += &format!(" latents. ! {patient} ! gdppay ! filesink location={}", text(&path("pipeline.latents")));
    for (there, head, convert) in [(video, "video", "videoconvert"), (audio, "audio", RESAMPLED)] {
        if there {
            line += &format!(
                " clip. ! queue ! {convert} ! windows.{head}_sink latents. ! {patient} ! perceiverdecode head={head} device=cpu \
                 model={MODEL} ! {head}/x-raw ! {patient} ! file."
            );
        }
    }
    let words = ["-q".into(), "filesrc".into(), format!("location={}", text(input)), "!".into()];
    let words = words.into_iter().chain(line.split_whitespace().map(str::to_owned));
    succeeded(&command("gst-launch-1.0").args(words).output().unwrap());
    assert_same_latents(input, &path("pipeline.latents"));
    let name = input.display();
    if video {
        said(MODEL, &["reconstruct", &text(input), "-o", &text(&path("program.mkv"))]);
        let [one, other] = ["program.mkv", "pipeline.mkv"].map(|file| decoded(&path(file), "video/x-raw,format=RGB"));
        assert_eq!(one.len(), other.len(), "{name}: pictures");
        for ((time, picture), (at, other)) in one.iter().zip(&other) {
            assert!((time - at).abs() <= APART, "{name}: {time} s and {at} s");
            let apart: f64 = picture.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            assert!(apart / picture.len() as f64 <= LEVELS, "{name}: {} levels apart at {time} s", apart / picture.len() as f64);
        }
    }
    if audio {
        said(MODEL, &["reconstruct", &text(input), "-o", &text(&path("program.wav"))]);
        let [one, other] = ["program.wav", "pipeline.mkv"].map(|file| samples(&path(file)));
        assert!(one.len().abs_diff(other.len()) <= (APART * RATE) as usize, "{name}: {} and {} samples", one.len(), other.len());
        let differences = one.iter().zip(&other).map(|(a, b)| a - b.clamp(-1.0, 1.0));
        let (level, apart) = (root_mean_square(one.iter().copied()), root_mean_square(differences));
        assert!(level >= SILENCE, "{name}: its sound is {level} in the root mean square");
        assert!(apart <= UNLIKE * level, "{name}: samples {apart} apart in the root mean square, of {level}");
    }
}

fn root_mean_square(numbers: impl ExactSizeIterator<Item = f32>) -> f64 {
    let count = numbers.len() as f64;
    (numbers.map(|number| f64::from(number).powi(2)).sum::<f64>() / count).sqrt()
}
