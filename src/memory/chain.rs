//! From the two files to a [`Memory`] that was not tampered with, and back.
//!
//! `memory.head` holds the number and the digest of the last line, and each line the digest of the
//! one before. So lines are checked from the last to the first, and the first that is found wrong on
//! that way is the one that was changed.

use super::line::{self, FIRST_LINE};
use super::{Memory, MemoryError};
use crate::bundle::Timestamp;
use crate::oci::{Digest, unhex};

const HEAD_LINE: &str = "gapferry memory head v1\n";

/// How many lines there are, and the digest of the last.
struct Head {
    lines: usize,
    digest: Digest,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Head> {
        let line = std::str::from_utf8(bytes).ok()?.strip_prefix(HEAD_LINE)?;
        let (lines, digest) = line.strip_suffix('\n')?.split_once(' ')?;
        let head = Head { lines: lines.parse().ok()?, digest: Digest::Sha256(unhex(digest)?) };
        (head.to_text().as_bytes() == bytes && head.lines > 0).then_some(head)
    }

    fn to_text(&self) -> String {
        format!("{HEAD_LINE}{} {}\n", self.lines, self.digest.hex())
    }
}

impl Memory {
    /// Reads a memory. Without `head` there may be one line beside the first at most: the head is
    /// written after the memory.
    ///
    /// # Errors
    /// Every [`MemoryError`] that names a line, [`MemoryError::Version`], [`MemoryError::Head`].
    pub fn parse(bytes: &[u8], head: Option<&[u8]>) -> Result<Memory, MemoryError> {
        let head = match head {
            Some(head) => Head::parse(head).ok_or(MemoryError::Head)?,
            None => Head { lines: 1, digest: line::first_digest() },
        };
        let rest = bytes.strip_prefix(FIRST_LINE.as_bytes()).ok_or(MemoryError::Version)?;
        let lines: Vec<&[u8]> = rest.split_inclusive(|byte| *byte == b'\n').collect();
        let mut parsed = Vec::new();
        for (line, number) in lines.iter().zip(2..) {
            let wrong = MemoryError::Line { line: number };
            parsed.push(line::parse(number, line).ok_or(wrong)?);
        }
        check_chain(&lines, &parsed, &head)?;
        let mut memory = Memory::default();
        for ((written, entry, _), line) in parsed.into_iter().zip(2..) {
            memory.push(entry, written).map_err(|_| MemoryError::Line { line })?;
        }
        Ok(memory)
    }

    /// The file `memory`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (mut text, mut before) = (FIRST_LINE.to_owned(), line::first_digest());
        for (line, number) in self.lines.iter().zip(2..) {
            text += &line::text(number, line.written, &line.entry, &before);
            before = line.digest;
        }
        text.into_bytes()
    }

    /// The file `memory.head`.
    pub fn head_bytes(&self) -> Vec<u8> {
        let head = Head { lines: self.lines.len() + 1, digest: self.head() };
        head.to_text().into_bytes()
    }
}

/// Line 1 is [`FIRST_LINE`], and `lines` begins with line 2.
fn check_chain<T>(
    lines: &[&[u8]],
    parsed: &[(Timestamp, T, Digest)],
    head: &Head,
) -> Result<(), MemoryError> {
    let last = lines.len() + 1;
    if head.lines > last {
        return Err(MemoryError::Missing { line: last + 1 });
    }
    // A process that was killed between writing the memory and the head leaves one line more.
    if head.lines + 1 < last {
        return Err(MemoryError::Line { line: head.lines + 2 });
    }
    let mut expected = head.digest;
    for line in (1..=head.lines).rev() {
        let bytes = if line == 1 { FIRST_LINE.as_bytes() } else { lines[line - 2] };
        if Digest::of(bytes) != expected {
            return Err(MemoryError::Line { line });
        }
        if line > 1 {
            expected = parsed[line - 2].2;
        }
    }
    match head.lines < last && parsed[last - 2].2 != head.digest {
        true => Err(MemoryError::Line { line: last }),
        false => Ok(()),
    }
}
