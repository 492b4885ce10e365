//! What goes into a bundle, and in which order. Pure: reads nothing, writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::ExportError;
use crate::bundle::{BlobPath, Lading, mentioned_blobs};
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};

/// Everything that a bundle will hold.
#[derive(Debug)]
pub struct Plan {
    /// The images, sorted by name.
    pub images: Vec<PinnedImage>,
    /// Their manifests and indexes.
    pub documents: BTreeMap<Digest, Manifest>,
    /// Their configs, layers and other blobs, each once, in the order of the images. A document
    /// that an image holds as a blob as well is among them.
    pub blobs: Vec<PlannedBlob>,
}

/// A blob and an image that it can be had from.
#[derive(Debug, Clone)]
pub struct PlannedBlob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Where it goes.
    pub path: BlobPath,
    /// The place of the image in [`Plan::images`].
    pub image: usize,
}

impl Plan {
    /// The sum of the blobs' sizes, in bytes. What manifests state is unproven, so the sum ends at
    /// the largest number.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.descriptor.size))
    }
}

impl Plan {
    /// About how many bytes all head files will have together, and rather too many: of the lading and
    /// two lists like it, a line of sums a file, marks, and of packed layers the list of their chunks.
    pub fn head_bytes(&self, packing: bool) -> u64 {
        let lading = Lading::new("", self.images.clone()).to_bytes().len() as u64;
        let files = (self.documents.len() + 2 * self.blobs.len()) as u64;
        let blobs = self.blob_bytes();
        let chunks = if packing { blobs / 64 } else { 0 };
        3 * lading + 512 * files + blobs / 8192 + chunks
    }
}

/// The most bytes that an export of blobs of these sizes, in their order, holds at a time when layers
/// are opened: what is worked on are always up to `jobs` blobs that follow each other, for none is laid
/// before those that stand before it. Each takes whole blocks.
pub fn scratch_peak(sizes: &[u64], jobs: usize, block: u64) -> u64 {
    let held = |size: &u64| size.checked_next_multiple_of(block).unwrap_or(u64::MAX);
    let sum = |sizes: &[u64]| sizes.iter().map(held).fold(0, u64::saturating_add);
    let jobs = jobs.clamp(1, sizes.len().max(1));
    sizes.windows(jobs).map(sum).max().unwrap_or(0)
}

/// Plans a bundle of `images`, whose documents are all in `documents`.
///
/// # Errors
/// [`ExportError::Nothing`], [`ExportError::Incomplete`], [`ExportError::Sizes`],
/// [`ExportError::Unsupported`].
pub fn plan(
    mut images: Vec<PinnedImage>,
    documents: BTreeMap<Digest, Manifest>,
) -> Result<Plan, ExportError> {
    if images.is_empty() {
        return Err(ExportError::Nothing);
    }
    images.sort_by(|a, b| a.name.cmp(&b.name));
    images.iter().try_for_each(|image| check_complete(image, &documents))?;
    let mut sizes: BTreeMap<Digest, u64> = BTreeMap::new();
    let mut blobs = Vec::new();
    for (at, descriptor) in mentioned_blobs(&images, &documents) {
        let (image, digest) = (&images[at], descriptor.digest);
        let seen = sizes.insert(digest, descriptor.size);
        let first = seen.or_else(|| documents.get(&digest).map(|it| it.descriptor().size));
        if let Some(first) = first.filter(|first| *first != descriptor.size) {
            let (name, second) = (image.name.clone(), descriptor.size);
            return Err(ExportError::Sizes { name, blob: digest, first, second });
        }
        if seen.is_none() {
            let path = path_of(image, digest)?;
            blobs.push(PlannedBlob { descriptor: descriptor.clone(), path, image: at });
        }
    }
    Ok(Plan { images, documents, blobs })
}

/// Every document is there, and every child of one.
fn check_complete(
    image: &PinnedImage,
    documents: &BTreeMap<Digest, Manifest>,
) -> Result<(), ExportError> {
    let incomplete = |digest| ExportError::Incomplete { name: image.name.clone(), digest };
    let selected: BTreeSet<Digest> = image.documents.iter().map(|it| it.digest).collect();
    for digest in &selected {
        path_of(image, *digest)?;
        let document = documents.get(digest).ok_or_else(|| incomplete(*digest))?;
        let aboard = |it: &Descriptor| selected.contains(&it.digest) || image.omits(&it.digest);
        if let Some(child) = document.children().iter().find(|child| !aboard(child)) {
            return Err(incomplete(child.digest));
        }
    }
    Ok(())
}

fn path_of(image: &PinnedImage, digest: Digest) -> Result<BlobPath, ExportError> {
    BlobPath::of(&digest)
        .ok_or_else(|| ExportError::Unsupported { name: image.name.clone(), digest })
}

#[cfg(test)]
mod tests;
