//! Reading a log from front to back: every line in its place, or which is the first that is not.
//!
//! Withstands: what `audit` says. Memory does not grow with the log.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

use serde::de::IgnoredAny;

use super::record::{Event, Record};
use super::tree::Tree;
use super::{AuditError, Fault, MAX_LINE};
use crate::files::FileError;
use crate::oci::Digest;

/// The most bytes of unfinished lines in a row.
const MAX_TORN: usize = 2 * MAX_LINE;

/// The lines that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// How many records there are.
    pub size: u64,
    /// The SHA-256 of the last line.
    pub head: Option<Digest>,
    /// The SHA-256 of the first line: it tells this log from all others.
    pub first: Option<Digest>,
    /// The hash tree over the lines.
    pub tree: Tree,
    /// Commands of which no outcome is there, by the number of their intent.
    pub open: BTreeMap<u64, String>,
    /// How many bytes were read.
    pub bytes: u64,
}

/// What is behind the last record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Whole,
    /// Bytes of which no record was made, yet.
    Torn(Vec<u8>),
}

/// A line, and whether it is a record.
struct Found {
    bytes: Vec<u8>,
    record: Option<Record>,
}

impl Found {
    fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// What a power cut leaves: without a line feed, or not JSON to its end.
    fn is_unfinished(&self) -> bool {
        self.bytes.strip_suffix(b"\n").is_none_or(is_cut)
    }
}

/// Whether a line, without its line feed, is not JSON to its end.
pub(super) fn is_cut(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_err()
}

impl Chain {
    /// Reads on to the end, and shows each record with its line to `visit`.
    ///
    /// # Errors
    /// [`AuditError::Record`] for the first bad record; [`AuditError::File`].
    pub fn read(
        &mut self,
        path: &Path,
        lines: &mut dyn BufRead,
        visit: &mut dyn FnMut(&Record, &[u8], &Chain),
    ) -> Result<Tail, AuditError> {
        let bad = |number, fault| AuditError::Record { path: path.to_owned(), number, fault };
        let failed = |error| FileError::io("read", path, error);
        let mut torn = Vec::new();
        while let Some(found) = next(lines).map_err(failed)? {
            match &found.record {
                Some(record) if self.is_next(record, &torn) => {
                    self.bytes += torn.len() as u64;
                    torn.clear();
                    self.accept(record, &found.bytes);
                    visit(record, &found.bytes, self);
                }
                // What a power cut left must be closed by the very next record.
                _ if !found.is_unfinished() => {
                    let after = next(lines).map_err(failed)?;
                    let (number, fault) = self.blame(&found, after.as_ref(), !torn.is_empty());
                    return Err(bad(number, fault));
                }
                _ if torn.len() + found.bytes.len() > MAX_TORN => {
                    return Err(bad(self.size + 1, Fault::Malformed));
                }
                _ => torn.extend(found.bytes),
            }
        }
        Ok(if torn.is_empty() { Tail::Whole } else { Tail::Torn(torn) })
    }

    /// Whether `record` belongs behind what was read, and behind the unfinished lines `torn`.
    pub(super) fn is_next(&self, record: &Record, torn: &[u8]) -> bool {
        let joins = record.number == self.size + 1 && record.previous == self.head;
        joins
            && match &record.event {
                Event::Torn { bytes, digest } => {
                    let closed = torn.ends_with(b"\n") && *bytes == torn.len() as u64;
                    closed && *digest == Digest::of(torn)
                }
                Event::Outcome { of, .. } => torn.is_empty() && self.open.contains_key(of),
                Event::Intent { .. } => torn.is_empty(),
            }
    }

    /// Takes the line for the next record.
    pub(super) fn accept(&mut self, record: &Record, line: &[u8]) {
        match &record.event {
            Event::Intent { command, .. } => {
                self.open.insert(record.number, command.clone());
            }
            Event::Outcome { of, .. } => {
                self.open.remove(of);
            }
            Event::Torn { .. } => {}
        }
        let digest = Digest::of(line);
        self.first = self.first.or(Some(digest));
        self.head = Some(digest);
        self.size = record.number;
        self.bytes += line.len() as u64;
        self.tree.push(line);
    }

    /// Which record is the bad one when `found` does not join what was read.
    fn blame(&self, found: &Found, after: Option<&Found>, torn: bool) -> (u64, Fault) {
        let here = self.size + 1;
        match &found.record {
            None => (here, Fault::Malformed),
            Some(_) if torn => (here, Fault::Malformed),
            Some(record) if record.number != here => (here, Fault::Missing),
            Some(record) if record.previous == self.head => (here, Fault::Changed),
            // The record before was changed, or this one's word of it: the next line knows this one.
            Some(_) => {
                let known = |after: &Found| {
                    after.record.as_ref().is_some_and(|it| it.previous == Some(found.digest()))
                };
                match self.size == 0 || after.is_some_and(|after| !known(after)) {
                    true => (here, Fault::Changed),
                    false => (self.size, Fault::Changed),
                }
            }
        }
    }

    /// The name of the log, made of its first line; `None` while it is empty.
    pub fn origin(&self) -> Option<String> {
        self.first.map(|first| format!("gapferry.log/{}", &first.hex()[..32]))
    }
}

/// The next line, of which no more than the cap is read; without a line feed if it has none.
fn next(lines: &mut dyn BufRead) -> io::Result<Option<Found>> {
    let mut bytes = Vec::new();
    lines.take(MAX_LINE as u64).read_until(b'\n', &mut bytes)?;
    let record = Record::parse(&bytes).ok();
    Ok((!bytes.is_empty()).then_some(Found { bytes, record }))
}
