//! Which images of a damaged bundle are whole: for a report.

use std::collections::BTreeSet;

use super::VerifyError;
use super::admit::Site;
use super::chain::Anchor;
use super::head::{examine_with, verify_with};
use super::lost::Gaps;
use crate::bundle::Medium;
use crate::oci::{Digest, Reference};

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
    medium: Medium,
    anchor: Option<&Anchor>,
    site: &Site,
) -> Result<Remaining, VerifyError> {
    let contents = match anchor {
        Some(anchor) => verify_with(medium, anchor, site, Gaps::allowed())?.into_inner(),
        None => examine_with(medium, Gaps::allowed())?,
    };
    let hurt: BTreeSet<Digest> = contents.gaps().iter().map(|hurt| hurt.digest).collect();
    let losses = contents.losses(&hurt);
    Ok(Remaining {
        whole: losses.whole.into_iter().map(|image| image.name.clone()).collect(),
        lost: losses.lost.into_iter().map(|lost| lost.image.name.clone()).collect(),
        is_verified: anchor.is_some(),
    })
}
