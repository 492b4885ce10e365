//! The files of trust documents: their names, and how many and how large they may be.
//!
//! Withstands: names that are not in the format, any number of documents and signatures, files of any
//! size, gaps in the numbers, signatures of documents that are not there. Whatever is over a cap is
//! refused before a byte of it is read. Normative text: `formats/trust.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::document::MAX_DOCUMENT_SIZE;
use super::key::KeyId;
use super::keyring::Signature;
use crate::oci::Digest;

/// The highest number of a trust document: six digits.
pub const MAX_NUMBER: u32 = 999_999;
/// The most documents that lie in one place.
pub const MAX_DOCUMENTS: usize = 1024;
/// The most signatures of one document.
pub const MAX_DOCUMENT_SIGNATURES: usize = 16;
/// The most bytes of one signature.
pub const MAX_SIGNATURE_SIZE: u64 = 8 * 1024;

/// The name of a trust document, `trust-000001`, or of a signature of it,
/// `trust-000001.<key id>.sig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustFile {
    number: u32,
    signature: Option<KeyId>,
}

/// A text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no trust document is called {}", .0.escape_debug())]
pub struct InvalidTrustFile(pub String);

/// A trust document and the signatures that lie beside it. Nothing is known of them but their sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// The number in its name.
    pub number: u32,
    /// The document's bytes.
    pub bytes: Vec<u8>,
    /// The signatures, sorted by key id.
    pub signatures: Vec<Signature>,
}

/// Why files are not taken for trust documents. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// More than there may be.
    #[error("there are more than {MAX_DOCUMENTS} trust documents")]
    TooMany,
    /// A document is too large.
    #[error("{file} is larger than {MAX_DOCUMENT_SIZE} bytes")]
    TooLarge {
        /// The document.
        file: TrustFile,
    },
    /// More signatures than a document may have, or one that is too long.
    #[error(
        "trust document {number} has more than {MAX_DOCUMENT_SIGNATURES} signatures, or one of more than {MAX_SIGNATURE_SIZE} bytes"
    )]
    Signatures {
        /// The document.
        number: u32,
    },
    /// A number is left out.
    #[error("trust document {number} is not there, but later ones are")]
    Gap {
        /// The first that is missing.
        number: u32,
    },
}

impl TrustFile {
    /// The name of a document; its number is at most [`MAX_NUMBER`].
    pub fn document(number: u32) -> TrustFile {
        TrustFile { number, signature: None }
    }

    /// The name of a signature of that document.
    pub fn signature(number: u32, key_id: KeyId) -> TrustFile {
        TrustFile { number, signature: Some(key_id) }
    }
}

impl fmt::Display for TrustFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trust-{:06}", self.number)?;
        self.signature.map_or(Ok(()), |id| write!(f, ".{id}.sig"))
    }
}

impl FromStr for TrustFile {
    type Err = InvalidTrustFile;

    fn from_str(text: &str) -> Result<TrustFile, InvalidTrustFile> {
        let read = || {
            let (number, rest) = text.strip_prefix("trust-")?.split_at_checked(6)?;
            let number = number.parse().ok().filter(|it| (1..=MAX_NUMBER).contains(it))?;
            let signature = match rest {
                "" => None,
                rest => Some(rest.strip_prefix('.')?.strip_suffix(".sig")?.parse().ok()?),
            };
            Some(TrustFile { number, signature })
        };
        // Writing it again finds signs before the digits.
        let found = read().filter(|file| file.to_string() == text);
        found.ok_or_else(|| InvalidTrustFile(text.chars().take(200).collect()))
    }
}

impl Paper {
    /// The document's name, by which the next one refers to it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Reads the documents among `files`, which have these sizes in bytes, in the order of their
    /// numbers. A signature behind the last document is passed over: its document is yet to come.
    ///
    /// # Errors
    /// Every [`PaperError`], before anything is read; and those of `read`, which is to give no more
    /// bytes than the size.
    pub fn gather<E: From<PaperError>>(
        files: impl Iterator<Item = (TrustFile, u64)>,
        read: impl Fn(TrustFile) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<Paper>, E> {
        let mut found: BTreeMap<u32, Vec<KeyId>> = BTreeMap::new();
        let mut documents = BTreeMap::new();
        for (file, size) in files {
            let Some(key_id) = file.signature else {
                documents.insert(file.number, size);
                continue;
            };
            let ids = found.entry(file.number).or_default();
            ids.push(key_id);
            if size > MAX_SIGNATURE_SIZE || ids.len() > MAX_DOCUMENT_SIGNATURES {
                return Err(PaperError::Signatures { number: file.number }.into());
            }
        }
        check(&documents)?;
        let paper = |number| {
            let mut ids = found.remove(&number).unwrap_or_default();
            ids.sort_unstable();
            let signature = |key_id| {
                Ok(Signature { key_id, bytes: read(TrustFile::signature(number, key_id))? })
            };
            let signatures = ids.into_iter().map(signature).collect::<Result<_, E>>()?;
            Ok(Paper { number, bytes: read(TrustFile::document(number))?, signatures })
        };
        documents.into_keys().map(paper).collect()
    }

    /// The files that it is made of.
    pub fn files(&self) -> Vec<(TrustFile, Vec<u8>)> {
        let document = (TrustFile::document(self.number), self.bytes.clone());
        let name = |it: &Signature| TrustFile::signature(self.number, it.key_id);
        let signatures = self.signatures.iter().map(|it| (name(it), it.bytes.clone()));
        std::iter::once(document).chain(signatures).collect()
    }
}

/// Whether so many documents of these sizes may be, and none is left out.
fn check(documents: &BTreeMap<u32, u64>) -> Result<(), PaperError> {
    if documents.len() > MAX_DOCUMENTS {
        return Err(PaperError::TooMany);
    }
    let large = documents.iter().find(|(_, size)| **size > MAX_DOCUMENT_SIZE);
    if let Some((number, _)) = large {
        return Err(PaperError::TooLarge { file: TrustFile::document(*number) });
    }
    let first = documents.keys().next().copied().unwrap_or_default();
    match (first..).zip(documents.keys()).find(|(expected, number)| expected != *number) {
        Some((number, _)) => Err(PaperError::Gap { number }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
