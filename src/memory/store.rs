//! The memory in a site's directory: `memory`, `memory.head`, and the lock.

use std::path::{Path, PathBuf};

use super::{Entry, MAX_MEMORY_SIZE, Memory, MemoryError};
use crate::bundle::Timestamp;
use crate::files::{self, AtomicFile, FileError, Lock};

const MEMORY: &str = "memory";
const HEAD: &str = "memory.head";
const LOCK: &str = "lock";
/// The largest `memory.head`, in bytes.
const MAX_HEAD_SIZE: u64 = 200;
/// Room for one more line: a path of 4 KiB, each byte escaped, and the rest.
const MAX_LINE: u64 = 16 * 1024;

/// The memory in `directory`, without a lock; empty when nothing was ever written there.
///
/// # Errors
/// Every [`MemoryError`] but [`MemoryError::Contradiction`] and [`MemoryError::Full`].
pub fn read(directory: &Path) -> Result<Memory, MemoryError> {
    // The head first: whoever writes just now writes it last.
    let head = read_file(&directory.join(HEAD), MAX_HEAD_SIZE)?;
    match (read_file(&directory.join(MEMORY), MAX_MEMORY_SIZE)?, head) {
        (Some(bytes), head) => Memory::parse(&bytes, head.as_deref()),
        (None, Some(_)) => Err(MemoryError::Missing { line: 1 }),
        (None, None) => Ok(Memory::default()),
    }
}

/// `None` when it is not there.
fn read_file(path: &Path, cap: u64) -> Result<Option<Vec<u8>>, FileError> {
    match files::read_capped(path, cap) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

/// A memory that nobody else can change now.
#[derive(Debug)]
pub struct Held {
    directory: PathBuf,
    memory: Memory,
    _lock: Lock,
}

/// Holds the memory in `directory`, which is made if it is not there, until the value is dropped; and
/// makes sure that it can be written.
///
/// # Errors
/// As [`read`]; [`FileError::Locked`] at once when another process holds it; [`MemoryError::Full`].
pub fn hold(directory: &Path) -> Result<Held, MemoryError> {
    files::create_private_directory(directory)?;
    let lock = Lock::take(&directory.join(LOCK))?;
    drop(AtomicFile::create_private(&directory.join(MEMORY))?);
    let memory = read(directory)?;
    // What a killed process left behind must not be one line more the next time.
    let head = directory.join(HEAD);
    if !memory.lines().is_empty()
        && read_file(&head, MAX_HEAD_SIZE)?.is_none_or(|old| old != memory.head_bytes())
    {
        files::write_private(&head, &memory.head_bytes())?;
    }
    if memory.to_bytes().len() as u64 + MAX_LINE > MAX_MEMORY_SIZE {
        return Err(MemoryError::Full);
    }
    Ok(Held { directory: directory.to_owned(), memory, _lock: lock })
}

impl Held {
    /// What is in it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Adds a line, for good, unless it would say nothing new; says whether it did.
    ///
    /// # Errors
    /// [`MemoryError::Contradiction`]; [`MemoryError::File`]: the memory is as before then, or has
    /// the line.
    pub fn note(&mut self, entry: Entry, written: Timestamp) -> Result<bool, MemoryError> {
        if self.memory.knows(&entry) {
            return Ok(false);
        }
        let mut memory = self.memory.clone();
        memory.push(entry, written)?;
        // In this order: a head that is one line behind is what a killed process leaves.
        files::write_private(&self.directory.join(MEMORY), &memory.to_bytes())?;
        files::write_private(&self.directory.join(HEAD), &memory.head_bytes())?;
        self.memory = memory;
        Ok(true)
    }
}
