//! When the model cannot keep up: windows drop by the policy, and everything is counted and said.

use gst::prelude::*;
use gst_check::Harness;
use gstperceiverflow::Leaky;

use crate::stage::{Recorded, Run, copied_model, line, path};

/// Windows out of `perceiverpreprocess`.
fn windows() -> Vec<gst::Sample> {
    let run = Run::new(&line("", "appsink name=out sync=false"));
    run.push_all(&Recorded::open());
    run.pull("out")
}

#[test]
fn a_stream_faster_than_the_model_is_bounded_and_every_drop_is_told() {
    let windows = windows();
    for (leaky, survivor) in [(Leaky::Downstream, 3), (Leaky::Upstream, 0)] {
        // The batch waits for more windows than come, so that all of them meet a busy model.
        let folder = copied_model(|config| config);
        let element = gst::ElementFactory::make("perceiverencode")
            .property("model", path(folder.path()))
            .property("batch-size", 64u32)
            .property("batch-timeout", 2_000_000_000u64)
            .property("max-size-buffers", 1u32)
            .property("leaky", leaky)
            .build()
            .unwrap();
        let bus = gst::Bus::new();
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        element.set_bus(Some(&bus));
        harness.set_src_caps(windows[0].caps().unwrap().to_owned());
        harness.play();
        for window in &windows {
            harness.push(window.buffer_owned().unwrap()).unwrap();
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        let stats = element.property::<gst::Structure>("stats");
        let stat = |name: &str| stats.get::<u64>(name).unwrap();
        assert_eq!((stat("windows-in"), stat("windows-out"), stat("windows-dropped")), (4, 1, 3), "{leaky:?}");
        assert_eq!(harness.pull().unwrap().offset(), survivor, "{leaky:?}");
        let gaps = std::iter::from_fn(|| harness.try_pull_event()).filter(|event| event.type_() == gst::EventType::Gap);
        assert_eq!(gaps.count(), 3, "{leaky:?}");
        let told: u64 = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]))
            .map(|message| {
                let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
                warning.details().unwrap().get::<u64>("leaked").unwrap()
            })
            .sum();
        assert_eq!(told, 3, "{leaky:?}");
    }
}

#[test]
fn a_leaky_encoder_never_holds_more_windows_than_it_says() {
    const SPARE: u32 = 3;
    let windows = windows();
    for leaky in [Leaky::Downstream, Leaky::Upstream] {
        // Batches of 64 that wait for longer than the test takes stand for a slow model: it has one window, and others wait.
        let folder = copied_model(|config| config);
        let element = gst::ElementFactory::make("perceiverencode")
            .property("model", path(folder.path()))
            .property("batch-size", 64u32)
            .property("batch-timeout", 2_000_000_000u64)
            .property("max-size-buffers", SPARE)
            .property("leaky", leaky)
            .build()
            .unwrap();
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(windows[0].caps().unwrap().to_owned());
        harness.play();
        for window in windows.iter().cycle().take(40) {
            harness.push(window.buffer_owned().unwrap()).unwrap();
            let stats = element.property::<gst::Structure>("stats");
            let [given, out, dropped] =
                ["windows-in", "windows-out", "windows-dropped"].map(|name| stats.get::<u64>(name).unwrap());
            assert!(given - out - dropped <= u64::from(SPARE) + 1, "{leaky:?}: {stats}");
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        let stats = element.property::<gst::Structure>("stats");
        let [out, dropped] = ["windows-out", "windows-dropped"].map(|name| stats.get::<u64>(name).unwrap());
        assert!(out + dropped == 40 && dropped >= 30, "{leaky:?}: {stats}");
    }
}
