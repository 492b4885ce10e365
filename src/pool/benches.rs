//! Room for work that takes much memory: so much of it at a time, whatever the number of threads.

use std::sync::{Condvar, Mutex};

/// Benches to work at.
pub struct Benches {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Benches {
    /// So many of them.
    pub fn new(count: usize) -> Benches {
        Benches { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits for a free bench and does `work` there.
    pub fn at<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().expect("no thread panics with the lock");
        let mut free =
            self.freed.wait_while(free, |free| *free == 0).expect("no thread panics with the lock");
        *free -= 1;
        drop(free);
        let done = work();
        *self.free.lock().expect("no thread panics with the lock") += 1;
        self.freed.notify_one();
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_work_than_benches() {
        let (benches, now, most) = (Benches::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    benches.at(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                });
            }
        });
        assert!((1..=2).contains(&most.into_inner()));
    }
}
