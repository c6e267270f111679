//! What does not fit is refused in words.

use gst::prelude::*;

use crate::stage::{Recorded, Run, copied_model, init, line, model, path, video_source};

/// The error of an element that does not start.
fn refused(line: &str) -> String {
    init();
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let message = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]).expect("an error");
    pipeline.set_state(gst::State::Null).unwrap();
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    format!("{} {}", error.error(), error.debug().unwrap_or_default())
}

#[test]
fn latents_of_another_model() {
    // Another id2label, and so another hash.
    let other = copied_model(|config| config.replacen("LABEL_6", "LABEL_SIX", 1));
    let decode = format!("perceiverdecode model={} head=labels", path(other.path()));
    let run = Run::new(&line("", &format!("perceiverencode model={} ! {decode} ! text/x-raw ! fakesink", model())));
    run.push_all(&Recorded::open());
    let error = run.error();
    assert!(error.contains("perceiver-hash") && error.contains("accepted is"), "{error}");
}

#[test]
fn windows_of_another_model() {
    let other = copied_model(|config| config.replacen("\"sample_rate\": 800", "\"sample_rate\": 1600", 1));
    let run = Run::new(&line("", &format!("perceiverencode model={} ! fakesink", path(other.path()))));
    run.push_all(&Recorded::open());
    let error = run.error();
    assert!(error.contains("perceiver-rate=(int)1600") && error.contains("perceiver-rate=(int)800"), "{error}");
}

#[test]
fn sound_at_another_rate() {
    let run = Run::new(&format!(
        "perceiverpreprocess name=windows model={} ! fakesink {} ! windows.video_sink appsrc name=audio format=time \
         caps=audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved ! windows.audio_sink",
        model(),
        video_source()
    ));
    run.source("audio").push_buffer(Recorded::open().sound(0)).unwrap();
    let error = run.error();
    assert!(error.contains("rate=(int)800") && error.contains("audioresample"), "{error}");
}

#[test]
fn settings_that_the_model_does_not_take() {
    let [own, flow] = [model(), concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/flow")];
    let cases = [
        (format!("perceiverpreprocess model={own} window-frames=3"), ["window-frames", "2, the model's"]),
        (format!("perceiverpreprocess model={flow}"), ["architectures", "PerceiverForMultimodalAutoencoding"]),
        ("perceiverpreprocess model=builtin:nothing".into(), ["builtin:nothing", "builtin:av"]),
        ("perceiverencode model=builtin:nothing".into(), ["builtin:nothing", "builtin:av"]),
        (format!("perceiverdecode model={own} query-roi=1,2,3"), ["query-roi", "x,y,width,height"]),
        (format!("perceiverdecode model={own} query-roi=5,5,4,4"), ["query-roi", "8x8"]),
        (format!("perceiverdecode model={own} labels-file=/nowhere/at/all"), ["/nowhere/at/all", ""]),
    ];
    for (element, expected) in cases {
        let error = refused(&format!("{element} ! fakesink"));
        assert!(expected.iter().all(|text| error.contains(text)), "{element}: {error}");
    }
}
