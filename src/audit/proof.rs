//! The proof that a record is in a log (C2SP `tlog-proof`): the record, its number, the way to the
//! root, and a signed checkpoint that states the root.
//!
//! Withstands: everything in the place of a proof: other spellings, ways that are too long or too
//! short, numbers out of range, files over 256 KiB. Normative text: `formats/log.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{Checkpoint, InvalidCheckpoint};
use super::record::Record;
use super::tree::{self, Hash};
use crate::trust::Note;

/// The largest proof, in bytes.
pub const MAX_PROOF_SIZE: u64 = 256 * 1024;
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A record, and why it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The record's line, with its line feed.
    pub line: Vec<u8>,
    /// Its place in the tree: one less than its number.
    pub index: u64,
    /// What leads from it to the root, the nearest sibling first.
    pub path: Vec<Hash>,
    /// The checkpoint, as it was signed.
    pub note: Note,
}

/// Not a proof, or one of something else. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// Not in the form of a proof.
    #[error("it is not a proof as `gapferry log prove` writes it")]
    Malformed,
    /// Its checkpoint is none.
    #[error(transparent)]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The record is not in the log that the checkpoint states.
    #[error("the record is not in the log at this checkpoint")]
    NotThere,
}

impl Proof {
    /// The proof's text.
    pub fn to_text(&self) -> String {
        let line = BASE64.encode(&self.line);
        let path: String = self.path.iter().map(|hash| BASE64.encode(hash) + "\n").collect();
        let index = self.index;
        format!("{FIRST_LINE}\nextra {line}\nindex {index}\n{path}\n{}", self.note.to_text())
    }

    /// Reads a proof, and follows it to the root of its checkpoint. Whose signature that has is asked
    /// of its note.
    ///
    /// # Errors
    /// Every [`InvalidProof`].
    pub fn parse(text: &str) -> Result<(Proof, Record, Checkpoint), InvalidProof> {
        let (head, note) = text.split_once("\n\n").ok_or(InvalidProof::Malformed)?;
        let (checkpoint, note) = Checkpoint::of_note(note.as_bytes())?;
        let (line, index, path) = read(head).ok_or(InvalidProof::Malformed)?;
        let proof = Proof { line, index, path, note };
        let record = Record::parse(&proof.line).map_err(|_| InvalidProof::Malformed)?;
        if text.len() as u64 > MAX_PROOF_SIZE || proof.to_text() != text {
            return Err(InvalidProof::Malformed);
        }
        let root = tree::climb(tree::leaf(&proof.line), index, checkpoint.size, &proof.path);
        match root == Some(checkpoint.root) && record.number == index + 1 {
            true => Ok((proof, record, checkpoint)),
            false => Err(InvalidProof::NotThere),
        }
    }
}

fn read(head: &str) -> Option<(Vec<u8>, u64, Vec<Hash>)> {
    let mut lines = head.split('\n');
    lines.next().filter(|line| *line == FIRST_LINE)?;
    let line = BASE64.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
    let index = lines.next()?.strip_prefix("index ")?.parse().ok().filter(|it| *it < u64::MAX)?;
    let hash = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
    Some((line, index, lines.map(hash).collect::<Option<_>>()?))
}
