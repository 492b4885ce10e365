//! Plain content that was just made, for whoever needs it next. Bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes that a cache holds at most, beyond what its users hold.
const ROOM: usize = 64 * 1024 * 1024;

/// What a segment is called: its content's place, and its number there.
pub type Key = (usize, usize);

/// Segments of plain content, for one workshop or for several.
#[derive(Default)]
pub struct Cache {
    state: Mutex<State>,
    /// How many places have been numbered.
    places: AtomicUsize,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    clock: u64,
    bytes: usize,
}

struct Entry {
    segment: Arc<Mutex<Option<Arc<Vec<u8>>>>>,
    used: u64,
    bytes: usize,
}

impl Cache {
    /// Numbers `count` places, and gives the first number.
    pub fn reserve(&self, count: usize) -> usize {
        self.places.fetch_add(count, Ordering::Relaxed)
    }

    /// The segment `key`, which `make` makes unless it is there. Who asks while another makes it
    /// waits.
    ///
    /// # Errors
    /// What `make` gives; the next one to ask tries again.
    pub fn get<E>(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        let slot = self.slot(key);
        let mut slot = slot.lock().expect("no thread panics with the lock");
        if let Some(segment) = &*slot {
            return Ok(Arc::clone(segment));
        }
        let made = Arc::new(make()?);
        *slot = Some(Arc::clone(&made));
        drop(slot);
        self.filled(key, made.len());
        Ok(made)
    }

    fn slot(&self, key: Key) -> Arc<Mutex<Option<Arc<Vec<u8>>>>> {
        let mut state = self.state();
        state.clock += 1;
        let used = state.clock;
        let new = || Entry { segment: Arc::default(), used, bytes: 0 };
        let entry = state.entries.entry(key).or_insert_with(new);
        entry.used = used;
        Arc::clone(&entry.segment)
    }

    /// Makes room for what came, at the cost of what was used longest ago.
    fn filled(&self, key: Key, bytes: usize) {
        let mut state = self.state();
        if let Some(entry) = state.entries.get_mut(&key) {
            entry.bytes = bytes;
            state.bytes += bytes;
        }
        while state.bytes > ROOM {
            let full = state.entries.iter().filter(|(it, entry)| entry.bytes > 0 && **it != key);
            let Some(oldest) = full.min_by_key(|(_, entry)| entry.used).map(|(it, _)| *it) else {
                return;
            };
            let gone = state.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
            state.bytes -= gone;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_made_once_and_the_oldest_goes() {
        let cache = Cache::default();
        let get = |at: usize| {
            let mut made = false;
            let segment = cache.get((0, at), || {
                made = true;
                Ok::<_, ()>(vec![at as u8; ROOM / 4])
            });
            assert_eq!(segment.unwrap()[0], at as u8);
            made
        };
        assert!((0..4).all(get));
        assert!(!(0..4).any(get));
        assert!(get(4));
        assert!(get(0), "the one used longest ago had to go");
        assert!(!get(4));
        assert_eq!(cache.get((1, 0), || Err::<Vec<u8>, _>(7)), Err(7));
        assert_eq!(*cache.get((1, 0), || Ok::<_, u8>(vec![1])).unwrap(), [1]);
    }
}
