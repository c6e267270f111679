//! Live pipelines: the latency is the truth, and a stream that fails does not hold the other up.

use gst::prelude::*;

use crate::stage::{Recorded, Run, audio_source, model, numbers, times, video_source};

/// Live sources into `perceiverpreprocess`, and what follows it.
fn live(rest: &str) -> Run {
    let live = |source: String| source.replacen("appsrc", "appsrc is-live=true", 1);
    Run::new(&format!(
        "perceiverpreprocess name=windows model={} ! {rest} {} ! windows.video_sink {} ! windows.audio_sink",
        model(),
        live(video_source()),
        live(audio_source())
    ))
}

#[test]
fn the_latency_is_a_window_a_frame_and_the_models_time() {
    let stage = |element: &str| format!("{element} model={} processing-latency=5000000", model());
    let run = live(&format!(
        "{} ! {} ! fakesink",
        stage("perceiverencode"),
        stage("perceiverdecode name=decode batch-timeout=1000000")
    ));
    let mut query = gst::query::Latency::new();
    assert!(run.element("decode").static_pad("src").unwrap().query(&mut query));
    let (is_live, least, _) = query.result();
    assert_eq!((is_live, least.mseconds()), (true, 80 + 40 + 5 + 5 + 1));
}

#[test]
fn sound_that_never_comes_is_waited_for_until_the_deadline_only() {
    let run = live("appsink name=out sync=false");
    let recorded = Recorded::open();
    for number in 0..5 {
        run.source("video").push_buffer(recorded.frame(number)).unwrap();
    }
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    let windows = [(); 2].map(|()| out.pull_sample().unwrap());
    assert_eq!(times(&windows), [(0, 80), (80, 80)]);
    let silence = &numbers(&windows[0])[2 * 3 * 8 * 8..];
    assert!(silence.iter().all(|&sample| sample == 0.0));
}
