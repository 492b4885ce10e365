//! The nouns of the OCI specifications: digests, descriptors, references, platforms, manifests.
//!
//! Everything here is a value that is known to be well formed, or the proof that bytes are what
//! a digest says. No files, no network.

pub mod date;
mod descriptor;
mod digest;
pub mod json;
pub mod line;
mod manifest;
mod marks;
mod pinned;
mod platform;
mod reader;
mod reference;

pub use descriptor::{
    DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, DOCUMENT_TYPES, Descriptor, DescriptorError,
    MediaType, OCI_ARTIFACT, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST,
};
pub use digest::{Digest, Hasher, InvalidDigest, hex, unhex};
pub use manifest::{Content, MAX_CHILDREN, MAX_MANIFEST_SIZE, Manifest, ManifestError};
pub use marks::{BlockHasher, MARK_BLOCK, MARK_SIZE};
pub use pinned::{Omitted, OmittedReason, PinnedDocument, PinnedImage, Role};
pub use platform::{InvalidPlatform, Platform};
pub use reader::{ContentError, CopyError, Unproven, VerifyingReader, read_block};
pub use reference::{InvalidReference, Reference, Repository, Tag};
