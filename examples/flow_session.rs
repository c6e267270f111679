//! The library alone: frames in, optical flow out, one stream, no pipeline.
//!
//! ```text
//! cargo run --release --example flow_session -- flow.png
//! ```

use std::{path::PathBuf, sync::Arc, time::Duration};

use perceiverflow::{
    Result,
    compute::{DeviceChoice, Precision},
    engine::FlowSession,
    media::{Frame, PairWindow},
    render::{FlowStyle, draw_flow},
    scene::demo_scene,
    tasks::{OpticalFlow, Tiling},
};

fn main() -> Result<()> {
    let output = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("flow.png"), PathBuf::from);
    let task = Arc::new(OpticalFlow::open("builtin:flow", DeviceChoice::Auto, Precision::Auto)?);
    let mut session = FlowSession::new(task, PairWindow::new(1, 1)?, Tiling::default());
    let scene = demo_scene(320, 240);
    for number in 0..5 {
        let mut picture = scene.picture(number as f32);
        let time = Duration::from_millis(40 * number);
        let frame = Frame { picture: Arc::new(picture.clone()), time, duration: None };
        // A window is complete from the second frame on; its flow lies on the earlier of its two frames.
        if let Some(result) = session.push(frame)? {
            println!("{:>4} ms: mean motion {:.2} pixels", result.time.as_millis(), result.field.mean_magnitude());
            draw_flow(&mut picture, &result.field, &FlowStyle::default())?;
            std::fs::write(&output, picture.to_png()).map_err(perceiverflow::Error::io(&output))?;
        }
    }
    Ok(())
}
