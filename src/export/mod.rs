//! Planning and writing a bundle: from pinned images to a sealed bundle on a medium.

mod attached;
mod authorise;
mod base;
mod fetch;
mod journal;
mod known;
mod open;
mod pack;
mod packing;
mod plan;
mod recipes;
mod resume;
mod run;
mod summary;
mod turns;

pub use attached::attached;
pub use base::{BaseBundle, Bases};
pub use fetch::fetch_documents;
pub use journal::{Begun, Journal, JournalError};
pub use plan::{Plan, PlannedBlob, plan};
pub use run::{Order, Summary, write};

use crate::bundle::{Name, WriteError};
use crate::files::FileError;
use crate::oci::{Digest, Reference};
use crate::recompress::StreamError;
use crate::source::SourceError;
use crate::trust::{KeyId, TrustError};

/// Which layers are opened and packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackMode {
    /// Those of which a good part is aboard or at the destination.
    Auto,
    /// All that can be made again.
    Always,
    /// None; none is opened.
    Never,
}

/// Why no bundle is written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No trust document says who may seal the stream. The caller's to mend.
    #[error("trust document {number} does not know the stream `{}`", stream.as_str())]
    UnknownStream {
        /// The stream.
        stream: Name,
        /// The newest document.
        number: u32,
    },
    /// A key that is to sign may not seal the stream, or not any more. The caller's to mend.
    #[error("the key {key_id} may not seal the stream `{}` now", stream.as_str())]
    MayNotSeal {
        /// The key.
        key_id: KeyId,
        /// The stream.
        stream: Name,
    },
    /// There is nothing to carry. The input's fault.
    #[error("no image is selected")]
    Nothing,
    /// The source has it not, cannot be reached, or gives something malformed.
    #[error("{name}: {error}")]
    Source {
        /// The image.
        name: Reference,
        /// The source's word.
        error: SourceError,
    },
    /// A blob could not be read to its end, or is not what its digest says
    /// ([`crate::oci::ContentError::inside`] tells).
    #[error("{name}: blob {blob}: {error}")]
    Read {
        /// The image.
        name: Reference,
        /// The blob.
        blob: Digest,
        /// What went wrong.
        error: std::io::Error,
    },
    /// A document refers to something that the list of documents does not hold. The input's fault.
    #[error("{name} refers to {digest}, which is neither selected nor stated to stay behind")]
    Incomplete {
        /// The image.
        name: Reference,
        /// What is missing.
        digest: Digest,
    },
    /// Two documents give one blob two sizes. The input's fault.
    #[error("{name} says {blob} is {second} bytes, another image says {first}")]
    Sizes {
        /// The image.
        name: Reference,
        /// The blob.
        blob: Digest,
        /// Bytes according to another image.
        first: u64,
        /// Bytes according to this one.
        second: u64,
    },
    /// Content with a digest that bundles of version 1 cannot name. The input's fault.
    #[error("{name} holds {digest}; bundles carry sha256 content only")]
    Unsupported {
        /// The image.
        name: Reference,
        /// The content.
        digest: Digest,
    },
    /// A layer that is held cannot be read again. The environment's fault: it could be before.
    #[error("a layer that was fetched cannot be read again: {0}")]
    Held(#[from] StreamError),
    /// The bundle could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file of the bundle could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An interrupted export cannot be taken up.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The seal could not be signed.
    #[error(transparent)]
    Sign(#[from] TrustError),
}
