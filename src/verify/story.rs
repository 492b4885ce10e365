//! Steps 7 and 10: do all parts of the bundle tell one and the same story, and is it complete?
//!
//! Pure: looks at what was parsed, reads nothing. Withstands: blobs that nobody accounts for,
//! images without their children or blobs, documents under a false role, sizes that differ from
//! place to place.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::{Catalog, Lading, Seal, Sums};
use crate::chunk::ChunkIndex;
use crate::oci::{Descriptor, Digest, Manifest, OmittedReason, PinnedDocument, PinnedImage, Role};

/// How the parts of a bundle contradict each other. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoryError {
    /// The seal counts other than the files do.
    #[error("the seal counts {sealed} {what}, there are {found}")]
    Count {
        /// `images` or `files`.
        what: &'static str,
        /// According to the seal.
        sealed: u64,
        /// Counted.
        found: u64,
    },
    /// The seal's sum of sizes is another.
    #[error("the seal says the files are {sealed} bytes together, they are {found}")]
    Bytes {
        /// According to the seal.
        sealed: u64,
        /// Added up.
        found: u64,
    },
    /// Content is counted on at the destination, and no bundle that brought it there is named.
    #[error("{0} should be at the destination, and the seal requires no bundle")]
    Base(Digest),
    /// A blob that is no image's and no document's.
    #[error("blob {0} belongs to no image of the bundle")]
    Unaccounted(Digest),
    /// Content that is named and not listed in `SHA256SUMS` or the catalog.
    #[error("{0} is named in the bundle and not aboard")]
    Unlisted(Digest),
    /// Images lack something that they refer to.
    #[error(
        "{image} refers to {digest}, which is neither aboard nor stated to stay behind{}",
        also(more)
    )]
    Incomplete {
        /// The first image's name.
        image: String,
        /// What is missing.
        digest: Digest,
        /// What else is missing, by the names of images.
        more: Vec<(String, Digest)>,
    },
    /// Content is stated to stay behind for a reason that it does not have.
    #[error("{image} says that {digest} stays behind, and it is no {what}")]
    Omission {
        /// The image's name.
        image: String,
        /// Which content.
        digest: Digest,
        /// What it would have to be, in words.
        what: &'static str,
    },
    /// The lading gives an image another size than its blobs have together.
    #[error("the lading says the blobs of {image} are {stated} bytes, they are {found}")]
    ImageBytes {
        /// The image's name.
        image: String,
        /// Bytes according to the lading.
        stated: u64,
        /// Added up.
        found: u64,
    },
    /// A manifest gives another size for a blob than the catalog does.
    #[error("{image} says {digest} is {stated} bytes, the catalog says {listed}")]
    BlobSize {
        /// The image's name.
        image: String,
        /// Which blob.
        digest: Digest,
        /// Bytes according to the manifest.
        stated: u64,
        /// Bytes according to the catalog.
        listed: u64,
    },
    /// The chunk index gives another size for a layer than the catalog does.
    #[error("chunks.zst says {digest} is {stated} bytes, the catalog says {listed}")]
    ChunkSize {
        /// Which layer.
        digest: Digest,
        /// Bytes according to the chunk index.
        stated: u64,
        /// Bytes according to the catalog.
        listed: u64,
    },
    /// The lading gives a document a part that the document itself does not have.
    #[error("{image} holds {digest}, which is not the {role} that the lading says")]
    Role {
        /// The image's name.
        image: String,
        /// Which document.
        digest: Digest,
        /// The part in words.
        role: &'static str,
    },
}

/// What else is missing, as far as it can be read.
fn also(more: &[(String, Digest)]) -> String {
    let shown = more.iter().take(20).map(|(image, digest)| format!("; {image} to {digest}"));
    let rest = more.len().saturating_sub(20);
    let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    shown.collect::<String>() + &rest
}

/// The counts of the seal; every blob is a document of the lading or a blob of the catalog.
pub(super) fn check_files(
    seal: &Seal,
    sums: &Sums,
    lading: &Lading,
    catalog: &Catalog,
) -> Result<(), StoryError> {
    count("files", seal.files, sums.len())?;
    count("images", seal.images, lading.images.len() as u64)?;
    let documents =
        lading.images.iter().flat_map(|image| &image.documents).map(|document| document.digest);
    let named: BTreeSet<Digest> =
        documents.chain(catalog.files().map(|blob| blob.digest)).collect();
    let aboard: BTreeSet<Digest> = sums.blobs().map(|blob| blob.digest()).collect();
    if let Some(digest) = aboard.difference(&named).next() {
        return Err(StoryError::Unaccounted(*digest));
    }
    if let Some(digest) = named.difference(&aboard).next() {
        return Err(StoryError::Unlisted(*digest));
    }
    check_bases(seal, catalog)
}

/// Every pack is of use, and what is counted on at the destination came with a bundle that the
/// seal names.
fn check_bases(seal: &Seal, catalog: &Catalog) -> Result<(), StoryError> {
    let used: BTreeSet<Digest> =
        catalog.layers.iter().flat_map(|layer| &layer.from).copied().collect();
    if let Some(pack) = catalog.packs.iter().find(|pack| !used.contains(&pack.blob.digest)) {
        return Err(StoryError::Unaccounted(pack.blob.digest));
    }
    let held = catalog.held.iter().map(|held| held.blob.digest);
    let mut counted_on = held.chain(catalog.bases.iter().map(|base| base.blob.digest));
    match counted_on.next().filter(|_| seal.requires.is_empty()) {
        Some(digest) => Err(StoryError::Base(digest)),
        None => Ok(()),
    }
}

/// The chunk index is about layers that the catalog knows, and agrees on their sizes.
pub(super) fn check_chunks(chunks: &ChunkIndex, catalog: &Catalog) -> Result<(), StoryError> {
    for layer in chunks.layers() {
        let listed =
            catalog.size(&layer.digest()).ok_or(StoryError::Unaccounted(layer.digest()))?;
        if listed != layer.size() {
            let (digest, stated) = (layer.digest(), layer.size());
            return Err(StoryError::ChunkSize { digest, stated, listed });
        }
    }
    Ok(())
}

fn count(what: &'static str, sealed: u64, found: u64) -> Result<(), StoryError> {
    if sealed == found { Ok(()) } else { Err(StoryError::Count { what, sealed, found }) }
}

/// Every image is whole, and every blob of the catalog belongs to one. Where not all documents are
/// there (`whole`), this is said of the images that have theirs.
pub(super) fn check_images(
    lading: &Lading,
    catalog: &Catalog,
    documents: &BTreeMap<Digest, Manifest>,
    whole: bool,
) -> Result<(), StoryError> {
    let has_all = |image: &&PinnedImage| {
        whole || image.documents.iter().all(|it| documents.contains_key(&it.digest))
    };
    let images = || lading.images.iter().filter(has_all);
    let stories = || images().map(|image| Story { image, catalog, documents });
    let mut missing = Vec::new();
    for story in stories() {
        let name = || story.image.name.to_string();
        missing.extend(story.missing()?.into_iter().map(|digest| (name(), digest)));
    }
    if let Some((image, digest)) = missing.first().cloned() {
        return Err(StoryError::Incomplete { image, digest, more: missing.split_off(1) });
    }
    let mut used = BTreeSet::new();
    for story in stories() {
        story.check(&mut used)?;
    }
    if !whole {
        return Ok(());
    }
    match catalog.image_blobs().find(|(digest, _)| !used.contains(digest)) {
        Some((digest, _)) => Err(StoryError::Unaccounted(digest)),
        None => Ok(()),
    }
}

struct Story<'a> {
    image: &'a PinnedImage,
    catalog: &'a Catalog,
    documents: &'a BTreeMap<Digest, Manifest>,
}

impl Story<'_> {
    fn aboard(&self) -> BTreeSet<Digest> {
        self.image.documents.iter().map(|document| document.digest).collect()
    }

    /// Whatever the documents refer to that is neither aboard nor stated to stay behind.
    fn missing(&self) -> Result<BTreeSet<Digest>, StoryError> {
        let aboard = self.aboard();
        let mut missing = BTreeSet::new();
        for pinned in &self.image.documents {
            let manifest = self.document(&pinned.digest)?;
            let children = manifest.children().iter().map(|child| child.digest);
            missing.extend(children.filter(|child| !aboard.contains(child)));
            let blobs = manifest.blobs().map(|blob| blob.digest);
            missing.extend(blobs.filter(|blob| self.catalog.size(blob).is_none()));
        }
        missing.retain(|digest| !self.image.omits(digest));
        Ok(missing)
    }

    fn check(&self, used: &mut BTreeSet<Digest>) -> Result<(), StoryError> {
        let aboard = self.aboard();
        let mut children = BTreeSet::new();
        let mut blobs = BTreeMap::new();
        for pinned in &self.image.documents {
            let manifest = self.document(&pinned.digest)?;
            let descriptor = manifest.descriptor();
            if (&descriptor.media_type, descriptor.size) != (&pinned.media_type, pinned.size) {
                return Err(self.role(pinned, "document"));
            }
            children.extend(manifest.children().iter().map(|child| child.digest));
            for blob in manifest.blobs().filter(|blob| !self.image.omits(&blob.digest)) {
                self.check_blob(blob)?;
                used.insert(blob.digest);
                blobs.insert(blob.digest, blob.size);
            }
        }
        let found = blobs.values().fold(0u64, |sum, size| sum.saturating_add(*size));
        if found != self.image.bytes {
            let (image, stated) = (self.image.name.to_string(), self.image.bytes);
            return Err(StoryError::ImageBytes { image, stated, found });
        }
        self.check_omitted()?;
        self.image
            .documents
            .iter()
            .try_for_each(|pinned| self.check_role(pinned, &aboard, &children))
    }

    fn document(&self, digest: &Digest) -> Result<&Manifest, StoryError> {
        self.documents.get(digest).ok_or(StoryError::Unlisted(*digest))
    }

    /// Only what is made for a platform stays behind for that, and only foreign layers do as such: a
    /// layer that is simply not there is missing, whatever the lading calls it.
    fn check_omitted(&self) -> Result<(), StoryError> {
        let (mut platforms, mut foreign, mut needed) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for pinned in &self.image.documents {
            let manifest = self.document(&pinned.digest)?;
            let children = manifest.children().iter().filter(|child| child.platform.is_some());
            platforms.extend(children.map(|child| child.digest));
            foreign.extend(manifest.blobs().filter(|it| it.is_foreign()).map(|it| it.digest));
            needed.extend(manifest.children().iter().chain(manifest.blobs()).map(|it| it.digest));
        }
        for omitted in &self.image.omitted {
            let (known, what) = match omitted.reason {
                OmittedReason::Platform => {
                    (platforms.contains(&omitted.digest), "manifest for a platform")
                }
                OmittedReason::Foreign => (foreign.contains(&omitted.digest), "foreign layer"),
                // What refers to the image is no part of it, and cannot be looked at.
                OmittedReason::Referrer => (!needed.contains(&omitted.digest), "referrer"),
            };
            if !known {
                let (image, digest) = (self.image.name.to_string(), omitted.digest);
                return Err(StoryError::Omission { image, digest, what });
            }
        }
        Ok(())
    }

    fn check_blob(&self, blob: &Descriptor) -> Result<(), StoryError> {
        let size = self.catalog.size(&blob.digest);
        let listed = size.ok_or(StoryError::Unlisted(blob.digest))?;
        if listed != blob.size {
            let (image, digest) = (self.image.name.to_string(), blob.digest);
            return Err(StoryError::BlobSize { image, digest, stated: blob.size, listed });
        }
        Ok(())
    }

    fn check_role(
        &self,
        pinned: &PinnedDocument,
        aboard: &BTreeSet<Digest>,
        children: &BTreeSet<Digest>,
    ) -> Result<(), StoryError> {
        let subject = pinned.subject.filter(|subject| aboard.contains(subject));
        let (role, holds) = match pinned.role {
            Role::Root => ("root", pinned.digest == self.image.digest),
            Role::Child => ("child", children.contains(&pinned.digest)),
            Role::Referrer => {
                let own = self.document(&pinned.digest)?.subject().map(|subject| subject.digest);
                ("referrer", subject.is_some() && own == subject)
            }
            Role::Tagged => ("tagged document", self.tag_fits(pinned, subject)),
        };
        if holds { Ok(()) } else { Err(self.role(pinned, role)) }
    }

    fn role(&self, pinned: &PinnedDocument, role: &'static str) -> StoryError {
        let (image, digest) = (self.image.name.to_string(), pinned.digest);
        StoryError::Role { image, digest, role }
    }

    /// cosign's tags: `<algorithm>-<hex of the subject>.sig`, `.att`, `.sbom`.
    fn tag_fits(&self, pinned: &PinnedDocument, subject: Option<Digest>) -> bool {
        let (Some(tag), Some(subject)) = (&pinned.tag, subject) else { return false };
        let stem = format!("{}-{}.", subject.algorithm(), subject.hex());
        tag.as_str().strip_prefix(&stem).is_some_and(|kind| ["sig", "att", "sbom"].contains(&kind))
    }
}

#[cfg(test)]
mod tests;
