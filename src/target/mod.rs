//! Where images go: a registry, an OCI layout, an archive, the storage of a registry that is stopped.
//!
//! Content comes in three steps, so that nothing is seen before all of it is proven:
//! [`Target::stage`] takes the bytes of blobs and shows them to nobody, [`Staged::commit`] gives
//! them their digests, and [`Target::put_manifest`] makes them reachable: children before parents,
//! tags last of all.

mod archive;
mod ctr;
mod layout;
mod registry;
mod storage;

use std::io::{self, Read};

use crate::files::FileError;
use crate::layout::LayoutError;
use crate::oci::{Descriptor, Digest, Manifest, Repository, Tag};
use crate::registry::RegistryError;
pub use crate::registry::Sessions;
pub use archive::{ArchiveTarget, Form};
pub use ctr::{Ctr, CtrTarget};
pub use layout::LayoutTarget;
pub use registry::RegistryTarget;
pub use storage::{StorageTarget, is_stored};

/// A way to open the content of a blob, from its start. A target that is interrupted opens it
/// again.
pub type Open<'a> = dyn Fn() -> io::Result<Box<dyn Read + 'a>> + 'a;

/// A place that takes images. Called from many threads.
pub trait Target: Send + Sync {
    /// True when `repository` holds this blob already.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, TargetError>;

    /// The bytes from `offset` on of a blob that `repository` holds. Nobody has proven them.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    fn content(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, TargetError>;

    /// Takes the bytes of a blob, as far as an earlier import has not brought them. Nobody can see
    /// them yet.
    /// `open` gives the content from its start; a retry calls it again. Its reader proves the
    /// content and fails, instead of ending, when it is wrong; nobody here hashes it again.
    ///
    /// # Errors
    /// [`TargetError::Read`] when the content cannot be read or is not what was promised.
    fn stage(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Box<dyn Staged>, TargetError>;

    /// Makes a blob that `from` holds a blob of `to`, if the place can do that.
    ///
    /// # Errors
    /// Not for "it cannot": that is `Ok(false)`.
    fn share(
        &self,
        blob: &Descriptor,
        from: &Repository,
        to: &Repository,
    ) -> Result<bool, TargetError>;

    /// The digest of the document that `tag` names; `None` when there is none.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, TargetError>;

    /// True when `repository` holds this document.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn has_manifest(
        &self,
        repository: &Repository,
        document: &Descriptor,
    ) -> Result<bool, TargetError>;

    /// Stores a document under its digest. Its blobs and children are there already.
    ///
    /// # Errors
    /// The place's refusal.
    fn put_manifest(&self, repository: &Repository, document: &Manifest)
    -> Result<(), TargetError>;

    /// Makes a document that has no tag one that can be found, where digests alone do not do that.
    ///
    /// # Errors
    /// The place's refusal.
    fn keep(&self, repository: &Repository, document: &Manifest) -> Result<(), TargetError>;

    /// Lets `tag` name a document that `repository` holds.
    ///
    /// # Errors
    /// The place's refusal.
    fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &Manifest,
    ) -> Result<(), TargetError>;

    /// Everything that was to come is there: gives up what earlier imports staged and left.
    ///
    /// # Errors
    /// When that cannot be done.
    fn finish(&self) -> Result<(), TargetError>;
}

/// A blob whose bytes a target has and shows to nobody. Dropped without a commit, it is discarded, or
/// kept for an import that goes on.
pub trait Staged: Send {
    /// How many of its bytes the target had from an import that did not come to its end.
    fn found(&self) -> u64;

    /// Gives the blob its digest.
    ///
    /// # Errors
    /// [`TargetError::Expired`] when the place has forgotten it: stage it again.
    fn commit(self: Box<Self>) -> Result<(), TargetError>;
}

/// Why a target does not take what it is given.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The content to be stored could not be read, or proved to be wrong while it was read.
    #[error("{0}")]
    Read(std::io::Error),
    /// The place forgot the staged bytes.
    #[error("the target has forgotten an upload that was under way")]
    Expired,
    /// The registry's answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The layout's state.
    #[error(transparent)]
    Layout(LayoutError),
    /// A file of the target could not be used.
    #[error(transparent)]
    File(FileError),
    /// A program that takes the images failed.
    #[error("{} failed: {}", program.display(), why.escape_debug())]
    Program {
        /// The program.
        program: std::path::PathBuf,
        /// Its words, or the system's.
        why: String,
    },
    /// Content that the place held is there no more.
    #[error("{0} is not there any more")]
    Gone(Digest),
}

impl TargetError {
    /// True when a document is refused for what it is: others may be taken.
    pub fn is_refusal(&self) -> bool {
        use RegistryError as E;
        let TargetError::Registry(error) = self else { return false };
        matches!(
            error,
            E::Refused { .. } | E::MediaType { .. } | E::TooLarge { .. } | E::Denied { .. }
        )
    }
}

impl From<LayoutError> for TargetError {
    fn from(error: LayoutError) -> TargetError {
        match error {
            LayoutError::Content(error) => TargetError::Read(error),
            LayoutError::Unstaged(_) => TargetError::Expired,
            error => TargetError::Layout(error),
        }
    }
}
