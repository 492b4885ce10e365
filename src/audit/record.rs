//! One record of the log: one line of JSON in one spelling, of printable ASCII only.
//!
//! Withstands: other spellings of the same meaning, unknown and duplicate fields, fields of another
//! kind of record, line feeds, control characters and marks that turn the direction of writing in
//! what is logged. Normative text: `formats/log.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LINE;
use crate::oci::{Digest, json};
use crate::trust::Timestamp;

const FORMAT: &str = "log v1";

/// What is known of a command: names and values, sorted by name. Never a secret.
pub type Facts = BTreeMap<String, Value>;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// From 1, without a gap.
    pub number: u64,
    /// When it was written, by the clock of the machine.
    pub time: Timestamp,
    /// The SHA-256 of the line before, with its line feed; `None` for the first.
    pub previous: Option<Digest>,
    /// What happened.
    pub event: Event,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command is about to do its work.
    Intent {
        /// The subcommand.
        command: String,
        /// What it was asked for.
        facts: Facts,
    },
    /// A command is over.
    Outcome {
        /// The number of its intent.
        of: u64,
        /// The exit code.
        exit: u8,
        /// The stable code of the error; `done` when there is none.
        code: String,
        /// What it did.
        facts: Facts,
    },
    /// A line before this one was never finished: the power failed, or the process was killed.
    Torn {
        /// How long it is, with its line feed.
        bytes: u64,
        /// The SHA-256 of it.
        digest: Digest,
    },
}

/// A line that is no record in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record of an audit log")]
pub struct InvalidRecord;

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Intent,
    Outcome,
    Torn,
}

/// The fields in the order of the line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    gapferry: String,
    record: u64,
    time: String,
    previous: Option<Digest>,
    event: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<Facts>,
}

impl Record {
    /// The line, with its line feed.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Line {
            gapferry: FORMAT.to_owned(),
            record: self.number,
            time: self.time.to_string(),
            previous: self.previous,
            event: Kind::Intent,
            command: None,
            of: None,
            exit: None,
            code: None,
            bytes: None,
            digest: None,
            facts: None,
        };
        match self.event.clone() {
            Event::Intent { command, facts } => {
                line = Line { command: Some(command), facts: Some(facts), ..line };
            }
            Event::Outcome { of, exit, code, facts } => {
                let (of, exit, code, facts) = (Some(of), Some(exit), Some(code), Some(facts));
                line = Line { event: Kind::Outcome, of, exit, code, facts, ..line };
            }
            Event::Torn { bytes, digest } => {
                let (bytes, digest) = (Some(bytes), Some(digest));
                line = Line { event: Kind::Torn, bytes, digest, ..line };
            }
        }
        let text = serde_json::to_string(&line).expect("a record is plain data");
        (ascii(&text) + "\n").into_bytes()
    }

    /// Reads a line, with its line feed.
    ///
    /// # Errors
    /// [`InvalidRecord`].
    pub fn parse(line: &[u8]) -> Result<Record, InvalidRecord> {
        if line.len() > MAX_LINE {
            return Err(InvalidRecord);
        }
        let text = line.strip_suffix(b"\n").ok_or(InvalidRecord)?;
        let parsed: Line = json::parse(text).map_err(|_| InvalidRecord)?;
        let record = Record::of(parsed).ok_or(InvalidRecord)?;
        // Whatever was left out, put in or spelled otherwise shows here.
        Some(record).filter(|it| it.to_line() == line).ok_or(InvalidRecord)
    }

    fn of(line: Line) -> Option<Record> {
        let event = match line.event {
            Kind::Intent => Event::Intent { command: line.command?, facts: line.facts? },
            Kind::Outcome => {
                let (of, exit, code) = (line.of?, line.exit?, line.code?);
                Event::Outcome { of, exit, code, facts: line.facts? }
            }
            Kind::Torn => Event::Torn { bytes: line.bytes?, digest: line.digest? },
        };
        let (number, time) = (line.record, line.time.parse().ok()?);
        Some(Record { number, time, previous: line.previous, event })
    }
}

/// JSON with the same meaning, of printable ASCII only.
pub fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            ' '..='~' => text.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                write!(text, "\\u{unit:04x}").expect("writing to a string does not fail");
            }),
        }
    }
    text
}
