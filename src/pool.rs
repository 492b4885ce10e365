//! A small pool of threads for work that waits on disks and networks.

mod benches;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use benches::Benches;

/// Runs `work` on every item, on up to `jobs` threads, this one among them, and gives the results in the order of the
/// items. After an error no further item is begun.
///
/// # Errors
/// The error of the earliest item that failed.
pub fn run<T: Sync, R: Send, E: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.lock().expect("no thread panics with the lock").push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().expect("no thread panics with the lock");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_errors_stop() {
        let items: Vec<u32> = (0..100).collect();
        for jobs in [0, 1, 7, 200] {
            let squares = run(jobs, &items, |item| Ok::<_, ()>(item * item)).unwrap();
            assert!(squares.iter().zip(&items).all(|(square, item)| *square == item * item));
        }
        let begun = AtomicUsize::new(0);
        let failing = run(2, &items, |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(*item) } else { Ok(()) }
        });
        assert_eq!(failing, Err(3));
        assert!(begun.into_inner() < 100);
        assert_eq!(run(4, &[] as &[u32], |_| Ok::<(), ()>(())), Ok(vec![]));
    }
}
