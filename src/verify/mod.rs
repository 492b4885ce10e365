//! Verification, in numbered steps. Nothing else in gapferry decides whether bytes may be believed.
//!
//! 1. Gather the seal and its signatures, and trust documents: regular files, under fixed caps.
//! 2. Establish which keys count: those that somebody named; or those of the newest trust document
//!    that can be reached from what the site accepted ([`Anchor`]).
//! 3. Check the signatures over the seal's exact bytes; count keys against the threshold.
//! 4. Parse those same bytes.
//! 5. May those keys seal this stream, at this epoch; is the bundle meant for here and now: expiry,
//!    destination, trust number; and is it not older than what was imported here. Whether what it
//!    builds upon is at the target, the import finds before it writes anything.
//! 6. `SHA256SUMS`: its exact signed size, its digest, then parse. Nothing missing, nothing extra.
//! 7. `oci-layout`, `index.json`, `lading.json`, the catalog: digest, then parse; all tell the same
//!    story.
//! 8. Each blob: exact size; then block by block before anybody sees a byte ([`BlobReader`]).
//! 9. Each layer that is made from packs: exact size and digest, block by block as in step 8
//!    ([`Workshop`]). Nothing is decompressed before step 8 has proven it.
//! 10. Manifests: digest, then parsed strictly; every child present or stated to stay behind.
//!
//! Steps 11 and 12 (into the target, into the memory) are [`crate::import`]'s.

mod admit;
mod blob;
mod cache;
mod chain;
mod complete;
mod contents;
mod head;
mod layer;
mod lost;
mod missing;
mod recipe;
mod remains;
mod restarts;
mod story;
mod sweep;
mod workshop;

use std::fmt;
use std::path::PathBuf;

pub use admit::{Restore, Site};
pub use blob::BlobReader;
pub use cache::Cache as PlainCache;
pub use chain::Anchor;
pub use complete::{Completeness, Difference, How, ImageProof, Part, differences};
pub use contents::Contents;
pub use head::{
    Claims, MAX_SIGNATURES, Outline, claims, examine, examine_medium, outline, seal, verify,
    verify_medium, verify_partly,
};
pub use lost::{Hurt, Losses, LostImage};
pub use missing::Gap;
pub use remains::{Remaining, remaining};
pub use story::StoryError;
pub use workshop::{Destination, Workshop};

use crate::bundle::{
    BundlePath, CatalogError, IndexError, LadingError, MediumError, Name, Piece, SealError,
    SumsError, Timestamp,
};
use crate::chunk::{ChunkIndexError, FrameError};
use crate::files::FileError;
use crate::memory::Place;
use crate::oci::{Digest, ManifestError};
use crate::recompress::GzipError;
use crate::trust::{ChainError, PaperError, TrustError, Verified};

/// A bundle whose seal enough trusted keys signed, and of which all but the blobs' bytes is
/// proven; those prove themselves as they are read.
pub type VerifiedBundle = Verified<Contents>;

/// A stretch of a file on the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file: a blob, an archive or a volume.
    pub file: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl Location {
    fn of(piece: &Piece) -> Location {
        Location { file: piece.file(), offset: piece.offset(), length: piece.size }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { file, offset, length } = self;
        write!(f, "{}, {length} bytes from byte {offset}", file.display())
    }
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// What lies on the medium is not the files of one bundle.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// A file could not be read. The environment's fault, unless it is not a regular file.
    #[error(transparent)]
    File(#[from] FileError),
    /// More signatures than any bundle has, or one that is too long. The input's fault.
    #[error("the bundle has more than {max} signatures, or one of more than {size} bytes")]
    Signatures {
        /// The most signatures.
        max: usize,
        /// The most bytes of one.
        size: u64,
    },
    /// The signatures do not hold, or are too few.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The seal is malformed. The input's fault.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The bundle is genuine and too old.
    #[error("the bundle expired at {expires}; it is {now}")]
    Expired {
        /// According to the seal.
        expires: Timestamp,
        /// The time here: never earlier than a time that was signed.
        now: Timestamp,
    },
    /// The bundle is genuine and for somebody else.
    #[error("the bundle is for `{}`, this site is {}", bundle.as_str(), site.as_ref().map_or("not named".to_owned(), |name| format!("`{}`", name.as_str())))]
    Destination {
        /// For whom it is.
        bundle: Name,
        /// Who this is.
        site: Option<Name>,
    },
    /// Trust documents on the medium do not join those that the site accepted, or do not hold.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No trust document says who may seal the stream.
    #[error("trust document {number} does not know the stream `{}`", stream.as_str())]
    UnknownStream {
        /// The seal's stream.
        stream: Name,
        /// The newest document.
        number: u32,
    },
    /// Too few of the keys that may seal the stream did.
    #[error("{needed} keys must seal the stream `{}`; {valid} that may did, and {others} that may not", stream.as_str())]
    Sealers {
        /// The seal's stream.
        stream: Name,
        /// How many keys must sign.
        needed: usize,
        /// How many did of those that may and whose time is not over.
        valid: usize,
        /// How many other key ids there are signatures of.
        others: usize,
    },
    /// The time of so many keys is over that nobody can seal the stream.
    #[error("too few keys count now to seal {}: {valid}, and {needed} must sign", stream.as_ref().map_or("anything".to_owned(), |it| format!("the stream `{}`", it.as_str())))]
    KeysPast {
        /// The seal's stream; `None` when no key counts at all.
        stream: Option<Name>,
        /// How many keys must sign.
        needed: usize,
        /// How many there are whose time is not over.
        valid: usize,
    },
    /// The seal states another epoch than the trust document.
    #[error("the bundle is of epoch {found} of the stream `{}`; trust document {number} says {expected}", stream.as_str())]
    DocumentEpoch {
        /// The seal's stream.
        stream: Name,
        /// The seal's epoch.
        found: u64,
        /// The document's.
        expected: u64,
        /// The newest document.
        number: u32,
    },
    /// The bundle's maker knew a trust document that this site does not know.
    #[error("the bundle was made under trust document {0}, which this site does not know")]
    TrustNumber(u64),
    /// The bundle's maker counts in an epoch that no trust document here tells of, or in one that is
    /// over.
    #[error("the bundle is of epoch {bundle} of the stream `{}`; this site knows epoch {epoch}", stream.as_str())]
    Epoch {
        /// The stream.
        stream: Name,
        /// According to the seal.
        bundle: u64,
        /// According to what is known here.
        epoch: u64,
    },
    /// The bundle is genuine, and a newer one was imported.
    #[error("the bundle is replayed: it is {}, and {} of the stream `{}` was imported", position(bundle), position(newest), stream.as_str())]
    Replayed {
        /// The stream.
        stream: Name,
        /// Its epoch and sequence.
        bundle: (u64, u64),
        /// Epoch and sequence of the newest that was imported.
        newest: (u64, u64),
    },
    /// The bundle is older than what the target has that it is to be restored to.
    #[error("{place} is no target to restore to: it has {} of the stream `{}`, and the bundle is {}", position(reached), stream.as_str(), position(bundle))]
    RestoreOwnTarget {
        /// The target.
        place: Place,
        /// The stream.
        stream: Name,
        /// Epoch and sequence of the bundle.
        bundle: (u64, u64),
        /// Epoch and sequence of the newest that came to this target.
        reached: (u64, u64),
    },
    /// Two bundles, both signed by enough trusted keys, claim one place in a stream.
    #[error("TWO BUNDLES claim to be {} of the stream `{}`, both signed by trusted keys: {} was imported, and this is {}", position(bundle), stream.as_str(), seals[0], seals[1])]
    Equivocation {
        /// The stream.
        stream: Name,
        /// Their epoch and sequence.
        bundle: (u64, u64),
        /// The digests of both seals: that of the bundle that was imported first.
        seals: [Digest; 2],
    },
    /// `SHA256SUMS` is malformed. The input's fault.
    #[error(transparent)]
    Sums(#[from] SumsError),
    /// The lading is malformed. The input's fault.
    #[error(transparent)]
    Lading(#[from] LadingError),
    /// The catalog is malformed, or needs a newer version.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The chunk index is malformed. The input's fault.
    #[error(transparent)]
    Chunks(#[from] ChunkIndexError),
    /// `index.json` or `manifest.json` is malformed, or says something else than the lading.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A manifest is malformed. The input's fault.
    #[error("{at}: {error}")]
    Manifest {
        /// Where it lies.
        at: Location,
        /// What is wrong.
        error: ManifestError,
    },
    /// The files do not tell one and the same story. The input's fault.
    #[error(transparent)]
    Story(#[from] StoryError),
    /// A file of the bundle is not on the medium. The input's fault.
    #[error("{path} is missing")]
    Missing {
        /// The first file that is missing.
        path: BundlePath,
    },
    /// Whole volumes of the bundle are not on the medium. The input's fault.
    #[error("{0}")]
    Volumes(Gap),
    /// A file on the medium is not part of this bundle. The input's fault.
    #[error("{path} ({at}) is not part of this bundle")]
    Extra {
        /// Its name.
        path: BundlePath,
        /// Where it lies.
        at: Location,
    },
    /// A file is longer or shorter than signed. The input's fault.
    #[error("{path} should be {expected} bytes; there are {at}")]
    Size {
        /// Its name.
        path: BundlePath,
        /// Bytes, according to what is signed.
        expected: u64,
        /// Where it lies, and what there is of it.
        at: Location,
    },
    /// A file is larger than any of its kind may be. The input's fault.
    #[error("{path} is larger than {cap} bytes: {at}")]
    TooLarge {
        /// Its name.
        path: BundlePath,
        /// The most bytes.
        cap: u64,
        /// Where it lies.
        at: Location,
    },
    /// A layer was made from verified packs and is not what its digest says. The input's fault.
    #[error("layer {layer} cannot be made: from byte {offset} on it is not what its digest says")]
    Remade {
        /// Which layer.
        layer: Digest,
        /// The first byte of the block that is wrong.
        offset: u64,
    },
    /// A recipe cannot be followed. The input's fault.
    #[error("layer {layer} cannot be made: {what}")]
    Recipe {
        /// Which layer.
        layer: Digest,
        /// What is wrong.
        what: &'static str,
    },
    /// The bundle is genuine and names an encoder that this version does not have.
    #[error("layer {layer} needs the encoder `{}`, which this version of gapferry does not have", name.escape_debug())]
    Encoder {
        /// Which layer.
        layer: Digest,
        /// The encoder's name.
        name: String,
    },
    /// A frame of a pack is not what the catalog says, though its bytes were signed. The input's
    /// fault.
    #[error("{path}, byte {offset}: {error}")]
    Frame {
        /// The pack.
        path: BundlePath,
        /// Where in the pack the frame begins.
        offset: u64,
        /// What is wrong.
        error: FrameError,
    },
    /// A blob whose plain content a layer takes cannot be inflated. The input's fault.
    #[error("{digest}: {error}")]
    Inflate {
        /// The blob.
        digest: Digest,
        /// What is wrong.
        error: GzipError,
    },
    /// What the destination holds under a digest is something else.
    #[error("{blob} is damaged at the destination, within the MiB from byte {offset} on")]
    Destroyed {
        /// Which blob.
        blob: Digest,
        /// The first byte of the block that is wrong.
        offset: u64,
    },
    /// The layer takes content of a base bundle, and no destination is at hand that holds it.
    #[error("{0} is at the destination of this bundle, and not aboard")]
    AtDestination(Digest),
    /// Content could not be read. The environment's fault.
    #[error("cannot read {digest}: {error}")]
    Content {
        /// Which content.
        digest: Digest,
        /// The system's word.
        error: std::io::Error,
    },
    /// Bytes are not what was signed. The input's fault.
    #[error("{path} is damaged or forged: {at} are not what was signed")]
    Damaged {
        /// Its name.
        path: BundlePath,
        /// The smallest stretch that is known to hold the damage.
        at: Location,
    },
}

fn position((epoch, sequence): &(u64, u64)) -> String {
    format!("epoch {epoch}, sequence {sequence}")
}

impl From<PaperError> for VerifyError {
    fn from(error: PaperError) -> VerifyError {
        VerifyError::Chain(error.into())
    }
}

impl VerifyError {
    /// The error that an [`std::io::Error`] of a [`BlobReader`] holds.
    pub fn from_io(error: std::io::Error) -> VerifyError {
        match error.downcast() {
            Ok(inside) => inside,
            Err(error) => FileError::io("read", std::path::Path::new("a blob"), error).into(),
        }
    }
}

#[cfg(test)]
mod tests;
