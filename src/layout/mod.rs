//! An OCI image layout: read from wherever it lies, written on disk, atomically.
//!
//! - `index` – `index.json` and its entries.
//! - `store` – [`Store`], what every place that holds a layout can do.
//! - `read` – [`Layout`], a directory that is read.
//! - `write` – [`LayoutWriter`], a directory that is written.
//! - `stage` – blobs that wait for their digest, over runs.
//! - `documents` – everything that `index.json` leads to.
//!
//! Source: OCI image-spec 1.1, image-layout.md.

mod documents;
mod index;
mod read;
mod stage;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

use crate::files::FileError;
use crate::oci::{Digest, ManifestError};

pub use documents::{Document, Documents, MAX_DOCUMENTS};
pub use index::{IMAGE_NAME, Index, IndexEntry, IndexError, REF_NAME, check_version};
pub use read::Layout;
pub use stage::{StagedBlob, staged_place};
pub use store::Store;
pub use write::LayoutWriter;

/// The largest `index.json` that is read, in bytes.
pub const MAX_INDEX_SIZE: u64 = 16 * 1024 * 1024;
/// The largest `oci-layout` that is read, in bytes.
pub const MAX_VERSION_SIZE: u64 = 4096;

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// No OCI layout of version 1.0.0 is there. The input's fault.
    #[error("{} is not an OCI image layout: {why}", path.display())]
    NotALayout {
        /// Which directory.
        path: PathBuf,
        /// What gives it away.
        why: &'static str,
    },
    /// `oci-layout` or `index.json` is malformed. The input's fault.
    #[error("{} is malformed: {error}", path.display())]
    Index {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: IndexError,
    },
    /// `oci-layout` or `index.json` is larger than any should be. The input's fault.
    #[error("{} is larger than {cap} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The most bytes.
        cap: u64,
    },
    /// Content that is not there. The input's fault.
    #[error("{0} is not in the layout")]
    Missing(Digest),
    /// What was staged was taken away before it had its digest. The environment's fault.
    #[error("{0} was staged in the layout, and is not there any more")]
    Unstaged(Digest),
    /// A document that is not what its digest says, or malformed. The input's fault.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The layout leads to more documents than anybody has. The input's fault.
    #[error("the layout holds more than {MAX_DOCUMENTS} documents")]
    TooManyDocuments,
    /// The content that was to be written could not be read, or proved to be wrong.
    #[error("cannot read the content to be stored: {0}")]
    Content(std::io::Error),
}
