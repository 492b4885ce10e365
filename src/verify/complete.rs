//! Whether a bundle is complete, and how that is known: for each image every document and every blob
//! that its documents lead to, and where it is.
//!
//! Pure, and by another way than [`super::story`], which refused what is not whole before: from the
//! documents' own bytes on, so that the proof can be read by people and checked again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Contents;
use crate::bundle::Catalog;
use crate::oci::{
    Content, Digest, Manifest, OmittedReason, PinnedDocument, PinnedImage, Platform, Reference,
    Role, Tag,
};

/// Where something is that an image needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// In the bundle as it is.
    Aboard,
    /// Made again out of what is aboard, and in a delta of what the destination has.
    Packed,
    /// At the destination, brought by a base bundle.
    Held,
    /// Left behind: for a platform that nobody asked for.
    Platform,
    /// Left behind: a foreign layer.
    Foreign,
    /// Left behind: refers to the image, and is of a kind that nobody asked for.
    Referrer,
    /// Nowhere.
    Missing,
}

/// Something that an image needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its digest.
    pub digest: Digest,
    /// `root`, `child`, `referrer`, `tagged`, `subject`, `config` or `layer`.
    pub kind: &'static str,
    /// Where it is.
    pub how: How,
    /// For a manifest of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// By which it is found, for a tagged document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

/// What an image needs, and where all of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageProof {
    /// Its name.
    pub name: Reference,
    /// The digest of its root.
    pub digest: Digest,
    /// The index of which one platform's manifest was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// True when nothing is missing, and something of each index is aboard.
    pub complete: bool,
    /// An index of which nothing at all is aboard.
    #[serde(rename = "emptyIndex", skip_serializing_if = "Option::is_none")]
    pub empty_index: Option<Digest>,
    /// Documents in the order of the lading, then what they lead to: each once.
    pub parts: Vec<Part>,
}

/// The proof for a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// True when every image is.
    pub complete: bool,
    /// The images, sorted by name.
    pub images: Vec<ImageProof>,
}

/// A difference between what was approved and what is aboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "kebab-case")]
pub enum Difference {
    /// An image of the lock is not aboard.
    ImageMissing,
    /// An image is aboard that the lock does not name.
    ImageExtra,
    /// An image has another root.
    OtherDigest {
        /// In the lock.
        locked: Digest,
        /// In the bundle.
        aboard: Digest,
    },
    /// A document of the lock is not aboard, or in another part.
    DocumentMissing {
        /// Which.
        digest: Digest,
    },
    /// A document is aboard that the lock does not name, or in another part.
    DocumentExtra {
        /// Which.
        digest: Digest,
    },
    /// Something stays behind that should not, or the other way round.
    Omitted {
        /// What.
        digest: Digest,
    },
}

impl Completeness {
    /// The proof for what is in a bundle.
    pub fn of(contents: &Contents) -> Completeness {
        let prove = |image: &PinnedImage| {
            Walk { image, catalog: contents.catalog(), document: &|it| contents.document(it) }
                .prove()
        };
        let images: Vec<ImageProof> = contents.images().iter().map(prove).collect();
        Completeness { complete: images.iter().all(|image| image.complete), images }
    }
}

impl ImageProof {
    /// How many parts of one of these kinds are had so; of any kind if none is named.
    pub fn count(&self, kinds: &[&str], how: How) -> usize {
        let counts =
            |part: &&Part| part.how == how && (kinds.is_empty() || kinds.contains(&part.kind));
        self.parts.iter().filter(counts).count()
    }
}

struct Walk<'a> {
    image: &'a PinnedImage,
    catalog: &'a Catalog,
    document: &'a dyn Fn(&Digest) -> Option<&'a Manifest>,
}

impl Walk<'_> {
    fn prove(&self) -> ImageProof {
        let listed: BTreeSet<Digest> = self.image.documents.iter().map(|it| it.digest).collect();
        let mut parts: Vec<Part> = self.image.documents.iter().map(|it| self.listed(it)).collect();
        let mut more: BTreeMap<Digest, Part> = BTreeMap::new();
        let mut empty_index = None;
        for pinned in &self.image.documents {
            let Some(document) = (self.document)(&pinned.digest) else { continue };
            for child in document.children().iter().filter(|it| !listed.contains(&it.digest)) {
                let how = self.left(&child.digest, OmittedReason::Platform);
                let part =
                    Part { platform: child.platform.clone(), ..part(child.digest, "child", how) };
                more.entry(child.digest).or_insert(part);
            }
            let mut children = document.children().iter();
            if children.len() > 0 && !children.any(|child| listed.contains(&child.digest)) {
                empty_index = empty_index.or(Some(pinned.digest));
            }
            for subject in pinned.subject.iter().filter(|it| !listed.contains(it)) {
                more.entry(*subject).or_insert(part(*subject, "subject", How::Missing));
            }
            let config = matches!(document.content(), Content::Image { config: Some(_), .. });
            for (at, blob) in document.blobs().enumerate() {
                let kind = if at == 0 && config { "config" } else { "layer" };
                more.entry(blob.digest).or_insert(part(blob.digest, kind, self.blob(&blob.digest)));
            }
        }
        let kinds = self.image.omitted.iter().filter(|it| it.reason == OmittedReason::Referrer);
        parts.extend(kinds.map(|it| part(it.digest, "referrer", How::Referrer)));
        parts.extend(more.into_values());
        let complete = empty_index.is_none() && parts.iter().all(|part| part.how != How::Missing);
        let PinnedImage { name, digest, index, .. } = self.image.clone();
        ImageProof { name, digest, index, complete, empty_index, parts }
    }

    /// A document that the lading lists.
    fn listed(&self, pinned: &PinnedDocument) -> Part {
        let how =
            if (self.document)(&pinned.digest).is_some() { How::Aboard } else { How::Missing };
        let kind = match pinned.role {
            Role::Root => "root",
            Role::Child => "child",
            Role::Referrer => "referrer",
            Role::Tagged => "tagged",
        };
        let (platform, tag) = (pinned.platform.clone(), pinned.tag.clone());
        Part { platform, tag, ..part(pinned.digest, kind, how) }
    }

    fn left(&self, digest: &Digest, why: OmittedReason) -> How {
        let stated = |it: &&crate::oci::Omitted| it.digest == *digest && it.reason == why;
        match (self.image.omitted.iter().find(stated), why) {
            (None, _) => How::Missing,
            (Some(_), OmittedReason::Platform) => How::Platform,
            (Some(_), OmittedReason::Foreign) => How::Foreign,
            (Some(_), OmittedReason::Referrer) => How::Referrer,
        }
    }

    fn blob(&self, digest: &Digest) -> How {
        if self.image.omits(digest) {
            return self.left(digest, OmittedReason::Foreign);
        }
        match (self.catalog.layer(digest), self.catalog.held(digest), self.catalog.get(digest)) {
            (Some(_), ..) => How::Packed,
            (_, Some(_), _) => How::Held,
            (.., Some(_)) => How::Aboard,
            _ => How::Missing,
        }
    }
}

fn part(digest: Digest, kind: &'static str, how: How) -> Part {
    Part { digest, kind, how, platform: None, tag: None }
}

/// What differs between the images of a lock and those aboard, by name. Where an image comes from and
/// why it was asked for does not count.
pub fn differences(locked: &[PinnedImage], aboard: &[PinnedImage]) -> Vec<(Reference, Difference)> {
    let (locked, aboard) = (by_name(locked), by_name(aboard));
    let names: BTreeSet<&Reference> = locked.keys().chain(aboard.keys()).copied().collect();
    let mut found = Vec::new();
    for name in names {
        let here = match (locked.get(name), aboard.get(name)) {
            (Some(_), None) => vec![Difference::ImageMissing],
            (None, _) => vec![Difference::ImageExtra],
            (Some(locked), Some(aboard)) => of_image(locked, aboard),
        };
        found.extend(here.into_iter().map(|it| (name.clone(), it)));
    }
    found
}

fn by_name(images: &[PinnedImage]) -> BTreeMap<&Reference, &PinnedImage> {
    images.iter().map(|image| (&image.name, image)).collect()
}

fn of_image(locked: &PinnedImage, aboard: &PinnedImage) -> Vec<Difference> {
    if locked.digest != aboard.digest {
        return vec![Difference::OtherDigest { locked: locked.digest, aboard: aboard.digest }];
    }
    let lacks = |within: &PinnedImage, it: &PinnedDocument| !within.documents.contains(it);
    let missing = locked.documents.iter().filter(|it| lacks(aboard, it));
    let extra = aboard.documents.iter().filter(|it| lacks(locked, it));
    let unlike = |one: &PinnedImage, other: &PinnedImage| -> Vec<Digest> {
        let left = one.omitted.iter().filter(|it| !other.omitted.contains(it));
        left.map(|it| it.digest).collect()
    };
    let omitted: BTreeSet<Digest> =
        unlike(locked, aboard).into_iter().chain(unlike(aboard, locked)).collect();
    missing
        .map(|it| Difference::DocumentMissing { digest: it.digest })
        .chain(extra.map(|it| Difference::DocumentExtra { digest: it.digest }))
        .chain(omitted.into_iter().map(|digest| Difference::Omitted { digest }))
        .collect()
}
