//! What a site lets through, beyond what a seal can say.
//!
//! A [`Policy`] is read from a small file and held against images wherever their manifests are at
//! hand: at the source before anything is written, and in a verified bundle before anything reaches
//! a target. What it objects to are [`Finding`]s, all of them. It reads nothing by itself: its
//! [`Evidence`] is given to it, and is proven bytes. Normative text: `formats/policy.md`.

mod check;
pub mod cosign;
mod date;
mod finding;
mod parts;
mod pattern;
mod place;
mod record;
mod rules;
#[cfg(test)]
mod tests;

pub use finding::{Breach, Dated, Finding};
pub use pattern::{InvalidPattern, Pattern};
pub use place::Place;
pub use record::{RecordBreach, RecordField, RecordRule};
pub use rules::{Kind, MAX_POLICY_SIZE, Policy, PolicyError, Rule, ScanRule, SignatureRule};

use crate::oci::{Descriptor, Digest, Manifest, PinnedImage};

/// The largest config or signature that is looked at, in bytes.
pub const MAX_EVIDENCE: u64 = 4 * 1024 * 1024;

/// What a policy may look at: proven bytes.
pub trait Evidence {
    /// Why a blob cannot be read.
    type Error;

    /// A manifest or index of an image.
    fn document(&self, digest: &Digest) -> Option<&Manifest>;

    /// A blob of `image` of at most [`MAX_EVIDENCE`] bytes; `None` when it is not at hand, but at
    /// the destination of a delta.
    ///
    /// # Errors
    /// When it cannot be read, or is not what its digest says.
    fn blob(&self, image: &PinnedImage, blob: &Descriptor) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// What a verdict depends on beside the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The time, in seconds since 1970.
    pub now: u64,
    /// Whether names were turned into digests just now, without a lock that somebody could review.
    pub by_tag: bool,
}

impl Policy {
    /// Who must have signed `image`: all of these rules count for it.
    pub fn signatures_for(&self, image: &PinnedImage) -> Vec<&SignatureRule> {
        check::signature_rules(self, image)
    }

    /// Everything to which the policy objects in `images`, in their order.
    ///
    /// # Errors
    /// When the evidence cannot be read.
    pub fn check<'a, E: Evidence>(
        &self,
        images: impl IntoIterator<Item = &'a PinnedImage>,
        evidence: &E,
        circumstances: Circumstances,
    ) -> Result<Vec<Finding>, E::Error> {
        let mut findings = Vec::new();
        for image in images {
            let breaches = check::Case::new(self, image, evidence, circumstances).judge()?;
            let name = &image.name;
            findings
                .extend(breaches.into_iter().map(|breach| Finding { image: name.clone(), breach }));
        }
        Ok(findings)
    }
}
