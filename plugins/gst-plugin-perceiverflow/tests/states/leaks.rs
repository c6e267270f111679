//! Nothing that is made while pipelines change states, are flushed and seek outlives them. GStreamer's own tracer counts; as it is chosen
//! by the environment before the first call, the count is made by a second process.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gst::prelude::*;

use crate::lines::{LINES, Media, change, init, states};

/// How often the states of a line change.
const CHANGES: usize = 40;

/// How long something may live on in a thread that is about to end.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn states_flushes_and_seeks_leak_nothing() {
    let counted = Command::new(std::env::current_exe().unwrap())
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .args(["--exact", "leaks::count", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = [&counted.stdout, &counted.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n");
    assert!(counted.status.success() && said.contains("1 passed"), "{said}");
}

/// The tracer, and what it says. Of GStreamer 1.22's two ways to tell, the one that hands the objects out takes a reference too few.
struct Tracer {
    tracer: gst::Tracer,
    said: Arc<Mutex<Vec<String>>>,
}

impl Tracer {
    fn active() -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        gst::log::remove_default_log_function();
        gst::log::add_log_function(move |_, _, _, _, _, _, message| {
            heard.lock().unwrap().extend(message.get().map(|text| text.to_string()));
        });
        Self { tracer: gst::active_tracers().into_iter().next().expect("GST_TRACERS=leaks"), said }
    }

    /// How many objects of each type are alive.
    fn alive(&self) -> BTreeMap<String, usize> {
        self.said.lock().unwrap().clear();
        self.tracer.emit_by_name::<()>("log-live-objects", &[]);
        let mut counts = BTreeMap::new();
        for line in self.said.lock().unwrap().iter().filter(|line| line.starts_with("object-alive,")) {
            let kind = line.split("type-name=(string)").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
        counts
    }

    /// What was said last about objects of these types.
    fn lines_of(&self, kinds: &[(String, usize)]) -> String {
        let said = self.said.lock().unwrap();
        let is_of = |line: &&String| kinds.iter().any(|(kind, _)| line.contains(&format!("type-name=(string){kind},")));
        said.iter().filter(is_of).cloned().collect::<Vec<_>>().join("\n")
    }

    /// The types of which more are alive after `work` than before, and how many more.
    fn left_by(&self, work: impl FnOnce()) -> Vec<(String, usize)> {
        let before = self.alive();
        work();
        let began = Instant::now();
        loop {
            let more = |(kind, count): (String, usize)| {
                let left = count.saturating_sub(before.get(&kind).copied().unwrap_or_default());
                (left > 0).then_some((kind, left))
            };
            let left: Vec<_> = self.alive().into_iter().filter_map(more).collect();
            if left.is_empty() || began.elapsed() > PATIENCE {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Everything that a pipeline may be put through.
fn disturb(line: &str) {
    let pipeline = gst::parse::launch(line).unwrap();
    change(&pipeline, states().take(CHANGES));
    for start in [1, 0] {
        for state in [gst::State::Playing, gst::State::Paused] {
            pipeline.set_state(state).unwrap();
            assert!(pipeline.state(gst::ClockTime::from_seconds(20)).0.is_ok());
            pipeline.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::from_seconds(start)).unwrap();
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
#[ignore = "run under the tracer by the test above"]
fn count() {
    init();
    let tracer = Tracer::active();
    let media = Media::write();
    let held = media.hold_models();
    for (name, line) in LINES {
        let line = media.fill_in(line, false);
        // What is made once and for all is made by the first.
        disturb(&line);
        let left = tracer.left_by(|| disturb(&line));
        assert!(left.is_empty(), "{name}: {left:?}\n{}", tracer.lines_of(&left));
    }
    assert!(held.iter().all(|element| element.set_state(gst::State::Null).is_ok()));
    // The measure can tell.
    let left = tracer.left_by(|| std::mem::forget(gst::Caps::new_empty_simple("audio/x-raw")));
    assert_eq!(left, [("GstCaps".to_owned(), 1)]);
}
