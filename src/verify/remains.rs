//! Which images of a damaged bundle are whole: for a report, and nothing is read by it.

use std::collections::BTreeSet;

use super::VerifyError;
use super::admit::Site;
use super::chain::{Anchor, Established};
use super::contents::Heads;
use super::head::read_head;
use crate::bundle::{BlobPath, BundlePath, Catalog, Medium, Seal};
use crate::oci::{Digest, MAX_MANIFEST_SIZE, Manifest, PinnedImage, Reference};
use crate::trust::Purpose;

/// What is left of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// Images of which everything is there.
    pub whole: Vec<Reference>,
    /// Images that lack something.
    pub lost: Vec<Reference>,
    /// True when trusted keys say which images there are.
    pub is_verified: bool,
}

/// Says which images are whole on a medium that holds only what is: according to the seal that somebody
/// trusted made, or to any seal where nobody is trusted.
///
/// # Errors
/// Every [`VerifyError`] about head files: when one is lost, nothing can be told.
pub fn remaining(
    medium: &Medium,
    anchor: Option<&Anchor>,
    site: &Site,
) -> Result<Remaining, VerifyError> {
    let (bytes, signatures) = read_head(medium)?;
    let seal = Seal::parse(&bytes)?;
    if let Some(anchor) = anchor {
        let trust = Established::from(anchor, medium, site.time())?;
        let signed = trust.keys().verify(Purpose::Seal, bytes.clone(), &signatures)?;
        trust.admit(&seal, &bytes, &signatures, signed.get().signers.clone())?;
    }
    let heads = Heads::read(medium, &seal)?;
    let (lading, catalog) = (heads.lading()?, heads.catalog()?);
    let blob = |path: &BundlePath| match path {
        BundlePath::Blob(blob) => Some(blob.digest()),
        BundlePath::Head(_) | BundlePath::Trust(_) => None,
    };
    let there: BTreeSet<Digest> = medium.paths().filter_map(blob).collect();
    let is_whole = |image: &&PinnedImage| is_whole(image, medium, &catalog, &there);
    let (whole, lost): (Vec<_>, Vec<_>) = lading.images.iter().partition(is_whole);
    let names = |images: Vec<&PinnedImage>| images.into_iter().map(|it| it.name.clone()).collect();
    Ok(Remaining { whole: names(whole), lost: names(lost), is_verified: anchor.is_some() })
}

fn is_whole(
    image: &PinnedImage,
    medium: &Medium,
    catalog: &Catalog,
    there: &BTreeSet<Digest>,
) -> bool {
    let is_had = |digest: &Digest| {
        // What the destination holds is not lost here.
        let is_base = |from: &Digest| catalog.bases.iter().any(|base| base.blob.digest == *from);
        let makes = |from: &Digest| there.contains(from) || is_base(from);
        let is_made = || catalog.layer(digest).is_some_and(|layer| layer.from.iter().all(makes));
        there.contains(digest) || catalog.held(digest).is_some() || is_made()
    };
    image.documents.iter().all(|pinned| {
        let Some(piece) = BlobPath::of(&pinned.digest).and_then(|it| medium.get(&it.into())) else {
            return false;
        };
        let raw = piece.read(MAX_MANIFEST_SIZE).ok().flatten();
        let raw = raw.filter(|raw| Digest::of(raw) == pinned.digest);
        let document = raw.and_then(|raw| Manifest::parse(pinned.descriptor(), raw).ok());
        let Some(document) = document else { return false };
        let mut blobs = document.blobs().filter(|blob| !image.omits(&blob.digest));
        blobs.all(|blob| is_had(&blob.digest))
    })
}
