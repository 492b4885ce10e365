//! Pinned images: a name bound to a digest, and every document that travels with it.
//!
//! The lock file and the lading hold the same list in the same form, so that what somebody
//! approved and what is aboard can be compared line by line. Normative text: `formats/lock.md`.

use serde::{Deserialize, Serialize};

use super::descriptor::{Descriptor, MediaType};
use super::digest::Digest;
use super::platform::Platform;
use super::reference::{Reference, Tag};

/// An image or artifact as it was when its name was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedImage {
    /// What it is called; at the destination too, unless it is mapped there.
    pub name: Reference,
    /// Where its bytes come from, as the user may write it on the command line.
    pub source: String,
    /// Why it is aboard: the argument, list file and line, … that named it.
    pub why: Vec<String>,
    /// The root document.
    pub digest: Digest,
    /// The configs, layers and other blobs that travel, each once: the sum of their sizes in bytes.
    pub bytes: u64,
    /// The index of which the root is one platform's manifest, when one platform alone was asked
    /// for. That index does not travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// Every document that travels: the root first, then children, then what refers to them.
    pub documents: Vec<PinnedDocument>,
    /// What the documents refer to and what stays behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<Omitted>,
}

/// A manifest or index of a [`PinnedImage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PinnedDocument {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub size: u64,
    /// Its part in the image.
    pub role: Role,
    /// What it was made for, as its parent says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The document that it refers to (`referrer` and `tagged` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// The tag by which it is found (`tagged` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// The kind of artifact, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// The part that a document plays in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What the name points to.
    Root,
    /// Reached from the root, or from a referrer, through an index.
    Child,
    /// Names another document as its subject (OCI 1.1).
    Referrer,
    /// Found by a tag made of the digest that it refers to (cosign's `.sig`, `.att`, `.sbom`).
    Tagged,
}

/// Content that a document refers to and that does not travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Omitted {
    /// Its digest.
    pub digest: Digest,
    /// Why it stays behind.
    pub reason: OmittedReason,
    /// The platform, for a manifest of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// Why content stays behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OmittedReason {
    /// Another platform than those asked for.
    Platform,
    /// A foreign layer, which registries need not hold.
    Foreign,
    /// It refers to a document, and its kind was not asked for.
    Referrer,
}

impl PinnedImage {
    /// The root document; every well-formed image has one.
    pub fn root(&self) -> Option<&PinnedDocument> {
        self.documents
            .first()
            .filter(|first| first.digest == self.digest && first.role == Role::Root)
    }

    /// True when `digest` is stated to stay behind.
    pub fn omits(&self, digest: &Digest) -> bool {
        self.omitted.iter().any(|omitted| omitted.digest == *digest)
    }
}

impl PinnedDocument {
    /// Its descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            platform: self.platform.clone(),
            artifact_type: self.artifact_type.clone(),
            ..Descriptor::new(self.media_type.clone(), self.digest, self.size)
        }
    }
}
