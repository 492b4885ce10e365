//! What a site imported: the memory that makes an old bundle an old one.
//!
//! [`Memory`] is parsed, asked and added to; [`read`] and [`hold`] know where it lies. The file can
//! only grow, and each line holds the digest of the line before.
//!
//! Withstands: bytes, lines or files that were changed, dropped, put in, repeated or moved, by
//! accident or by somebody who does not make all that follows anew; files over 64 MiB. A chain
//! without a key shows no more. Normative text: `formats/memory.md`.

mod chain;
mod line;
mod place;
mod store;

pub use line::{Arrival, Entry};
pub use place::{InvalidPlace, Place};
pub use store::{Held, hold, read};

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::bundle::{Name, Seal, Timestamp};
use crate::files::FileError;
use crate::oci::Digest;

/// The largest memory, in bytes.
pub const MAX_MEMORY_SIZE: u64 = 64 * 1024 * 1024;

/// Why a memory is not believed, or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A file could not be read or written, or the lock is held. The environment's fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// It does not begin as a memory of version 1 does, or is too large.
    #[error("line 1 of the memory is not `gapferry memory v1`, or it is larger than any")]
    Version,
    /// A line is not what was written there.
    #[error("line {line} of the memory was changed, moved or put in")]
    Line {
        /// Counted from 1, with the first line.
        line: usize,
    },
    /// The memory, or its end, is gone.
    #[error("line {line} of the memory is missing")]
    Missing {
        /// The first line that is missing, counted from 1.
        line: usize,
    },
    /// `memory.head` is not as it is written.
    #[error("memory.head is not as gapferry writes it")]
    Head,
    /// What is to be added does not go with what is there. The caller's fault.
    #[error("the memory has something newer, or another bundle, at that place of the stream")]
    Contradiction,
    /// Nothing can be added.
    #[error("the memory is full")]
    Full,
}

/// What a site imported and restored, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    lines: Vec<Line>,
    /// The line of the first arrival of each bundle, by stream, then epoch and sequence. The last of
    /// a stream was imported, for what is restored is older.
    streams: BTreeMap<Name, BTreeMap<(u64, u64), usize>>,
}

/// One line of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written, by the clock of the machine. Nothing is decided by it.
    pub written: Timestamp,
    /// What happened.
    pub entry: Entry,
    /// The SHA-256 of the line.
    pub digest: Digest,
}

/// How a bundle stands to those that were imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nothing of its stream was imported.
    First,
    /// It comes after the newest that was imported.
    Newer(&'a Arrival),
    /// It is the newest that was imported.
    Same(&'a Arrival),
    /// It comes before the newest that was imported.
    Older(&'a Arrival),
    /// Another bundle of the same stream, epoch and sequence came here.
    Twin(&'a Arrival),
}

impl Memory {
    /// Everything, in order; the first stands in line 2 of the file.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The digest of the last line: it stands for all of the memory.
    pub fn head(&self) -> Digest {
        self.lines.last().map_or_else(line::first_digest, |line| line.digest)
    }

    /// Whether the memory, at some time, had this head: that of now or an earlier one.
    pub fn had_head(&self, head: &Digest) -> bool {
        *head == line::first_digest() || self.lines.iter().any(|line| line.digest == *head)
    }

    /// The newest signed time that was ever seen: it cannot be earlier now.
    pub fn floor(&self) -> Option<Timestamp> {
        let signed = |line: &Line| match &line.entry {
            Entry::Import(it) | Entry::Restore(it) => it.created,
            Entry::Floor(time) => *time,
        };
        self.lines.iter().map(signed).max()
    }

    /// The time, if the clock says `clock`.
    pub fn time(&self, clock: Timestamp) -> Timestamp {
        self.floor().map_or(clock, |floor| clock.max(floor))
    }

    /// Every stream of which something was imported.
    pub fn streams(&self) -> impl Iterator<Item = &Name> {
        self.streams.keys()
    }

    /// The newest bundle of a stream that was imported, as it came first.
    pub fn newest(&self, stream: &Name) -> Option<&Arrival> {
        let (_, line) = self.streams.get(stream)?.last_key_value()?;
        self.lines[*line].entry.arrival()
    }

    /// Another bundle at the same place of a stream.
    fn twin(&self, stream: &Name, position: (u64, u64), seal: &Digest) -> Option<&Arrival> {
        let line = self.streams.get(stream)?.get(&position)?;
        self.lines[*line].entry.arrival().filter(|other| other.seal != *seal)
    }

    /// Everything that came of a stream, restored or imported, in order.
    pub fn arrivals(&self, stream: &Name) -> impl DoubleEndedIterator<Item = &Arrival> {
        self.lines
            .iter()
            .filter_map(|line| line.entry.arrival())
            .filter(move |it| it.stream == *stream)
    }

    /// The highest epoch and sequence of a stream that came to `place`.
    pub fn reached(&self, stream: &Name, place: &Place) -> Option<(u64, u64)> {
        self.arrivals(stream).filter(|it| it.place == *place).map(Arrival::position).max()
    }

    /// How the bundle of this seal stands to those that were imported.
    pub fn standing(&self, seal: &Seal, digest: &Digest) -> Standing<'_> {
        let position = (seal.epoch, seal.sequence);
        if let Some(twin) = self.twin(&seal.stream, position, digest) {
            return Standing::Twin(twin);
        }
        match self.newest(&seal.stream) {
            None => Standing::First,
            Some(newest) => match position.cmp(&newest.position()) {
                Ordering::Less => Standing::Older(newest),
                Ordering::Equal => Standing::Same(newest),
                Ordering::Greater => Standing::Newer(newest),
            },
        }
    }

    /// Whether the bundle that the seal says it follows came here; `None` when it names none.
    pub fn has_previous(&self, seal: &Seal) -> Option<bool> {
        let previous = seal.previous?;
        Some(self.arrivals(&seal.stream).any(|it| it.seal == previous))
    }

    /// True when it would say nothing new.
    fn knows(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Floor(time) => self.floor().is_some_and(|floor| *time <= floor),
            entry => self.lines.iter().any(|line| line.entry == *entry),
        }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`MemoryError::Contradiction`] for an import that is not the newest, a restore of what is not
    /// older, or another bundle at the same place of a stream.
    fn push(&mut self, entry: Entry, written: Timestamp) -> Result<(), MemoryError> {
        let newest = |it: &Arrival| self.newest(&it.stream).map(Arrival::position);
        let fits = match &entry {
            Entry::Import(it) => newest(it).is_none_or(|newest| newest <= it.position()),
            Entry::Restore(it) => newest(it).is_some_and(|newest| it.position() < newest),
            Entry::Floor(_) => true,
        };
        let has_twin = |it: &Arrival| self.twin(&it.stream, it.position(), &it.seal).is_some();
        if !fits || entry.arrival().is_some_and(has_twin) {
            return Err(MemoryError::Contradiction);
        }
        let text = line::text(self.lines.len() + 2, written, &entry, &self.head());
        if let Some(it) = entry.arrival() {
            let places = self.streams.entry(it.stream.clone()).or_default();
            places.entry(it.position()).or_insert(self.lines.len());
        }
        self.lines.push(Line { written, entry, digest: Digest::of(text.as_bytes()) });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
