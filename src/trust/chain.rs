//! The chain of trust documents: each one is signed by enough of the root keys of the one before, and
//! of its own.
//!
//! Withstands: documents by other root keys, by the new ones alone or by the old ones alone, by keys
//! whose time is over; gaps, forks, another name or number, a `previous` that is another document, an
//! epoch or a time that goes back, also by way of a stream that was left out in between; a seal's
//! signature in the place of a document's. No document is parsed before the root keys of the one
//! before it have signed its bytes. Normative text: `formats/trust.md`.

use std::collections::BTreeMap;

use super::TrustError;
use super::document::{Document, DocumentError};
use super::key::KeyId;
use super::keyring::Keyring;
use super::name::Name;
use super::paper::{Paper, PaperError};
use super::purpose::Purpose;
use super::timestamp::Timestamp;
use crate::files::FileError;
use crate::oci::Digest;

/// Trust documents that follow each other, of which somebody believes the first. There is at least
/// one.
#[derive(Debug, Clone)]
pub struct Chain {
    links: Vec<(Paper, Document)>,
    /// The highest epoch that any of the documents gives a stream.
    epochs: BTreeMap<Name, u64>,
}

/// Whose signatures are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// The root keys of the document before.
    Before,
    /// The root keys of the document itself.
    Own,
}

/// Why trust documents are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Too many, too large, or one is left out. The input's fault.
    #[error(transparent)]
    Paper(#[from] PaperError),
    /// There is no document. The caller's to mend.
    #[error("there is no trust document")]
    None,
    /// No document has the digest that somebody gave. The input's fault.
    #[error("no trust document here is {digest}")]
    NotPinned {
        /// What was asked for.
        digest: Digest,
    },
    /// There are two documents of one number. The input's fault: somebody signed both, or forges.
    #[error("trust document {number} is {found} here, and {accepted} is accepted")]
    Fork {
        /// The number.
        number: u32,
        /// What is believed.
        accepted: Digest,
        /// What was found.
        found: Digest,
    },
    /// A document is malformed. The input's fault.
    #[error("trust document {number}: {error}")]
    Document {
        /// The document.
        number: u32,
        /// What is wrong.
        error: DocumentError,
    },
    /// A signature in the name of a root key does not hold. The input's fault.
    #[error("trust document {number}: {error}")]
    Signature {
        /// The document.
        number: u32,
        /// What is wrong.
        error: TrustError,
    },
    /// Too few root keys signed. Genuine perhaps, and not enough.
    #[error("trust document {number} needs {needed} root keys {}; {valid} signed", of.words())]
    Threshold {
        /// The document.
        number: u32,
        /// Whose keys.
        of: Roots,
        /// How many must sign.
        needed: usize,
        /// How many did.
        valid: usize,
    },
    /// Of the root keys, too few count now to reach the threshold.
    #[error("trust document {number} needs {needed} root keys {}; {valid} count now", of.words())]
    RootsPast {
        /// The document.
        number: u32,
        /// Whose keys.
        of: Roots,
        /// How many must sign.
        needed: usize,
        /// How many there are whose time is not over.
        valid: usize,
    },
    /// It was signed by the right keys and does not continue the document before. The input's fault.
    #[error("trust document {number} does not continue the one before: {what}")]
    Broken {
        /// The document.
        number: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// A signature was to be made, and no document lacks any. The caller's to mend.
    #[error("no trust document here lacks a signature")]
    NoDraft,
    /// A draft that somebody signed is not changed. The caller's to mend.
    #[error("trust document {number} is signed in part")]
    SignedInPart {
        /// The draft.
        number: u32,
    },
    /// A draft was to lose or change something that it does not have. The caller's to mend.
    #[error("the trust document does not have {what}")]
    Unlisted {
        /// A key or a stream.
        what: String,
    },
    /// Whoever was to sign has no root key. The caller's to mend.
    #[error("{key_id} is no root key of trust document {number}, nor of the one before")]
    NotRoot {
        /// The key.
        key_id: KeyId,
        /// The document.
        number: u32,
    },
}

impl ChainError {
    /// Two documents of one number.
    pub(super) fn fork(accepted: &Paper, found: &Paper) -> ChainError {
        let (number, accepted, found) = (found.number, accepted.digest(), found.digest());
        ChainError::Fork { number, accepted, found }
    }
}

impl Roots {
    fn words(self) -> &'static str {
        match self {
            Roots::Before => "of the document before",
            Roots::Own => "of its own",
        }
    }
}

impl Chain {
    /// The chain from the document that somebody pinned by its digest, to the newest of `papers`. What
    /// is before the pinned one is passed over.
    ///
    /// # Errors
    /// Every [`ChainError`] about documents.
    pub fn accept(
        pinned: &Digest,
        mut papers: Vec<Paper>,
        now: Timestamp,
    ) -> Result<Chain, ChainError> {
        let first = papers.iter().position(|paper| paper.digest() == *pinned);
        let first = first.ok_or(ChainError::NotPinned { digest: *pinned })?;
        let rest = papers.split_off(first + 1);
        let mut chain = Chain::begin(papers.swap_remove(first))?;
        chain.extend(rest, now)?;
        Ok(chain)
    }

    /// The chain of documents that were accepted before, or that are one's own: the first is
    /// believed because of where it lies. Root keys may have had their time since.
    ///
    /// # Errors
    /// Every [`ChainError`] about documents.
    pub fn load(papers: Vec<Paper>) -> Result<Chain, ChainError> {
        let mut papers = papers.into_iter();
        let mut chain = Chain::begin(papers.next().ok_or(ChainError::None)?)?;
        papers.try_for_each(|paper| chain.follow(paper, None))?;
        Ok(chain)
    }

    /// Follows `papers`, sorted by number, to the newest. They must join this chain: be the same
    /// documents as far as it goes, and go on where it ends. Nothing is changed on an error.
    ///
    /// # Errors
    /// Every [`ChainError`] about documents.
    pub fn extend(&mut self, papers: Vec<Paper>, now: Timestamp) -> Result<(), ChainError> {
        let mut extended = self.clone();
        for paper in papers {
            let known = extended.links.iter().find(|(known, _)| known.number == paper.number);
            match known {
                Some((known, _)) if known.bytes == paper.bytes => {}
                Some((known, _)) => return Err(ChainError::fork(known, &paper)),
                // From before this chain begins: nothing hangs on it.
                None if paper.number < extended.newest().number => {}
                None => extended.follow(paper, Some(now))?,
            }
        }
        *self = extended;
        Ok(())
    }

    /// The document that counts.
    pub fn newest(&self) -> &Document {
        &self.last().1
    }

    /// Every document with its files, in order.
    pub fn links(&self) -> &[(Paper, Document)] {
        &self.links
    }

    /// The digest of the newest document.
    pub fn newest_digest(&self) -> Digest {
        self.last().0.digest()
    }

    /// A first document: enough of its own root keys must have signed.
    fn begin(paper: Paper) -> Result<Chain, ChainError> {
        let number = paper.number;
        let document = parse(&paper)?;
        check_signatures(&paper, document.root_keyring(None), Roots::Own)?;
        if document.number != number {
            return Err(ChainError::Broken { number, what: "its number is not that of its name" });
        }
        let mut chain = Chain { links: Vec::new(), epochs: BTreeMap::new() };
        chain.push(paper, document);
        Ok(chain)
    }

    fn last(&self) -> &(Paper, Document) {
        self.links.last().expect("a chain has a document")
    }

    /// One document more. With a time, root keys whose time is over do not count.
    fn follow(&mut self, paper: Paper, now: Option<Timestamp>) -> Result<(), ChainError> {
        let expected = self.newest().number + 1;
        if paper.number != expected {
            return Err(PaperError::Gap { number: expected }.into());
        }
        check_signatures(&paper, self.newest().root_keyring(now), Roots::Before)?;
        let document = parse(&paper)?;
        check_signatures(&paper, document.root_keyring(now), Roots::Own)?;
        self.check_next(&document)?;
        self.push(paper, document);
        Ok(())
    }

    fn push(&mut self, paper: Paper, document: Document) {
        for (name, stream) in &document.streams {
            self.epochs.insert(name.clone(), stream.epoch);
        }
        self.links.push((paper, document));
    }

    /// Whether a document, whoever signed it, continues this chain.
    ///
    /// # Errors
    /// [`ChainError::Broken`].
    pub(super) fn check_next(&self, next: &Document) -> Result<(), ChainError> {
        let (number, before) = (self.newest().number + 1, self.newest());
        let went_back = |(name, stream): (&Name, &super::document::Stream)| {
            self.epochs.get(name).is_some_and(|highest| stream.epoch < *highest)
        };
        let what = if next.number != number {
            "its number is not that of its name"
        } else if next.name != before.name {
            "it has another name"
        } else if next.previous != Some(self.newest_digest()) {
            "`previous` is another document"
        } else if next.created < before.created {
            "it is older"
        } else if next.streams.iter().any(went_back) {
            "the epoch of a stream goes back"
        } else {
            return Ok(());
        };
        Err(ChainError::Broken { number, what })
    }
}

pub(super) fn parse(paper: &Paper) -> Result<Document, ChainError> {
    let malformed = |error| ChainError::Document { number: paper.number, error };
    Document::parse(&paper.bytes).map_err(malformed)
}

/// Whether enough of the root keys signed the document.
fn check_signatures(
    paper: &Paper,
    keys: Result<Keyring, TrustError>,
    of: Roots,
) -> Result<(), ChainError> {
    let number = paper.number;
    let signed =
        keys.and_then(|keys| keys.verify(Purpose::Trust, paper.bytes.clone(), &paper.signatures));
    signed.map(drop).map_err(|error| match error {
        TrustError::Threshold { needed, valid, .. } => {
            ChainError::Threshold { number, of, needed, valid }
        }
        TrustError::InvalidThreshold { threshold: needed, keys: valid } => {
            ChainError::RootsPast { number, of, needed, valid }
        }
        error => ChainError::Signature { number, error },
    })
}

#[cfg(test)]
mod tests;
