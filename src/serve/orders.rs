//! Orders for blocks of layers that are to be made: each is made once, whoever asks for it
//! meanwhile, and not at all when nobody waits any more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::oneshot::{self, Receiver, Sender};

use super::blocks::Key;
use super::fault::Fault;

/// A block, or why there is none.
pub(super) type Made = Result<Bytes, Fault>;

/// Orders that wait and orders that are worked on.
#[derive(Default)]
pub(super) struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Key>,
    waiting: HashMap<Key, Vec<Sender<Made>>>,
    closed: bool,
}

impl Orders {
    /// Orders a block. Dropping the answer takes the order back.
    pub(super) fn place(&self, key: Key) -> Receiver<Made> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        let waiting = state.waiting.entry(key).or_default();
        waiting.push(sender);
        if waiting.len() == 1 {
            state.queue.push_back(key);
        }
        self.changed.notify_one();
        receiver
    }

    /// Waits for an order; `None` at the end.
    pub(super) fn next(&self) -> Option<Key> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(key) = state.queue.pop_front() {
                return Some(key);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// True while somebody waits for it. Where nobody does the order is gone.
    pub(super) fn is_wanted(&self, key: &Key) -> bool {
        let mut state = self.state();
        let open = !state.closed;
        let Some(waiting) = state.waiting.get_mut(key) else { return false };
        waiting.retain(|sender| open && !sender.is_closed());
        let wanted = !waiting.is_empty();
        if !wanted {
            state.waiting.remove(key);
        }
        wanted
    }

    /// Gives a block to all who wait for it.
    pub(super) fn fill(&self, key: &Key, made: &Made) {
        let waiting = self.state().waiting.remove(key);
        for sender in waiting.into_iter().flatten() {
            // Whoever went away needs nothing.
            let _ = sender.send(made.clone());
        }
    }

    /// Ends all work, as soon as the block that is being made is done.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn an_order_is_worked_on_once_and_taken_back() {
        let (orders, key) = (Orders::default(), (Digest::of(b""), 1));
        let (mut first, mut second) = (orders.place(key), orders.place(key));
        assert_eq!(orders.next(), Some(key));
        assert!(orders.is_wanted(&key));
        orders.fill(&key, &Ok(Bytes::from_static(b"x")));
        for answer in [&mut first, &mut second] {
            assert_eq!(answer.try_recv().unwrap().unwrap(), "x");
        }
        drop(orders.place(key));
        assert_eq!(orders.next(), Some(key));
        assert!(!orders.is_wanted(&key));
        let mut waiting = orders.place(key);
        orders.close();
        assert_eq!(orders.next(), None);
        assert!(waiting.try_recv().is_err());
    }
}
