//! Which images of a bundle survive damage to it. Pure: reads nothing.
//!
//! An image needs its documents, the blobs that travel with it, and for a layer that is made from
//! others everything that its recipe takes from. If any of that is hurt, the image is lost: there is
//! no half of an image. Withstands: documents that could not be read (their image is lost, whatever
//! else it would have needed).

use std::collections::BTreeSet;

use super::VerifyError;
use super::contents::Contents;
use crate::bundle::BundlePath;
use crate::oci::{Digest, Manifest, PinnedImage};

/// A document, blob or pack that cannot be had from the medium, or a layer that cannot be made.
#[derive(Debug)]
pub struct Hurt {
    /// Which.
    pub digest: Digest,
    /// What is wrong with it, and where.
    pub error: VerifyError,
}

/// An image that is not wholly aboard any more.
#[derive(Debug, PartialEq, Eq)]
pub struct LostImage<'a> {
    /// The image.
    pub image: &'a PinnedImage,
    /// What it needs of that which is hurt; never empty.
    pub needs: BTreeSet<Digest>,
}

/// The images of a bundle, parted by what is hurt. Both lists are in the order of the bundle.
#[derive(Debug, PartialEq, Eq)]
pub struct Losses<'a> {
    /// Images that nothing is wrong with: they can be imported.
    pub whole: Vec<&'a PinnedImage>,
    /// Images that cannot.
    pub lost: Vec<LostImage<'a>>,
}

impl Contents {
    /// Parts the images of the bundle into those that need none of `hurt` (documents, stored blobs,
    /// packs, and layers that cannot be made) and those that do.
    pub fn losses(&self, hurt: &BTreeSet<Digest>) -> Losses<'_> {
        let mut losses = Losses { whole: Vec::new(), lost: Vec::new() };
        for image in self.images() {
            let needs: BTreeSet<Digest> = self.needs(image).intersection(hurt).copied().collect();
            match needs.is_empty() {
                true => losses.whole.push(image),
                false => losses.lost.push(LostImage { image, needs }),
            }
        }
        losses
    }

    /// The digest of everything that `image` needs: documents, blobs, and what its layers are made
    /// from.
    pub fn needs(&self, image: &PinnedImage) -> BTreeSet<Digest> {
        let mut needs = BTreeSet::new();
        for pinned in &image.documents {
            needs.insert(pinned.digest);
            let blobs = self.document(&pinned.digest).into_iter().flat_map(Manifest::blobs);
            for blob in blobs.filter(|blob| !image.omits(&blob.digest)) {
                needs.insert(blob.digest);
                let layer = self.catalog().layer(&blob.digest);
                needs.extend(layer.into_iter().flat_map(|layer| &layer.from));
            }
        }
        needs
    }
}

/// What is read of a bundle of which not everything need be there: what is wrong with single files
/// is kept, unless nothing may be.
#[derive(Debug)]
pub(super) struct Gaps {
    allowed: bool,
    found: Vec<Hurt>,
    digests: BTreeSet<Digest>,
}

impl Gaps {
    /// Everything must be there.
    pub(super) fn forbidden() -> Gaps {
        Gaps { allowed: false, found: Vec::new(), digests: BTreeSet::new() }
    }

    /// Documents, blobs and packs may be missing or damaged.
    pub(super) fn allowed() -> Gaps {
        Gaps { allowed: true, ..Gaps::forbidden() }
    }

    /// Takes note of what is wrong with the file `path`, if that is allowed.
    pub(super) fn note(
        &mut self,
        path: &BundlePath,
        error: VerifyError,
    ) -> Result<(), VerifyError> {
        match path {
            BundlePath::Blob(blob) if self.allowed => {
                if self.digests.insert(blob.digest()) {
                    self.found.push(Hurt { digest: blob.digest(), error });
                }
                Ok(())
            }
            _ => Err(error),
        }
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    pub(super) fn take(&mut self) -> Vec<Hurt> {
        std::mem::take(&mut self.found)
    }

    pub(super) fn found(&self) -> &[Hurt] {
        &self.found
    }
}

#[cfg(test)]
mod tests;
