//! The checkpoint of a log (C2SP `tlog-checkpoint`): its name, how many records it has, and the root
//! of the tree over them, in a signed note.
//!
//! Withstands: everything in the place of a checkpoint: other spellings, further lines, numbers with
//! signs or leading zeros, files over 16 KiB. Whether its signatures hold, [`crate::trust::Note`] says.
//! Normative text: `formats/log.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::oci::Digest;
use crate::trust::{InvalidNote, Note, Signer, TrustError};

/// The largest checkpoint, in bytes.
pub const MAX_CHECKPOINT_SIZE: u64 = 16 * 1024;

/// What a log is at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// Not a checkpoint. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] InvalidNote),
    /// Its text is not that of a checkpoint.
    #[error("the note is no checkpoint: a name, a number of records and a root in base64")]
    Text,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let Digest::Sha256(root) = &self.root else { unreachable!("roots are SHA-256") };
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(root))
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`InvalidCheckpoint::Text`].
    pub fn parse(text: &str) -> Result<Checkpoint, InvalidCheckpoint> {
        let read = || {
            let mut lines = text.split('\n');
            let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
            let root = Digest::Sha256(BASE64.decode(root).ok()?.try_into().ok()?);
            Some(Checkpoint { origin: origin.to_owned(), size: size.parse().ok()?, root })
        };
        read()
            .filter(|it| it.text() == text && it.size > 0 && !it.origin.is_empty())
            .ok_or(InvalidCheckpoint::Text)
    }

    /// Reads a signed note; its signatures are not looked at.
    ///
    /// # Errors
    /// Every [`InvalidCheckpoint`].
    pub fn of_note(bytes: &[u8]) -> Result<(Checkpoint, Note), InvalidCheckpoint> {
        let note = Note::parse(bytes)?;
        Ok((Checkpoint::parse(note.text())?, note))
    }

    /// The note, signed by each of `signers`, in the name of the log.
    ///
    /// # Errors
    /// When one cannot sign.
    pub fn sign(&self, signers: &[&dyn Signer]) -> Result<Note, TrustError> {
        Note::sign(self.text(), &self.origin, signers)
    }
}
