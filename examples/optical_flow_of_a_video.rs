//! Optical flow of a video: the mean motion of each frame, and pictures with the motion drawn on them.
//!
//! ```text
//! cargo run --release --example optical_flow_of_a_video -- OUT VIDEO
//! ```
//!
//! Without a VIDEO, a short clip of our own scene is rendered into the folder OUT first.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use perceiverflow::{
    Error, Result,
    compute::{DeviceChoice, Precision},
    media::{Frame, PairWindow},
    render::{FlowStyle, draw_flow},
    scene::demo_scene,
    tasks::{OpticalFlow, Tiling},
    video_file::{Ratio, Sound, VideoFormat, VideoReader, VideoWriter},
};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or_else(|| "flow".into());
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let video = arguments.next().map_or_else(|| rendered(folder.join("clip.mp4")), Ok)?;

    let task = OpticalFlow::open("builtin:flow", DeviceChoice::Auto, Precision::Auto)?;
    let mut reader = VideoReader::open(&video)?;
    let mut window = PairWindow::new(1, 1)?;
    while let Some(frame) = reader.next_frame()? {
        // A window is complete from the second frame on; its flow lies on the earlier of its two frames.
        let Some(pair) = window.push(frame) else { continue };
        let field = task.estimate(&[(&pair.first, &pair.second)], Tiling::default())?.remove(0);
        println!("{:.2} s: mean motion {:.2} pixels", pair.time.as_secs_f64(), field.mean_magnitude());
        let mut picture = (*pair.first).clone();
        draw_flow(&mut picture, &field, &FlowStyle::default())?;
        save(&folder.join(format!("flow_{:06}.png", pair.index)), &picture.to_png())?;
    }
    Ok(())
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::io(path))
}

fn rendered(path: PathBuf) -> Result<PathBuf> {
    let scene = demo_scene(160, 120);
    let format = VideoFormat::new(scene.width(), scene.height(), Ratio { numerator: 25, denominator: 1 })?;
    let mut writer = VideoWriter::create(&path, &format, Sound::None)?;
    for number in 0..5 {
        let picture = Arc::new(scene.picture(number as f32));
        writer.write(&Frame { picture, time: format.time_base.time(number), duration: None })?;
    }
    writer.finish()?;
    Ok(path)
}
