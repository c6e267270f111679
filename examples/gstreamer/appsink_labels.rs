//! Labels of a video in an application: a pipeline of GStreamer, and its frames with the labels on them in an appsink.
//!
//! ```text
//! cargo run --release -p gst-plugin-perceiverflow --example appsink_labels -- MODEL file:///home/me/clip.mp4
//! ```
//!
//! MODEL is a folder with a `PerceiverForMultimodalAutoencoding`. Sound is left out here; `audio_sink` takes it.

use std::error::Error;

use gst::prelude::*;
use gst_app::AppSink;
use gstperceiverflow::meta::LabelsMeta;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, uri] = arguments.as_slice() else { return Err("usage: appsink_labels MODEL URI".into()) };
    gst::init()?;
    // The elements are part of this program: no plugin has to be installed.
    gstperceiverflow::plugin_register_static()?;
    let line = "uridecodebin name=source ! queue ! videoconvert \
                ! perceiverclassify name=classify result-policy=aligned top-k=1 ! appsink name=sink sync=false";
    let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let element = |name: &str| pipeline.by_name(name).ok_or("no such element");
    element("source")?.set_property("uri", uri);
    element("classify")?.set_property("model", model);
    let sink = element("sink")?.downcast::<AppSink>().map_err(|_| "no appsink")?;
    let mut last = None;
    let show = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        // Every frame carries the labels of its window; each window is told of once.
        if let Some(LabelsMeta { labels, window }) = sample.buffer().and_then(LabelsMeta::of)
            && last.replace(window.id) != Some(window.id)
        {
            let surest = labels.as_slice().first().map_or_else(|| "nothing".into(), ToString::to_string);
            println!("{:.3}: {surest}", window.stream_time.unwrap_or_default());
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(show).build());

    // Only the bus tells of errors: an appsink would wait for ever behind an element that failed.
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(gst::ClockTime::NONE, &ends));
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().into()),
        _ => Ok(()),
    }
}
