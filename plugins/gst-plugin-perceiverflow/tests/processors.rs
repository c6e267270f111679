//! A model takes as many processors as its element allows, by the threads that the system sees. Alone in its program, so that no other model
//! is loaded meanwhile.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use gst::prelude::*;

/// How many threads models compute on, by their names, of which the system keeps 15 bytes.
fn computing() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("perceiver compu")).count()
}

#[test]
fn a_model_computes_on_the_threads_of_its_element() {
    gst::init().unwrap();
    let half = std::thread::available_parallelism().map_or(1, usize::from).div_euclid(2).max(1);
    for (threads, expected) in [(0_u32, half), (3, 3)] {
        let line = format!(
            "videotestsrc num-buffers=4 ! video/x-raw,width=64,height=48 ! perceiveropticalflow device=cpu scale=fit threads={threads} ! fakesink"
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
        assert_eq!(end.map(|message| message.type_()), Some(gst::MessageType::Eos), "threads={threads}");
        assert_eq!(computing(), expected, "threads={threads}");
        pipeline.set_state(gst::State::Null).unwrap();
        // Nobody waits for threads that have nothing to do any more.
        let patience = Instant::now() + Duration::from_secs(20);
        while computing() > 0 {
            assert!(Instant::now() < patience, "threads={threads}: the model goes with its last element");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
