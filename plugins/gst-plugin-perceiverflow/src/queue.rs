//! The windows of one element that wait for the model, and what happens when they become too many.
//!
//! A window waits here and not in the worker's channel: the worker is handed a [`Claim`] to the element's oldest window, whichever
//! that is when its turn comes. So a leaky element replaces a waiting window without a trace in the channel, and never throws away the
//! one being computed, which under constant overload would leave it without any result.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use gst::glib;

use crate::lock::lock;

/// Which windows are dropped when the model cannot keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstPerceiverLeaky")]
#[repr(i32)]
pub enum Leaky {
    /// None: upstream waits for the model.
    #[default]
    #[enum_value(name = "No: wait for the model", nick = "no")]
    No,
    /// The new one.
    #[enum_value(name = "Upstream: drop the new window", nick = "upstream")]
    Upstream,
    /// The one that has waited longest.
    #[enum_value(name = "Downstream: drop the window that has waited longest", nick = "downstream")]
    Downstream,
}

/// What became of an offered window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer<W> {
    /// It waits; the worker is to be told with one more claim.
    Waits,
    /// It waits in the place of this one, which is dropped; the claims are as many as before.
    Replaced(W),
    /// It is dropped itself.
    Refused(W),
}

/// Waiting windows, oldest first.
#[derive(Debug)]
pub(crate) struct WindowQueue<W> {
    waiting: VecDeque<W>,
}

impl<W> Default for WindowQueue<W> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<W> WindowQueue<W> {
    /// Takes a window in. With `limit` windows waiting already, a leaky queue drops one; one that is not leaky takes it, since
    /// then whoever offers waits for results.
    pub(crate) fn offer(&mut self, window: W, leaky: Leaky, limit: usize) -> Offer<W> {
        match leaky {
            Leaky::Upstream if self.waiting.len() >= limit => Offer::Refused(window),
            Leaky::Downstream if self.waiting.len() >= limit => {
                self.waiting.push_back(window);
                self.take().map_or(Offer::Waits, Offer::Replaced)
            }
            _ => {
                self.waiting.push_back(window);
                Offer::Waits
            }
        }
    }

    /// Takes the window that has waited longest out.
    fn take(&mut self) -> Option<W> {
        self.waiting.pop_front()
    }

    /// Drops all that wait.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// A queue that the element and the worker see.
#[derive(Debug)]
pub(crate) struct SharedQueue<W>(Arc<Mutex<WindowQueue<W>>>);

impl<W> Default for SharedQueue<W> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<W> SharedQueue<W> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, WindowQueue<W>> {
        lock(&self.0)
    }

    /// The right to one window of this queue.
    pub(crate) fn claim(&self) -> Claim<W> {
        Claim { queue: Self(self.0.clone()), window: OnceLock::new() }
    }
}

/// The right to one window: the oldest that waits when the worker first looks.
#[derive(Debug)]
pub(crate) struct Claim<W> {
    queue: SharedQueue<W>,
    window: OnceLock<Option<W>>,
}

impl<W> Claim<W> {
    /// The window, the same at every call; none if the queue was emptied since.
    pub(crate) fn window(&self) -> Option<&W> {
        self.window.get_or_init(|| self.queue.lock().take()).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(leaky: Leaky, limit: usize, windows: u32) -> (Vec<Offer<u32>>, Vec<u32>) {
        let mut queue = WindowQueue::default();
        let offers = (0..windows).map(|window| queue.offer(window, leaky, limit)).collect();
        (offers, std::iter::from_fn(|| queue.take()).collect())
    }

    #[test]
    fn upstream_drops_the_new_and_downstream_the_oldest() {
        use Offer::{Refused, Replaced, Waits};
        assert_eq!(filled(Leaky::Upstream, 2, 4), (vec![Waits, Waits, Refused(2), Refused(3)], vec![0, 1]));
        assert_eq!(filled(Leaky::Downstream, 2, 4), (vec![Waits, Waits, Replaced(0), Replaced(1)], vec![2, 3]));
        assert_eq!(filled(Leaky::No, 2, 4).1, [0, 1, 2, 3]);
    }

    #[test]
    fn a_claim_made_for_a_replaced_window_gets_the_next_one() {
        let queue = SharedQueue::default();
        assert_eq!(queue.lock().offer(0, Leaky::Downstream, 1), Offer::Waits);
        let claim = queue.claim();
        assert_eq!(queue.lock().offer(1, Leaky::Downstream, 1), Offer::Replaced(0));
        assert_eq!(claim.window(), Some(&1));
        assert_eq!(queue.lock().offer(2, Leaky::Downstream, 1), Offer::Waits);
        assert_eq!(claim.window(), Some(&1), "a claim tried again keeps its window");
    }

    #[test]
    fn a_claim_to_an_emptied_queue_is_void() {
        let queue = SharedQueue::default();
        queue.lock().offer(0, Leaky::No, 1);
        let claim = queue.claim();
        queue.lock().clear();
        assert_eq!(claim.window(), None);
    }
}
