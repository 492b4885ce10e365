//! In which order the blobs of a bundle lie on its medium.

use std::collections::{BTreeMap, BTreeSet};

use super::path::BlobPath;
use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};

/// Every mention of a blob that is aboard, with the place of its image in `images`: image by image,
/// so that who loses a volume loses few images. A blob may be mentioned many times.
pub fn mentioned_blobs<'a>(
    images: &'a [PinnedImage],
    documents: &'a BTreeMap<Digest, Manifest>,
) -> impl Iterator<Item = (usize, &'a Descriptor)> {
    images.iter().enumerate().flat_map(|(at, image)| {
        let own = image.documents.iter().filter_map(|document| documents.get(&document.digest));
        let blobs = own.flat_map(Manifest::blobs).filter(|blob| !image.omits(&blob.digest));
        blobs.map(move |blob| (at, blob))
    })
}

/// Every document and blob with its size in bytes, each once: the documents by digest, then the
/// blobs in the order in which they are first mentioned.
pub fn places(
    images: &[PinnedImage],
    documents: &BTreeMap<Digest, Manifest>,
) -> Vec<(BlobPath, u64)> {
    let mut seen: BTreeSet<Digest> = documents.keys().copied().collect();
    let blobs = mentioned_blobs(images, documents).map(|(_, blob)| blob);
    let first = documents.values().map(Manifest::descriptor);
    let blobs = blobs.filter(|blob| seen.insert(blob.digest));
    first.chain(blobs).filter_map(|it| Some((BlobPath::of(&it.digest)?, it.size))).collect()
}
