//! The windows of one stream that are with the model, and what waits behind them.
//!
//! Nothing here waits, pushes or posts; the stage does, with what this hands it.

use std::{collections::VecDeque, mem};

use perceiverflow::engine::{Answer, Question};

use crate::{
    meta::WindowMeta,
    multimodal::{Job, ReplyTicket},
    queue::{Claim, Leaky, Offer, SharedQueue},
};

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

/// What is to be done with a window that was offered.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It waits for the model, which is to be told.
    Tell(Claim<Job>),
    /// This window had to go: it, or the one whose place it took.
    Lost(u64),
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
#[derive(Debug)]
pub(crate) struct Line {
    limit: usize,
    queue: SharedQueue<Job>,
    /// The windows with the model, oldest first.
    pub(crate) tickets: VecDeque<ReplyTicket>,
    items: VecDeque<Item>,
    next: u64,
    /// Where the newest window ends.
    pub(crate) end: gst::ClockTime,
}

impl Line {
    /// A line in which at most `limit` windows wait for a model that cannot keep up.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            queue: SharedQueue::default(),
            tickets: VecDeque::new(),
            items: VecDeque::new(),
            next: 0,
            end: gst::ClockTime::ZERO,
        }
    }

    /// Takes a window that nobody will ask the model about; gives it its number.
    pub(crate) fn pass_over(&mut self, placed: Placed) -> u64 {
        self.place(placed, State::Settled(None))
    }

    /// Lets a window wait for the model, or says which one must go.
    pub(crate) fn admit(&mut self, placed: Placed, question: Question, leaky: Leaky) -> Admission {
        let job = Job { id: self.place(placed, State::Open), question };
        let offer = self.queue.lock().offer(job, leaky, self.limit);
        match offer {
            Offer::Waits => Admission::Tell(self.queue.claim()),
            Offer::Replaced(Job { id, .. }) | Offer::Refused(Job { id, .. }) => {
                self.settle(id, None);
                Admission::Lost(id)
            }
        }
    }

    fn place(&mut self, placed: Placed, state: State) -> u64 {
        let id = self.next;
        self.next += 1;
        self.items.push_back(Item::Window { id, placed, state });
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
            Item::Window { id, state, .. } if *id == window => Some(state),
            _ => None,
        });
        if let Some(state) = found {
            *state = State::Settled(answer);
        }
    }

    /// Gives up the windows with the model; says how many there were.
    pub(crate) fn withdraw(&mut self) -> u64 {
        // The worker may hold claims to the old queue; they find it empty.
        self.queue.lock().clear();
        self.queue = SharedQueue::default();
        let open = self.items.iter_mut().filter_map(|item| match item {
            Item::Window { state: state @ State::Open, .. } => Some(state),
            _ => None,
        });
        open.for_each(|state| *state = State::Settled(None));
        mem::take(&mut self.tickets).len() as u64
    }

    /// Forgets everything, for a flush. The numbering goes on.
    pub(crate) fn reset(&mut self) {
        self.withdraw();
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
    use perceiverflow::tasks::{ClipPreprocessor, Framing};

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

    fn question() -> Question {
        let config = perceiverflow::perceiver::PerceiverConfig {
            num_frames: 1,
            audio_samples_per_frame: 1,
            image_size: 0,
            ..Default::default()
        };
        Question::Encode(ClipPreprocessor::new(&config, Framing::Crop).inputs(vec![], vec![0.0]).unwrap().into())
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
        let mut line = Line::new(2);
        (0..3).for_each(|number| drop(line.admit(placed(number), question(), Leaky::No)));
        line.settle(1, Some(Answer::Values(vec![])));
        assert_eq!(leaving(&mut line), []);
        line.settle(0, None);
        assert_eq!(leaving(&mut line), [(0, false), (1, true)]);
        line.pass_over(placed(3));
        line.settle(2, Some(Answer::Values(vec![])));
        assert_eq!(leaving(&mut line), [(2, true), (3, false)]);
    }

    #[test]
    fn a_leaky_line_loses_the_oldest_or_the_newest() {
        for (leaky, lost) in [(Leaky::Downstream, 0), (Leaky::Upstream, 2)] {
            let mut line = Line::new(2);
            (0..2).for_each(|number| drop(line.admit(placed(number), question(), leaky)));
            assert!(matches!(line.admit(placed(2), question(), leaky), Admission::Lost(window) if window == lost));
        }
    }

    #[test]
    fn nothing_overtakes_an_open_window_and_what_is_withdrawn_leaves_without_an_answer() {
        gst::init().unwrap();
        let mut line = Line::new(2);
        drop(line.admit(placed(0), question(), Leaky::No));
        line.discontinuity();
        line.event(gst::event::Eos::new());
        assert!(matches!(line.step(), Step::Nothing));
        line.withdraw();
        assert!(matches!(line.step(), Step::Window(_, None)));
        assert!(matches!(line.step(), Step::Break));
        assert!(matches!(line.step(), Step::Event(_)));
        assert!(matches!(line.step(), Step::Nothing));
    }
}
