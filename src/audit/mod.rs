//! The audit log: what was done here, by whom, and what came of it, in lines that hold each other.
//!
//! [`Record`] is one line; each holds the digest of the line before, so that the first line that
//! was changed, dropped or moved is found. [`Log`] adds to the file, and syncs before work goes on.
//! The lines are also the leaves of a hash tree (RFC 6962), whose root a signed [`Checkpoint`]
//! states: it shows an end that was cut off, and makes proofs for single lines short.
//!
//! Withstands: lines that were changed, dropped, put in, repeated or moved; a line that a power cut
//! left unfinished, which is closed and never dropped; two processes that write at once; lines over
//! 64 KiB, logs over 1 GiB; names that a terminal would obey, for the log is printable ASCII. A
//! chain shows nothing to those who keep no checkpoint elsewhere. Normative text: `formats/log.md`.

mod chain;
mod checkpoint;
mod proof;
mod record;
mod store;
mod tree;

pub use chain::{Chain, Tail};
pub use checkpoint::{Checkpoint, InvalidCheckpoint, MAX_CHECKPOINT_SIZE};
pub use proof::{InvalidProof, MAX_PROOF_SIZE, Proof};
pub use record::{Event, Facts, InvalidRecord, Record, ascii};
pub use store::{Log, checkpoint_path, prove, read};
pub use tree::Tree;

use std::path::PathBuf;

use crate::files::FileError;
use crate::oci::Digest;
use crate::trust::TrustError;

/// The longest line, in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// The largest log, in bytes.
pub const MAX_LOG_SIZE: u64 = 1024 * 1024 * 1024;

/// Why a log is not believed, or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It could not be read or written. The environment's fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record is not what was written there. The input's fault.
    #[error("{}: record {number} {fault}", path.display())]
    Record {
        /// The log.
        path: PathBuf,
        /// The first bad record, from 1.
        number: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The end of the log is gone. The input's fault.
    #[error("{}: record {number} and what followed are missing: a checkpoint has {size} records", path.display())]
    Cut {
        /// The log.
        path: PathBuf,
        /// The first record that is missing.
        number: u64,
        /// How many records a checkpoint stands for.
        size: u64,
    },
    /// The log is not the one that a checkpoint stands for. The input's fault.
    #[error("{}: the first {size} records are not those of the checkpoint, which have the root {root}", path.display())]
    Rewritten {
        /// The log.
        path: PathBuf,
        /// How many records the checkpoint stands for.
        size: u64,
        /// The root that it states.
        root: Digest,
    },
    /// A checkpoint of another log. The input's fault.
    #[error("{}: a checkpoint is of another log: {}", path.display(), origin.escape_debug())]
    Origin {
        /// The log.
        path: PathBuf,
        /// The log that the checkpoint names.
        origin: String,
    },
    /// A checkpoint, as it lies there, cannot be read. The input's fault.
    #[error("{}: {error}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: InvalidCheckpoint,
    },
    /// There is no such record. The caller's fault.
    #[error("{}: there is no record {number} among the {size} of the checkpoint", path.display())]
    NoRecord {
        /// The log.
        path: PathBuf,
        /// The number asked for.
        number: u64,
        /// How many records there are.
        size: u64,
    },
    /// Nothing can be added.
    #[error("{}: the log is full", path.display())]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// A checkpoint was not signed. The environment's fault.
    #[error(transparent)]
    Sign(#[from] TrustError),
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not the one that the next record holds the digest of.
    #[error("was changed")]
    Changed,
    /// Another one stands in its place.
    #[error("is missing or was moved")]
    Missing,
    /// What stands in its place is no record.
    #[error("is not as gapferry writes it")]
    Malformed,
}

#[cfg(test)]
mod tests;
