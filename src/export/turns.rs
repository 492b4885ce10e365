//! Turns: work that is done side by side takes its decisions one after another, in a fixed order,
//! so that the bytes of a bundle do not depend on who was first.

use std::sync::{Condvar, Mutex, MutexGuard};

/// A line of workers, numbered from 0.
#[derive(Default)]
pub struct Turns {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    /// The first that failed.
    failed: Option<usize>,
}

impl Turns {
    /// Waits until all before `number` have passed; false when one of them never will.
    pub fn wait(&self, number: usize) -> bool {
        let mut state = self.state();
        loop {
            if state.failed.is_some_and(|failed| failed < number) {
                return false;
            }
            if state.next >= number {
                return true;
            }
            state = self.moved.wait(state).expect("no thread panics with the lock");
        }
    }

    /// The turn of the one whose turn it is has passed.
    pub fn pass(&self) {
        self.state().next += 1;
        self.moved.notify_all();
    }

    /// `number` has failed: the turns of those behind it never come.
    pub fn fail(&self, number: usize) {
        let mut state = self.state();
        state.failed = Some(state.failed.map_or(number, |failed| failed.min(number)));
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_order_whoever_is_first() {
        let (turns, order) = (Turns::default(), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for number in (0..8).rev() {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    assert!(turns.wait(number));
                    order.lock().unwrap().push(number);
                    turns.pass();
                });
            }
        });
        assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn who_waits_for_one_that_failed_is_told() {
        let turns = Turns::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.wait(3));
            turns.fail(2);
            assert!(!waiting.join().unwrap());
            turns.pass();
            assert!(turns.wait(1), "those before the one that failed go on");
        });
    }
}
