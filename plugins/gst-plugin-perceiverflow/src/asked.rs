//! The windows of one element that are with the model, from their question to their reply.

use std::{collections::VecDeque, mem, sync::Arc};

use perceiverflow::{Result, engine::Ticket};

use crate::queue::{Claim, Leaky, Offer, SharedQueue};

/// One window on its way to the model.
#[derive(Debug)]
pub(crate) struct Job<Q> {
    /// The element's number for it.
    pub(crate) id: u64,
    /// What is asked of it.
    pub(crate) question: Q,
}

/// What the model made of a window.
#[derive(Debug)]
pub(crate) struct Reply<A> {
    /// The element's number for the window.
    pub(crate) id: u64,
    /// SHA-256 of the model that was asked, in hexadecimal.
    pub(crate) model_hash: Arc<str>,
    /// The answer, or what is wrong with this window.
    pub(crate) answer: Result<A>,
}

/// The claim to a reply; none comes of a window that was withdrawn.
pub(crate) type ReplyTicket<A> = Ticket<Option<Reply<A>>>;

/// What is to be done with a window that was offered.
#[derive(Debug)]
pub(crate) enum Admission<Q> {
    /// It waits for the model, which is to be told.
    Tell(Claim<Job<Q>>),
    /// This window had to go: it, or the one whose place it took.
    Lost(u64),
}

/// Nothing here waits; the streaming thread does, with what this hands it.
#[derive(Debug)]
pub(crate) struct Asked<Q, A> {
    /// Windows that may wait for a model that cannot keep up.
    limit: usize,
    queue: SharedQueue<Job<Q>>,
    /// The windows with the model, oldest first.
    pub(crate) tickets: VecDeque<ReplyTicket<A>>,
}

impl<Q, A> Asked<Q, A> {
    /// Before the first window; at most `limit` wait for a model that cannot keep up.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, queue: SharedQueue::default(), tickets: VecDeque::new() }
    }

    /// Lets a window wait for the model, or says which one must go.
    pub(crate) fn admit(&mut self, job: Job<Q>, leaky: Leaky) -> Admission<Q> {
        let offer = self.queue.lock().offer(job, leaky, self.limit);
        match offer {
            Offer::Waits => Admission::Tell(self.queue.claim()),
            Offer::Replaced(Job { id, .. }) | Offer::Refused(Job { id, .. }) => Admission::Lost(id),
        }
    }

    /// Gives up the windows with the model; says how many there were.
    pub(crate) fn withdraw(&mut self) -> u64 {
        // The worker may hold claims to the old queue; they find it empty.
        self.queue.lock().clear();
        self.queue = SharedQueue::default();
        mem::take(&mut self.tickets).len() as u64
    }
}

/// One model call, by `ask`, for the windows that are still wanted.
///
/// # Errors
/// What `ask` says of several windows together: the worker then tries each alone, and alone the fault is the window's and goes with its
/// number.
pub(crate) fn answer<Q, A>(
    claims: &[Claim<Job<Q>>],
    model_hash: &Arc<str>,
    ask: impl FnOnce(&[&Q]) -> Result<Vec<A>>,
) -> Result<Vec<Option<Reply<A>>>> {
    let open: Vec<Option<&Job<Q>>> = claims.iter().map(Claim::window).collect();
    let questions: Vec<&Q> = open.iter().flatten().map(|job| &job.question).collect();
    let mut answers = match ask(&questions) {
        Ok(answers) => answers.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) if claims.len() > 1 => return Err(error),
        Err(error) => vec![Err(error)],
    }
    .into_iter();
    let mut reply = |job: &Job<Q>| Some(Reply { id: job.id, model_hash: model_hash.clone(), answer: answers.next()? });
    Ok(open.into_iter().map(|job| job.and_then(&mut reply)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaky_element_loses_the_oldest_or_the_newest() {
        for (leaky, lost) in [(Leaky::Downstream, 0), (Leaky::Upstream, 2)] {
            let mut asked = Asked::<(), ()>::new(2);
            (0..2).for_each(|id| drop(asked.admit(Job { id, question: () }, leaky)));
            assert!(matches!(asked.admit(Job { id: 2, question: () }, leaky), Admission::Lost(window) if window == lost));
        }
    }
}
