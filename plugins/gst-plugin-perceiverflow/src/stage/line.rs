//! The windows of one stream that are with the model, and what waits behind them.
//!
//! Nothing here waits, pushes or posts; the stage does, with what this hands it.

use std::collections::VecDeque;

use perceiverflow::engine::Answer;

use crate::meta::WindowMeta;

/// A window and its place.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// When it begins, as a timestamp.
    pub(crate) pts: gst::ClockTime,
    pub(crate) meta: WindowMeta,
}

/// What is to be done next at the source pad.
#[derive(Debug)]
pub(crate) enum Step {
    /// A window leaves; without an answer if it was lost.
    Window(Placed, Option<Answer>),
    /// An event keeps its place among the windows.
    Event(gst::Event),
    /// What comes next does not follow what came before.
    Break,
    Nothing,
}

#[derive(Debug)]
enum Item {
    Window { id: u64, placed: Placed, state: State },
    Event(gst::Event),
    Break,
}

#[derive(Debug)]
enum State {
    /// With the model.
    Open,
    /// Nothing more will come for it.
    Settled(Option<Answer>),
}

/// Things leave in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Line {
    items: VecDeque<Item>,
    next: u64,
    /// Where the newest window ends.
    pub(crate) end: gst::ClockTime,
}

impl Line {
    /// Takes a window that waits for its answer; gives it its number.
    pub(crate) fn wait(&mut self, placed: Placed) -> u64 {
        let id = self.next;
        self.next += 1;
        self.items.push_back(Item::Window { id, placed, state: State::Open });
        id
    }

    /// Takes an event that keeps its place among the windows.
    pub(crate) fn event(&mut self, event: gst::Event) {
        self.items.push_back(Item::Event(event));
    }

    /// The windows to come do not follow those before.
    pub(crate) fn discontinuity(&mut self) {
        self.items.push_back(Item::Break);
    }

    /// Notes what became of a window.
    pub(crate) fn settle(&mut self, window: u64, answer: Option<Answer>) {
        let found = self.items.iter_mut().find_map(|item| match item {
            Item::Window { id, placed, state } if *id == window => Some((placed, state)),
            _ => None,
        });
        if let Some((placed, state)) = found {
            if answer.is_none() {
                // A lost window may stand behind one that is long with the model, and many like it: its place is kept, not its media.
                placed.meta.inputs = None;
            }
            *state = State::Settled(answer);
        }
    }

    /// No window that is with the model comes back.
    pub(crate) fn abandon(&mut self) {
        for item in &mut self.items {
            if let Item::Window { state: state @ State::Open, .. } = item {
                *state = State::Settled(None);
            }
        }
    }

    /// Forgets everything, for a flush. The numbering goes on.
    pub(crate) fn reset(&mut self) {
        self.items.clear();
        self.end = gst::ClockTime::ZERO;
    }

    /// What is to be done next.
    pub(crate) fn step(&mut self) -> Step {
        if matches!(self.items.front(), Some(Item::Window { state: State::Open, .. })) {
            return Step::Nothing;
        }
        match self.items.pop_front() {
            Some(Item::Window { placed, state: State::Settled(answer), .. }) => Step::Window(placed, answer),
            Some(Item::Event(event)) => Step::Event(event),
            Some(Item::Break) => Step::Break,
            Some(Item::Window { .. }) | None => Step::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::ResultWindow;

    fn placed(number: u64) -> Placed {
        let window = ResultWindow {
            id: number,
            stream_time: None,
            running_time: None,
            duration: gst::ClockTime::SECOND,
            model_hash: "abc".into(),
        };
        Placed { pts: gst::ClockTime::SECOND * number, meta: WindowMeta { window, inputs: None, error: None } }
    }

    /// The windows that leave, by number, and whether they have an answer.
    fn leaving(line: &mut Line) -> Vec<(u64, bool)> {
        std::iter::from_fn(|| match line.step() {
            Step::Window(placed, answer) => Some((placed.meta.window.id, answer.is_some())),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn windows_leave_in_their_order_whenever_their_answers_come() {
        let mut line = Line::default();
        for number in 0..3 {
            line.wait(placed(number));
        }
        line.settle(1, Some(Answer::Values(vec![])));
        assert_eq!(leaving(&mut line), []);
        line.settle(0, None);
        assert_eq!(leaving(&mut line), [(0, false), (1, true)]);
        line.wait(placed(3));
        line.settle(2, Some(Answer::Values(vec![])));
        assert_eq!(leaving(&mut line), [(2, true)]);
    }

    #[test]
    fn nothing_overtakes_an_open_window_and_what_is_abandoned_leaves_without_an_answer() {
        gst::init().unwrap();
        let mut line = Line::default();
        line.wait(placed(0));
        line.discontinuity();
        line.event(gst::event::Eos::new());
        assert!(matches!(line.step(), Step::Nothing));
        line.abandon();
        assert!(matches!(line.step(), Step::Window(_, None)));
        assert!(matches!(line.step(), Step::Break));
        assert!(matches!(line.step(), Step::Event(_)));
        assert!(matches!(line.step(), Step::Nothing));
    }
}
