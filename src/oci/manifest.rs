//! Manifests and indexes: the raw bytes, and what they refer to.
//!
//! Withstands: bytes that are not what the descriptor says (size, digest, media type), documents
//! that are an index to one reader and an image to another (`manifests` beside `layers`,
//! duplicate keys, keys that differ in case only), deep nesting, too many children, documents of
//! any size (capped), schema 1. Source: OCI image-spec 1.1, manifest.md and image-index.md;
//! docker's manifest schema 2.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::descriptor::{Descriptor, DescriptorError, MediaType};
use super::digest::Digest;
use super::json;

/// The largest manifest that registries must take (distribution-spec 1.1, "Pushing Manifests").
pub const MAX_MANIFEST_SIZE: u64 = 4 * 1024 * 1024;
/// How many descriptors one document may hold.
pub const MAX_CHILDREN: usize = 10_000;

/// A manifest or an index: bytes that have the digest of their descriptor, and their meaning.
#[derive(Debug, Clone)]
pub struct Manifest {
    descriptor: Descriptor,
    raw: Vec<u8>,
    content: Content,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
}

/// What a document refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An index: other documents.
    Index(Vec<Descriptor>),
    /// An image or artifact: a config (none in the withdrawn artifact manifest) and layers.
    Image {
        /// The config.
        config: Option<Box<Descriptor>>,
        /// The layers, base first; an artifact's blobs.
        layers: Vec<Descriptor>,
    },
    /// A media type that nobody here knows: bytes, carried as they are.
    Opaque,
}

/// Why a document is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Larger than any registry must take.
    #[error("a manifest of {0} bytes is over the limit of {MAX_MANIFEST_SIZE}")]
    TooLarge(u64),
    /// Not as long as the descriptor says.
    #[error("{digest} is {found} bytes, its descriptor says {expected}")]
    Size {
        /// Which document.
        digest: Digest,
        /// Bytes according to the descriptor.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Other bytes than the digest says.
    #[error("the bytes of manifest {expected} have the digest {found}")]
    Digest {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Not JSON of the form that the specification gives.
    #[error("manifest {digest} is malformed: {error}")]
    Json {
        /// Which document.
        digest: Digest,
        /// Where and what.
        error: serde_json::Error,
    },
    /// A descriptor in it is malformed.
    #[error("manifest {digest} holds a bad descriptor: {error}")]
    Descriptor {
        /// Which document.
        digest: Digest,
        /// What is wrong.
        error: DescriptorError,
    },
    /// It says of itself another media type than its descriptor does.
    #[error("manifest {digest} calls itself {found}, its descriptor says {expected}")]
    MediaType {
        /// Which document.
        digest: Digest,
        /// According to the descriptor.
        expected: String,
        /// According to the document.
        found: String,
    },
    /// It could be read as two things.
    #[error("manifest {digest} is ambiguous: {why}")]
    Ambiguous {
        /// Which document.
        digest: Digest,
        /// What makes it so.
        why: &'static str,
    },
    /// It lacks what its media type calls for.
    #[error("manifest {digest} has no `{field}`")]
    Missing {
        /// Which document.
        digest: Digest,
        /// The field.
        field: &'static str,
    },
    /// Docker's schema 1.
    #[error("manifest {0} is docker schema 1, which is not supported; push the image anew")]
    Schema1(Digest),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<oci_spec::image::Descriptor>,
    layers: Option<Vec<oci_spec::image::Descriptor>>,
    manifests: Option<Vec<oci_spec::image::Descriptor>>,
    blobs: Option<Vec<oci_spec::image::Descriptor>>,
    subject: Option<oci_spec::image::Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

const FIELDS: [&str; 10] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "annotations",
    "fsLayers",
];

impl Manifest {
    /// Takes `raw` for the document that `descriptor` names: size, digest, then meaning.
    ///
    /// # Errors
    /// Every [`ManifestError`].
    pub fn parse(descriptor: Descriptor, raw: Vec<u8>) -> Result<Manifest, ManifestError> {
        check_bytes(&descriptor, &raw)?;
        if descriptor.media_type.is_schema1() {
            return Err(ManifestError::Schema1(descriptor.digest));
        }
        if !descriptor.media_type.is_index() && !descriptor.media_type.is_manifest() {
            return Ok(Manifest {
                descriptor,
                raw,
                content: Content::Opaque,
                subject: None,
                artifact_type: None,
                annotations: BTreeMap::new(),
            });
        }
        read(descriptor, raw)
    }

    /// The media type that `raw` gives itself, if it is JSON that has one. Registries' headers
    /// are sometimes wrong; the document's own word counts.
    pub fn own_media_type(raw: &[u8]) -> Option<MediaType> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            media_type: String,
        }
        let head: Head = json::parse(raw).ok()?;
        MediaType::new(&head.media_type).ok()
    }

    /// Media type, digest and size (and whatever else the parent said).
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The bytes, exactly as they came.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// What it refers to.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The documents below it: an index's manifests.
    pub fn children(&self) -> &[Descriptor] {
        match &self.content {
            Content::Index(manifests) => manifests,
            _ => &[],
        }
    }

    /// The blobs it needs: config first, then layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers) = match &self.content {
            Content::Image { config, layers } => (config.as_deref(), layers.as_slice()),
            _ => (None, &[][..]),
        };
        config.into_iter().chain(layers)
    }

    /// The document that this one refers to as its subject.
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The kind of artifact: `artifactType`, else the config's media type
    /// (distribution-spec 1.1, "Listing Referrers").
    pub fn artifact_type(&self) -> Option<&str> {
        match (&self.artifact_type, &self.content) {
            (Some(kind), _) => Some(kind),
            (None, Content::Image { config: Some(config), .. }) => Some(config.media_type.as_str()),
            _ => None,
        }
    }

    /// Notes on the document.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

fn check_bytes(descriptor: &Descriptor, raw: &[u8]) -> Result<(), ManifestError> {
    let found = raw.len() as u64;
    if found.max(descriptor.size) > MAX_MANIFEST_SIZE {
        return Err(ManifestError::TooLarge(found.max(descriptor.size)));
    }
    if found != descriptor.size {
        let (digest, expected) = (descriptor.digest, descriptor.size);
        return Err(ManifestError::Size { digest, expected, found });
    }
    let mut hasher = descriptor.digest.hasher();
    hasher.update(raw);
    match hasher.finish() {
        found if found == descriptor.digest => Ok(()),
        found => Err(ManifestError::Digest { expected: descriptor.digest, found }),
    }
}

fn read(descriptor: Descriptor, raw: Vec<u8>) -> Result<Manifest, ManifestError> {
    let digest = descriptor.digest;
    let malformed = |error| ManifestError::Json { digest, error };
    let keys: BTreeMap<String, IgnoredAny> = json::parse(&raw).map_err(malformed)?;
    check_keys(digest, &keys)?;
    let parsed: Raw = serde_json::from_slice(&raw).map_err(malformed)?;
    if parsed.schema_version == Some(1) {
        return Err(ManifestError::Schema1(digest));
    }
    if let Some(found) =
        parsed.media_type.as_deref().filter(|own| *own != descriptor.media_type.as_str())
    {
        let (expected, found) =
            (descriptor.media_type.to_string(), found.chars().take(100).collect());
        return Err(ManifestError::MediaType { digest, expected, found });
    }
    let bad = |error| ManifestError::Descriptor { digest, error };
    let subject = parsed.subject.map(Descriptor::try_from).transpose().map_err(bad)?;
    let (artifact_type, annotations) = (parsed.artifact_type.clone(), parsed.annotations.clone());
    let content =
        content(&descriptor, parsed.config, parsed.layers, parsed.manifests, parsed.blobs)?;
    Ok(Manifest {
        descriptor,
        raw,
        content,
        subject,
        artifact_type: artifact_type.filter(|kind| !kind.is_empty()),
        annotations: annotations.unwrap_or_default(),
    })
}

/// Readers in other languages match keys without regard to case.
fn check_keys(digest: Digest, keys: &BTreeMap<String, IgnoredAny>) -> Result<(), ManifestError> {
    for key in keys.keys() {
        let twin = |field: &&str| field.eq_ignore_ascii_case(key) && *field != key;
        if FIELDS.iter().any(twin) {
            let why = "a key differs from a known one in case only";
            return Err(ManifestError::Ambiguous { digest, why });
        }
    }
    Ok(())
}

type RawDescriptors = Option<Vec<oci_spec::image::Descriptor>>;

fn content(
    descriptor: &Descriptor,
    config: Option<oci_spec::image::Descriptor>,
    layers: RawDescriptors,
    manifests: RawDescriptors,
    blobs: RawDescriptors,
) -> Result<Content, ManifestError> {
    let digest = descriptor.digest;
    let missing = |field| ManifestError::Missing { digest, field };
    let ambiguous = |why| ManifestError::Ambiguous { digest, why };
    if descriptor.media_type.is_index() {
        if config.is_some() || layers.is_some() || blobs.is_some() {
            return Err(ambiguous("an index with `config`, `layers` or `blobs`"));
        }
        let manifests = manifests.ok_or_else(|| missing("manifests"))?;
        return Ok(Content::Index(descriptors(digest, manifests)?));
    }
    if manifests.is_some() {
        return Err(ambiguous("`manifests` in an image manifest"));
    }
    if descriptor.media_type.as_str() == super::descriptor::OCI_ARTIFACT {
        let layers = descriptors(digest, blobs.unwrap_or_default())?;
        return Ok(Content::Image { config: None, layers });
    }
    let config = config.ok_or_else(|| missing("config"))?;
    let config = Descriptor::try_from(config)
        .map_err(|error| ManifestError::Descriptor { digest, error })?;
    let layers = descriptors(digest, layers.ok_or_else(|| missing("layers"))?)?;
    Ok(Content::Image { config: Some(Box::new(config)), layers })
}

fn descriptors(
    digest: Digest,
    raw: Vec<oci_spec::image::Descriptor>,
) -> Result<Vec<Descriptor>, ManifestError> {
    if raw.len() > MAX_CHILDREN {
        let why = "it holds more than 10,000 descriptors";
        return Err(ManifestError::Ambiguous { digest, why });
    }
    raw.into_iter()
        .map(|raw| {
            Descriptor::try_from(raw).map_err(|error| ManifestError::Descriptor { digest, error })
        })
        .collect()
}

#[cfg(test)]
mod tests;
