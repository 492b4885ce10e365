//! In which order the blobs of a bundle lie on its medium.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
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

/// Every file that holds a document, a blob or a pack, with its size in bytes: the documents by
/// digest, then the blobs in the order in which they are first mentioned. In the place of a layer
/// that is made from packs stand those of its packs that did not stand before, as the catalog
/// lists them.
pub fn places(
    images: &[PinnedImage],
    documents: &BTreeMap<Digest, Manifest>,
    catalog: &Catalog,
) -> Vec<(BlobPath, u64)> {
    let mut seen: BTreeSet<Digest> = documents.keys().copied().collect();
    let mut places: Vec<(Digest, u64)> =
        documents.values().map(|it| (it.descriptor().digest, it.descriptor().size)).collect();
    let packs: BTreeMap<Digest, (usize, u64)> = catalog
        .packs
        .iter()
        .enumerate()
        .map(|(at, pack)| (pack.blob.digest, (at, pack.blob.size)))
        .collect();
    for (_, blob) in mentioned_blobs(images, documents) {
        if catalog.get(&blob.digest).is_some() && seen.insert(blob.digest) {
            places.push((blob.digest, blob.size));
        }
        let from = catalog.layer(&blob.digest).filter(|_| seen.insert(blob.digest));
        let from = from.into_iter().flat_map(|layer| &layer.from);
        let mut new: Vec<_> = from
            .filter_map(|digest| packs.get(digest).map(|(at, size)| (*at, *digest, *size)))
            .filter(|(_, digest, _)| seen.insert(*digest))
            .collect();
        new.sort();
        places.extend(new.into_iter().map(|(_, digest, size)| (digest, size)));
    }
    places.into_iter().filter_map(|(digest, size)| Some((BlobPath::of(&digest)?, size))).collect()
}
