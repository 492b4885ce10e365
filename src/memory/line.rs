//! One line: what happened, when, and the digest of the line before.

use super::Place;
use crate::bundle::{Name, Seal, Timestamp};
use crate::oci::{Digest, unhex};

/// What the file begins with.
pub(super) const FIRST_LINE: &str = "gapferry memory v1\n";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A bundle came that nothing newer of its stream came before.
    Import(Arrival),
    /// An older bundle was brought back, to another target.
    Restore(Arrival),
    /// A signed time was seen.
    Floor(Timestamp),
}

/// A bundle that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its stream.
    pub stream: Name,
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence.
    pub sequence: u64,
    /// The digest of its seal.
    pub seal: Digest,
    /// When it was made, according to its seal.
    pub created: Timestamp,
    /// Where to.
    pub place: Place,
}

impl Arrival {
    /// The bundle of `seal`, whose digest is `digest`, at `place`.
    pub fn of(seal: &Seal, digest: Digest, place: Place) -> Arrival {
        let Seal { stream, epoch, sequence, created, .. } = seal.clone();
        Arrival { stream, epoch, sequence, seal: digest, created, place }
    }

    /// Epoch and sequence: what must not go down.
    pub fn position(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }

    fn text(&self) -> String {
        let Arrival { epoch, sequence, seal, created, place, .. } = self;
        format!("{} {epoch} {sequence} {seal} {created} {place}", self.stream.as_str())
    }

    fn parse(fields: &[&str]) -> Option<Arrival> {
        let [stream, epoch, sequence, seal, created, place] = fields else { return None };
        Some(Arrival {
            stream: stream.parse().ok()?,
            epoch: epoch.parse().ok()?,
            sequence: sequence.parse().ok()?,
            seal: seal.parse().ok().filter(|digest| matches!(digest, Digest::Sha256(_)))?,
            created: created.parse().ok()?,
            place: place.parse().ok()?,
        })
    }
}

impl Entry {
    /// The bundle that came, if one did.
    pub fn arrival(&self) -> Option<&Arrival> {
        match self {
            Entry::Import(arrival) | Entry::Restore(arrival) => Some(arrival),
            Entry::Floor(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Entry::Import(arrival) => format!("import {}", arrival.text()),
            Entry::Restore(arrival) => format!("restore {}", arrival.text()),
            Entry::Floor(time) => format!("floor {time}"),
        }
    }

    fn parse(fields: &[&str]) -> Option<Entry> {
        match fields {
            ["import", fields @ ..] => Arrival::parse(fields).map(Entry::Import),
            ["restore", fields @ ..] => Arrival::parse(fields).map(Entry::Restore),
            ["floor", time] => Some(Entry::Floor(time.parse().ok()?)),
            _ => None,
        }
    }
}

/// The digest of the first line.
pub(super) fn first_digest() -> Digest {
    Digest::of(FIRST_LINE.as_bytes())
}

/// Line `number` of the file, with its LF.
pub(super) fn text(number: usize, written: Timestamp, entry: &Entry, before: &Digest) -> String {
    format!("{number} {written} {} {}\n", entry.text(), before.hex())
}

/// What line `number` of the file says, and the digest in it of the line before; `None` unless it is
/// spelled as [`text`] spells it.
pub(super) fn parse(number: usize, line: &[u8]) -> Option<(Timestamp, Entry, Digest)> {
    let fields: Vec<&str> =
        std::str::from_utf8(line).ok()?.strip_suffix('\n')?.split(' ').collect();
    let [_, written, fields @ .., before] = &fields[..] else { return None };
    let (written, entry) = (written.parse().ok()?, Entry::parse(fields)?);
    let before = Digest::Sha256(unhex(before)?);
    let same = text(number, written, &entry, &before).as_bytes() == line;
    same.then_some((written, entry, before))
}
