//! Preparing a trust document: from the newest that is signed to one that is to be.
//!
//! What a draft says is checked by writing it and reading it back: there is one place where a
//! document is found wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::chain::{self, Chain, ChainError};
use super::document::{DatedKey, Document, Stream};
use super::folder::{read_papers, write_files};
use super::key::{KeyId, Signer};
use super::keyring::Signature;
use super::name::Name;
use super::paper::{MAX_DOCUMENT_SIGNATURES, Paper, PaperError, TrustFile};
use super::purpose::Purpose;
use super::timestamp::Timestamp;

/// A directory in which trust documents are prepared: a chain, and maybe a draft that lacks
/// signatures.
#[derive(Debug)]
pub struct Workbook {
    directory: PathBuf,
    chain: Option<Chain>,
    draft: Option<(Paper, Document)>,
}

/// How far one set of root keys has signed a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The document whose root keys they are.
    pub number: u32,
    /// How many must sign.
    pub needed: usize,
    /// Who did.
    pub signed: Vec<KeyId>,
    /// Who could as well.
    pub open: Vec<KeyId>,
}

impl Workbook {
    /// Reads a directory. Its first document is believed because it lies there.
    ///
    /// # Errors
    /// Every [`ChainError`] about documents.
    pub fn open(directory: &Path) -> Result<Workbook, ChainError> {
        let mut papers = read_papers(directory)?;
        let last = papers.last().cloned().ok_or(ChainError::None)?;
        let directory = directory.to_owned();
        let error = match Chain::load(papers.clone()) {
            Ok(chain) => return Ok(Workbook { directory, chain: Some(chain), draft: None }),
            Err(error) => error,
        };
        if !matches!(error, ChainError::Threshold { number, .. } if number == last.number) {
            return Err(error);
        }
        papers.pop();
        let chain = if papers.is_empty() { None } else { Some(Chain::load(papers)?) };
        let document = chain::parse(&last)?;
        if let Some(chain) = &chain {
            chain.check_next(&document)?;
        }
        Ok(Workbook { directory, chain, draft: Some((last, document)) })
    }

    /// The documents that have all their signatures.
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// The document that lacks signatures, and its files.
    pub fn draft(&self) -> Option<&(Paper, Document)> {
        self.draft.as_ref()
    }

    /// Writes a first document, unsigned.
    ///
    /// # Errors
    /// [`ChainError::Document`], [`ChainError::File`].
    pub fn begin(directory: &Path, document: &Document) -> Result<Paper, ChainError> {
        write(directory, document)
    }

    /// Changes the draft, or makes one that continues the chain.
    ///
    /// # Errors
    /// [`ChainError::SignedInPart`]; what is wrong with the document that comes out.
    pub fn edit<E: From<ChainError>>(
        &self,
        created: Timestamp,
        change: impl FnOnce(&mut Document) -> Result<(), E>,
    ) -> Result<Paper, E> {
        let mut document = match (&self.draft, &self.chain) {
            (Some((paper, _)), _) if !paper.signatures.is_empty() => {
                return Err(ChainError::SignedInPart { number: paper.number }.into());
            }
            (Some((_, draft)), _) => draft.clone(),
            (None, Some(chain)) => next(chain),
            (None, None) => return Err(ChainError::None.into()),
        };
        document.created = created.max(document.created);
        change(&mut document)?;
        let used: BTreeSet<KeyId> =
            document.streams.values().flat_map(|stream| stream.keys.iter().copied()).collect();
        document.keys.retain(|id, _| used.contains(id));
        if let Some(chain) = &self.chain {
            chain.check_next(&document)?;
        }
        Ok(write(&self.directory, &document)?)
    }

    /// Signs the draft with every one of `signers`. All signatures are made and verified before the
    /// first is written.
    ///
    /// # Errors
    /// [`ChainError::NoDraft`], [`ChainError::NotRoot`], [`ChainError::Signature`] when a signer
    /// fails, [`ChainError::File`].
    pub fn sign(&self, signers: &[Box<dyn Signer>]) -> Result<Vec<KeyId>, ChainError> {
        let (paper, document) = self.draft.as_ref().ok_or(ChainError::NoDraft)?;
        let number = paper.number;
        let before = self.chain.as_ref().map(Chain::newest);
        let mut made = Vec::new();
        for signer in signers {
            let key_id = signer.public().key_id();
            let is_root = |it: &Document| it.roots.contains_key(&key_id);
            if !is_root(document) && !before.is_some_and(is_root) {
                return Err(ChainError::NotRoot { key_id, number });
            }
            let signature = Signature::by(signer.as_ref(), Purpose::Trust, &paper.bytes);
            let signature = signature.map_err(|error| ChainError::Signature { number, error })?;
            made.push((TrustFile::signature(number, key_id), signature.bytes));
        }
        let there = |file: &TrustFile| paper.files().iter().any(|(name, _)| name == file);
        let new = made.iter().filter(|(file, _)| !there(file)).count();
        if paper.signatures.len() + new > MAX_DOCUMENT_SIGNATURES {
            return Err(PaperError::Signatures { number }.into());
        }
        write_files(&self.directory, made, None)?;
        Ok(signers.iter().map(|signer| signer.public().key_id()).collect())
    }

    /// Who signed the draft, and who may yet: the root keys of the document before, and its own.
    ///
    /// # Errors
    /// [`ChainError::Signature`] when a signature does not hold.
    pub fn standings(&self) -> Result<Vec<Standing>, ChainError> {
        let Some((paper, document)) = &self.draft else { return Ok(Vec::new()) };
        let before = self.chain.as_ref().map(Chain::newest);
        before.into_iter().chain([document]).map(|roots| standing(paper, roots)).collect()
    }
}

fn standing(paper: &Paper, roots: &Document) -> Result<Standing, ChainError> {
    let failed = |error| ChainError::Signature { number: paper.number, error };
    let keys = roots.root_keyring(None).map_err(failed)?;
    let counted = keys.count(Purpose::Trust, &paper.bytes, &paper.signatures).map_err(failed)?;
    let (signed, needed) = (counted.signers, keys.threshold());
    let open = roots.roots.keys().filter(|id| !signed.contains(id)).copied().collect();
    Ok(Standing { number: roots.number, needed, signed, open })
}

/// The document that continues `chain` and changes nothing yet.
fn next(chain: &Chain) -> Document {
    let newest = chain.newest().clone();
    Document { number: newest.number + 1, previous: Some(chain.newest_digest()), ..newest }
}

fn write(directory: &Path, document: &Document) -> Result<Paper, ChainError> {
    let (number, bytes) = (document.number, document.to_bytes());
    let paper = Paper { number, bytes, signatures: Vec::new() };
    chain::parse(&paper)?;
    write_files(directory, paper.files(), None)?;
    Ok(paper)
}

/// Changes to a draft. What comes out is checked when it is written.
impl Document {
    /// Lets a key sign documents; a key that is there already gets another end.
    pub fn add_root(&mut self, key: DatedKey) {
        self.roots.insert(key.key.key_id(), key);
    }

    /// Lets a key seal a stream; a key that is there already gets another end.
    ///
    /// # Errors
    /// [`ChainError::Unlisted`] for a stream that is not there.
    pub fn add_key(&mut self, stream: &Name, key: DatedKey) -> Result<(), ChainError> {
        let key_id = key.key.key_id();
        self.stream(stream)?.keys.insert(key_id);
        self.keys.insert(key_id, key);
        Ok(())
    }

    /// Takes a key from those that sign documents.
    ///
    /// # Errors
    /// [`ChainError::Unlisted`] for a key that is not there.
    pub fn remove_root(&mut self, key_id: &KeyId) -> Result<(), ChainError> {
        let removed = self.roots.remove(key_id);
        removed.map(drop).ok_or_else(|| unlisted(format!("the root key {key_id}")))
    }

    /// Takes a key from every stream: it is revoked.
    ///
    /// # Errors
    /// [`ChainError::Unlisted`] for a key that is not there.
    pub fn remove_key(&mut self, key_id: &KeyId) -> Result<(), ChainError> {
        let removed = self.keys.remove(key_id);
        removed.ok_or_else(|| unlisted(format!("the key {key_id}")))?;
        for stream in self.streams.values_mut() {
            stream.keys.remove(key_id);
        }
        Ok(())
    }

    /// Puts a key in the place of another, in every stream.
    ///
    /// # Errors
    /// [`ChainError::Unlisted`] for a key that is not there.
    pub fn replace_key(&mut self, old: &KeyId, new: DatedKey) -> Result<(), ChainError> {
        let key_id = new.key.key_id();
        for stream in self.streams.values_mut().filter(|stream| stream.keys.contains(old)) {
            stream.keys.insert(key_id);
        }
        self.remove_key(old)?;
        self.keys.insert(key_id, new);
        Ok(())
    }

    /// A stream, to be changed.
    ///
    /// # Errors
    /// [`ChainError::Unlisted`] for a stream that is not there.
    pub fn stream(&mut self, name: &Name) -> Result<&mut Stream, ChainError> {
        let missing = || unlisted(format!("the stream `{}`", name.as_str()));
        self.streams.get_mut(name).ok_or_else(missing)
    }
}

fn unlisted(what: String) -> ChainError {
    ChainError::Unlisted { what }
}

#[cfg(test)]
mod tests;
