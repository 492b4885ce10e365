//! Images that cannot be had from a bundle that is damaged or incomplete, and why.

use std::collections::BTreeSet;

use super::ImportError;
use crate::oci::{Digest, PinnedImage};
use crate::verify::Contents;

/// Why `image` is lost, if some of what it needs is missing from the medium.
pub(super) fn by_gaps(contents: &Contents, image: &PinnedImage) -> Option<ImportError> {
    if contents.gaps().is_empty() {
        return None;
    }
    let needs = contents.needs(image);
    let mut gaps = contents.gaps().iter().filter(|hurt| needs.contains(&hurt.digest)).peekable();
    // A volume that is cut short is why what should be in it is missing.
    let cut = contents.medium().cut().filter(|_| gaps.peek().is_some());
    let cut = cut.map(ToString::to_string);
    because(image, cut.into_iter().chain(gaps.map(|hurt| hurt.error.to_string())))
}

/// That `image` is lost, if there is any reason. Reasons that are the same are one.
pub(super) fn because(
    image: &PinnedImage,
    reasons: impl Iterator<Item = String>,
) -> Option<ImportError> {
    let mut seen = BTreeSet::new();
    let why: Vec<String> = reasons.filter(|reason| seen.insert(reason.clone())).collect();
    match why.is_empty() {
        true => None,
        false => Some(ImportError::Lost { name: image.name.clone(), why }),
    }
}

/// The digests of what is missing or cut.
pub fn gaps(contents: &Contents) -> BTreeSet<Digest> {
    contents.gaps().iter().map(|hurt| hurt.digest).collect()
}
