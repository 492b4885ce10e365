//! What an image consists of, as far as a policy asks: its platforms, and what refers to them.
//!
//! Subjects, platforms and artifact types are taken from the manifests, whose bytes are proven, and
//! not from the lock, which anybody may have written. Tags are in no manifest: they are the lock's
//! word, as they would be a registry's.
//! Withstands: indexes that hold each other, referrers that refer to something else than stated.

use std::collections::BTreeSet;

use super::Evidence;
use super::cosign::{BUNDLE, SIGNATURE, SIGNED};
use super::rules::Kind;
use crate::oci::{Descriptor, Digest, Manifest, PinnedDocument, PinnedImage, Platform, Role};

const SBOM_TYPES: [&str; 5] = [
    "application/spdx+json",
    "text/spdx+json",
    "text/spdx",
    "application/vnd.cyclonedx+json",
    "application/vnd.dev.cosign.artifact.sbom.v1+json",
];
const SBOM_PREDICATES: [&str; 2] = ["https://spdx.dev/Document", "https://cyclonedx.org/bom"];
const NOTATION: &str = "application/vnd.cncf.notary.signature";
/// Where bundles, cosign's attestations and buildkit's say what they state.
const PREDICATES: [&str; 3] = [BUNDLE_PREDICATE, "predicateType", "in-toto.io/predicate-type"];
const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
/// Buildkit's note on an attestation in an index: the manifest that it describes.
const DESCRIBES: &str = "vnd.docker.reference.digest";

/// An image, taken apart.
pub struct Parts<'a> {
    /// The root, or the manifests of the platforms below it that are aboard.
    pub manifests: Vec<(&'a Manifest, Option<Platform>)>,
    /// What refers to the documents of the image.
    pub attached: Vec<Attached<'a>>,
    /// Documents that should be there and are not.
    pub unseen: Vec<Digest>,
}

/// A document that refers to another.
pub struct Attached<'a> {
    /// To which.
    pub subject: Digest,
    /// The document.
    pub manifest: &'a Manifest,
    /// The last part of its tag, when it is found by a tag: `sig`, `att` or `sbom`.
    suffix: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Takes `image` apart.
    pub fn of<E: Evidence>(image: &'a PinnedImage, evidence: &'a E) -> Parts<'a> {
        let mut parts = Parts { manifests: Vec::new(), attached: Vec::new(), unseen: Vec::new() };
        for document in &image.documents {
            match evidence.document(&document.digest) {
                Some(manifest) => parts.attached.extend(attached(document, manifest)),
                None => parts.unseen.push(document.digest),
            }
        }
        parts.descend(image, evidence);
        parts
    }

    /// Goes down from the root, in the order of the indexes.
    fn descend<E: Evidence>(&mut self, image: &'a PinnedImage, evidence: &'a E) {
        let own = image.root().and_then(|root| root.platform.clone());
        let mut left = vec![(image.digest, own)];
        let mut seen = BTreeSet::new();
        while let Some((digest, platform)) = left.pop() {
            let Some(manifest) = evidence.document(&digest) else { continue };
            if !seen.insert(digest) || image.omits(&digest) {
                continue;
            }
            if !manifest.descriptor().media_type.is_index() {
                self.manifests.push((manifest, platform));
                continue;
            }
            for child in manifest.children().iter().rev() {
                match describes(child) {
                    Some(subject) => self.describe(subject, child, evidence),
                    None => left.push((child.digest, child.platform.clone())),
                }
            }
        }
    }

    fn describe<E: Evidence>(&mut self, subject: Digest, child: &Descriptor, evidence: &'a E) {
        if let Some(manifest) = evidence.document(&child.digest) {
            self.attached.push(Attached { subject, manifest, suffix: None });
        }
    }
}

/// The manifest that a child of an index describes, if it is one of buildkit's attestations.
fn describes(child: &Descriptor) -> Option<Digest> {
    child.platform.as_ref().filter(|platform| platform.is_unknown())?;
    child.annotations.get(DESCRIBES)?.parse().ok()
}

/// What the document refers to, by its own word or by that of its tag.
fn attached<'a>(document: &'a PinnedDocument, manifest: &'a Manifest) -> Option<Attached<'a>> {
    match document.role {
        Role::Root | Role::Child => None,
        Role::Referrer => {
            let subject = manifest.subject()?.digest;
            Some(Attached { subject, manifest, suffix: None })
        }
        Role::Tagged => {
            let (stem, suffix) = document.tag.as_ref()?.as_str().split_once('.')?;
            let subject = stem.replacen('-', ":", 1).parse().ok()?;
            Some(Attached { subject, manifest, suffix: Some(suffix) })
        }
    }
}

impl Attached<'_> {
    /// The artifact type; empty when there is none.
    pub fn artifact_type(&self) -> &str {
        self.manifest.artifact_type().unwrap_or_default()
    }

    /// True when this is something of the kind.
    pub fn is(&self, kind: Kind) -> bool {
        let found = self.artifact_type();
        match kind {
            Kind::Sbom => {
                let stated = |it: &str| SBOM_PREDICATES.iter().any(|known| it.starts_with(known));
                self.suffix == Some("sbom")
                    || SBOM_TYPES.contains(&found)
                    || self.predicates().any(stated)
            }
            Kind::CosignSignature => {
                self.suffix == Some("sig")
                    || found == SIGNATURE
                    || (found == BUNDLE && self.bundle_may_sign())
            }
            Kind::NotationSignature => found == NOTATION,
        }
    }

    /// False for a bundle that says of itself that it is another statement.
    pub fn bundle_may_sign(&self) -> bool {
        let annotations = self.manifest.annotations();
        match annotations.get(BUNDLE_PREDICATE) {
            Some(predicate) => predicate == SIGNED,
            None => annotations.get(BUNDLE_CONTENT).is_none_or(|it| it == "message-signature"),
        }
    }

    fn predicates(&self) -> impl Iterator<Item = &str> {
        let layers = self.manifest.blobs().map(|layer| &layer.annotations);
        let all = std::iter::once(self.manifest.annotations()).chain(layers);
        all.flat_map(|notes| PREDICATES.iter().filter_map(|name| notes.get(*name)))
            .map(String::as_str)
    }
}
