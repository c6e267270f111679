//! A thousand changes of state in no order for every set of elements, with their streams running: no deadlock, no warning.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use gst::prelude::*;

use crate::lines::{LINES, Media, change, init, states};

const CHANGES: usize = 1000;

/// Much longer than all of it takes.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn a_thousand_changes_of_state_end() {
    init();
    let (done, ended) = channel();
    let changing = std::thread::spawn(move || {
        let media = Media::write();
        let held = media.hold_models();
        for (name, line) in LINES {
            for live in [false, true] {
                println!("{name}, live: {live}");
                let pipeline = gst::parse::launch(&media.fill_in(line, live)).unwrap();
                change(&pipeline, states().take(CHANGES / 2));
            }
        }
        assert!(held.iter().all(|element| element.set_state(gst::State::Null).is_ok()));
        done.send(()).unwrap();
    });
    match ended.recv_timeout(PATIENCE) {
        Ok(()) => changing.join().unwrap(),
        Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(changing.join().unwrap_err()),
        Err(RecvTimeoutError::Timeout) => panic!("a change of state does not end"),
    }
}
