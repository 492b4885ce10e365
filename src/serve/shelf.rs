//! A layout to serve from: each blob is proven once from end to end, before anything of it is sent,
//! and each block of it again when it is sent.
//!
//! The proof leaves marks behind, 32 bytes for each MiB, so a blob that changes later is found out by
//! the block. Withstands: a damaged layout, and one that is changed while it is served.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::fault::Fault;
use crate::files::Section;
use crate::layout::Store;
use crate::oci::{
    BlockHasher, ContentError, Digest, MARK_BLOCK, MARK_SIZE, VerifyingReader, read_block,
};

/// A layout, and what is known of its blobs.
pub(super) struct Shelf {
    pub(super) store: Arc<dyn Store>,
    verdicts: Mutex<HashMap<Digest, Verdict>>,
}

/// What a blob proved to be; empty until somebody asked.
type Verdict = Arc<OnceCell<Result<Arc<Proof>, Fault>>>;

/// The size of a blob, and SHA-256 of it block by block.
struct Proof {
    size: u64,
    marks: Vec<[u8; MARK_SIZE]>,
    whole: Digest,
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn Store>) -> Shelf {
        Shelf { store, verdicts: Mutex::default() }
    }

    /// The size of a blob that is proven; `None` when it is not there. The first to ask waits while
    /// it is read once; whoever asks meanwhile waits with it. A failed read is no verdict.
    pub(super) async fn size(&self, digest: Digest) -> Result<Option<u64>, Fault> {
        match self.section(&digest)? {
            None => Ok(None),
            Some(section) => Ok(Some(self.proof(digest, section).await?.size)),
        }
    }

    /// Block `number` of a blob, proven.
    pub(super) async fn block(&self, digest: Digest, number: usize) -> Result<Bytes, Fault> {
        let gone = || Fault::Unreadable(format!("{digest} is not there any more"));
        let section = self.section(&digest)?.ok_or_else(gone)?;
        let proof = self.proof(digest, section.clone()).await?;
        let read = spawn_blocking(move || proof.block(digest, section, number));
        read.await.map_err(|_| Fault::interrupted())?
    }

    fn section(&self, digest: &Digest) -> Result<Option<Section>, Fault> {
        Ok(self.store.open(digest)?)
    }

    async fn proof(&self, digest: Digest, section: Section) -> Result<Arc<Proof>, Fault> {
        let verdict = {
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(verdicts.entry(digest).or_default())
        };
        let prove = || async move {
            let proof = spawn_blocking(move || prove(digest, section));
            proof.await.map_err(|_| Fault::interrupted())?
        };
        verdict.get_or_try_init(prove).await?.clone()
    }
}

/// Reads a blob from end to end. What is damaged is a verdict; what cannot be read is none.
fn prove(digest: Digest, section: Section) -> Result<Result<Arc<Proof>, Fault>, Fault> {
    let size = section.size();
    let mut content = VerifyingReader::new(section, digest, size);
    let (mut hasher, mut marks) = (BlockHasher::default(), Vec::new());
    let mut buffer = vec![0; MARK_BLOCK];
    loop {
        match read_block(&mut content, &mut buffer) {
            Ok(count) => match <&[u8; MARK_BLOCK]>::try_from(&buffer[..count]) {
                Ok(block) => marks.push(hasher.full(block)),
                Err(_) => {
                    let whole = hasher.last(&buffer[..count]);
                    return Ok(Ok(Arc::new(Proof { size, marks, whole })));
                }
            },
            Err(error) if ContentError::inside(&error).is_some() => {
                return Ok(Err(Fault::Damaged(format!("{digest}: {error}"))));
            }
            Err(error) => return Err(unreadable(&digest, &error)),
        }
    }
}

impl Proof {
    fn block(&self, digest: Digest, section: Section, number: usize) -> Result<Bytes, Fault> {
        let mut buffer = vec![0; MARK_BLOCK];
        let mut part = section.part(number as u64 * MARK_BLOCK as u64, MARK_BLOCK as u64);
        let read = read_block(&mut part, &mut buffer);
        let count = read.map_err(|error| unreadable(&digest, &error))?;
        buffer.truncate(count);
        match self.holds(&buffer, number) {
            true => Ok(buffer.into()),
            false => {
                let from = number as u64 * MARK_BLOCK as u64;
                Err(Fault::Damaged(format!(
                    "{digest} has changed, within the MiB from byte {from} on"
                )))
            }
        }
    }

    fn holds(&self, block: &[u8], number: usize) -> bool {
        let before = number.checked_sub(1).and_then(|before| self.marks.get(before));
        let mut hasher = before
            .map_or_else(BlockHasher::default, |mark| BlockHasher::resume(mark, number as u64));
        match (<&[u8; MARK_BLOCK]>::try_from(block), self.marks.get(number)) {
            (Ok(block), Some(mark)) => hasher.full(block) == *mark,
            (Err(_), None) => number == self.marks.len() && hasher.last(block) == self.whole,
            _ => false,
        }
    }
}

fn unreadable(digest: &Digest, error: &io::Error) -> Fault {
    Fault::Unreadable(format!("cannot read {digest}: {error}"))
}
