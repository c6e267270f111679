//! A server that has frames and samples already: it pushes them in with appsrc and takes a line of JSON for each window out.
//!
//! ```text
//! cargo run --release -p gst-plugin-perceiverflow --example server_with_appsrc -- MODEL
//! ```
//!
//! MODEL is a folder with a `PerceiverForMultimodalAutoencoding`. A second of picture and sound made here stands in for a network.

use std::{error::Error, io::Write, thread};

use gst::prelude::*;
use gst_app::{AppSink, AppSrc};

const LINE: &str = "\
    appsrc name=video format=time block=true caps=video/x-raw,format=RGB,width=64,height=48,framerate=25/1 ! queue ! classify.sink \
    appsrc name=audio format=time block=true caps=audio/x-raw,format=F32LE,layout=interleaved,channels=1,rate=48000 \
    ! queue ! audioresample ! classify.audio_sink \
    perceiverclassify name=classify top-k=1 ! fakesink \
    classify.text_src ! queue ! application/x-json ! appsink name=labels sync=false";

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args().nth(1).ok_or("usage: server_with_appsrc MODEL")?;
    gst::init()?;
    // The elements are part of this program: no plugin has to be installed.
    gstperceiverflow::plugin_register_static()?;
    let pipeline = gst::parse::launch(LINE)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let element = |name: &str| pipeline.by_name(name).ok_or("no such element");
    element("classify")?.set_property("model", model);
    let source = |name: &str| element(name)?.downcast::<AppSrc>().map_err(|_| "no appsrc");
    let (video, audio) = (source("video")?, source("audio")?);
    let labels = element("labels")?.downcast::<AppSink>().map_err(|_| "no appsink")?;
    let show = |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let bytes = sample.buffer().ok_or(gst::FlowError::Error)?.map_readable().map_err(|_| gst::FlowError::Error)?;
        std::io::stdout().write_all(&bytes).map(|()| gst::FlowSuccess::Ok).map_err(|_| gst::FlowError::Error)
    };
    labels.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(show).build());
    pipeline.set_state(gst::State::Playing)?;

    // A thread for each stream, since each waits for the other. One that is refused a buffer ends; the bus says why.
    thread::spawn(move || push(&video, |frame| vec![10 * frame as u8; 64 * 48 * 3]));
    thread::spawn(move || push(&audio, |frame| (0..1920).flat_map(|at| wave(1920 * frame + at)).collect()));
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::NONE, &ends));
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().into()),
        _ => Ok(()),
    }
}

/// Pushes a second of a stream, 40 ms in each buffer; `make` makes its bytes.
fn push(source: &AppSrc, make: impl Fn(u64) -> Vec<u8>) -> Result<gst::FlowSuccess, gst::FlowError> {
    let period = gst::ClockTime::from_mseconds(40);
    for number in 0..25 {
        let mut buffer = gst::Buffer::from_mut_slice(make(number));
        let times = buffer.get_mut().ok_or(gst::FlowError::Error)?;
        times.set_pts(period * number);
        times.set_duration(period);
        source.push_buffer(buffer)?;
    }
    source.end_of_stream()
}

/// A sample of 440 Hz.
fn wave(at: u64) -> [u8; 4] {
    (0.5 * (at as f32 / 48_000.0 * 440.0 * std::f32::consts::TAU).sin()).to_le_bytes()
}
