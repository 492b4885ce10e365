//! Blocks of layers that were made, kept for whoever asks next: in memory, or in a file without a
//! name. Bounded; what was used longest ago goes first.
//!
//! Withstands: a file that somebody changed, for what comes from it is held against what was put
//! there. A file that cannot be written or read only makes the work be done again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;

use crate::files::FileError;
use crate::oci::{Digest, MARK_BLOCK};

/// A block: of which layer, and which.
pub(super) type Key = (Digest, usize);

/// Blocks that were made.
pub struct Blocks {
    room: u64,
    file: Option<File>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, (u64, Kept)>,
    /// The keys by when they were used last.
    order: BTreeMap<u64, Key>,
    clock: u64,
    /// Places in the file that are free again.
    free: Vec<u64>,
}

enum Kept {
    Memory(Bytes),
    File { place: u64, length: usize, digest: Digest },
}

impl Blocks {
    /// Room for `bytes` bytes, in memory; for one block at least.
    pub fn in_memory(bytes: u64) -> Blocks {
        let room = (bytes / MARK_BLOCK as u64).max(1);
        Blocks { room, file: None, state: Mutex::default() }
    }

    /// The same in a file in `directory`, which goes when this does, however it ends.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn in_directory(directory: &Path, bytes: u64) -> Result<Blocks, FileError> {
        let file = tempfile::tempfile_in(directory);
        let file = file.map_err(|error| FileError::io("create a file in", directory, error))?;
        Ok(Blocks { file: Some(file), ..Blocks::in_memory(bytes) })
    }

    /// A block, if it is kept.
    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        let mut state = self.state();
        state.clock += 1;
        let State { entries, order, clock, .. } = &mut *state;
        let (used, kept) = entries.get_mut(key)?;
        order.remove(used);
        order.insert(*clock, *key);
        *used = *clock;
        match (kept, &self.file) {
            (Kept::Memory(bytes), _) => Some(bytes.clone()),
            (Kept::File { place, length, digest }, Some(file)) => {
                read(file, *place, *length, digest)
            }
            (Kept::File { .. }, None) => None,
        }
    }

    /// Keeps a block, at the cost of others.
    pub(super) fn put(&self, key: Key, block: &Bytes) {
        let mut state = self.state();
        state.forget(&key);
        while state.entries.len() as u64 >= self.room {
            let Some((_, oldest)) = state.order.first_key_value() else { return };
            let oldest = *oldest;
            state.forget(&oldest);
        }
        let Some(kept) = self.keep(&mut state, block) else { return };
        state.clock += 1;
        let now = state.clock;
        state.order.insert(now, key);
        state.entries.insert(key, (now, kept));
    }

    fn keep(&self, state: &mut State, block: &Bytes) -> Option<Kept> {
        let Some(file) = &self.file else { return Some(Kept::Memory(block.clone())) };
        // Where none is free the entries take all places from the first on.
        let place = state.free.pop().unwrap_or(state.entries.len() as u64);
        match file.write_all_at(block, place * MARK_BLOCK as u64) {
            Ok(()) => Some(Kept::File { place, length: block.len(), digest: Digest::of(block) }),
            Err(_) => {
                state.free.push(place);
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, key: &Key) {
        let Some((used, kept)) = self.entries.remove(key) else { return };
        self.order.remove(&used);
        if let Kept::File { place, .. } = kept {
            self.free.push(place);
        }
    }
}

fn read(file: &File, place: u64, length: usize, digest: &Digest) -> Option<Bytes> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, place * MARK_BLOCK as u64).ok()?;
    (Digest::of(&bytes) == *digest).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &Blocks) {
        let key = |number| (Digest::of(b"layer"), number);
        let block = |number: usize| Bytes::from(vec![number as u8; 1000 + number]);
        for number in 0..3 {
            blocks.put(key(number), &block(number));
        }
        assert_eq!(blocks.get(&key(0)), Some(block(0)));
        blocks.put(key(3), &block(3));
        assert_eq!(blocks.get(&key(1)), None, "it was used longest ago");
        blocks.put(key(3), &block(3));
        for number in [0, 2, 3] {
            assert_eq!(blocks.get(&key(number)), Some(block(number)), "{number}");
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        check(&Blocks::in_memory(3 * MARK_BLOCK as u64));
        let dir = tempfile::tempdir().unwrap();
        check(&Blocks::in_directory(dir.path(), 3 * MARK_BLOCK as u64).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn what_changed_in_the_file_is_not_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let blocks = Blocks::in_directory(dir.path(), 3 * MARK_BLOCK as u64).unwrap();
        let key = (Digest::of(b"layer"), 0);
        blocks.put(key, &Bytes::from_static(b"block"));
        blocks.file.as_ref().unwrap().write_all_at(b"B", 0).unwrap();
        assert_eq!(blocks.get(&key), None);
    }
}
