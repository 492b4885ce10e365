//! Loading a verified bundle into a target (steps 11 and 12 of the verification's list).
//!
//! Nothing is seen at the target before every byte that it is to take is proven: blobs are staged
//! as they are read and proven, and committed when all of them are; then manifests, children
//! before parents; tags last. Of a bundle that is damaged, whole images can be had, if that is asked
//! for: what belongs to the others is not committed. What the target holds already is neither read nor sent.

mod base;
mod counted;
mod journal;
mod lost;
mod map;
mod plan;
mod remember;
mod run;

pub use base::held;
pub use journal::Journal;
pub use lost::gaps;
pub use map::{Affix, Base, InvalidMapping, MAX_RULES_SIZE, Mapped, Mapping, Rule, RuleFile};
pub use plan::{Plan, PlannedImage, plan};
pub use remember::remember;
pub use run::{Outcome, Summary, run};

use crate::oci::{Digest, Reference};
use crate::target::TargetError;
use crate::verify::VerifyError;

/// Why a bundle, or an image of it, is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Names and rules that do not fit. The input's fault.
    #[error(transparent)]
    Mapping(#[from] InvalidMapping),
    /// Two images would have one name at the target. The input's fault.
    #[error(transparent)]
    Collision(#[from] Box<Collision>),
    /// The bundle does not hold an image that was asked for. The input's fault.
    #[error("{0} is not aboard")]
    NotAboard(Reference),
    /// The bundle is a delta, and the target lacks what it builds upon. Nothing was written.
    #[error("the bundle builds upon {}; {blob} of it is not at the target", requires.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))]
    Base {
        /// What is lacking.
        blob: Digest,
        /// The seals of the base bundles.
        requires: Vec<Digest>,
    },
    /// The bundle is damaged or forged. Nothing was committed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Some of what an image needs is damaged or missing. Nothing of it was named at the target.
    #[error("{name} is not whole aboard: {}", listed(why))]
    Lost {
        /// The image.
        name: Reference,
        /// What is wrong with what it needs.
        why: Vec<String>,
    },
    /// The target does not take what it is given.
    #[error("{at}: {error}")]
    Target {
        /// The name at the target, or the blob.
        at: String,
        /// The target's word.
        error: TargetError,
    },
    /// The target does not take an index of which some platforms stayed behind.
    #[error("{at} lacks platforms of its index: {error}")]
    Sparse {
        /// The name at the target.
        at: Reference,
        /// The target's word.
        error: TargetError,
    },
    /// What the target holds afterwards is something else.
    #[error("{name} should be {expected} at the target; it is {}", found.map_or("absent".to_owned(), |it| it.to_string()))]
    ReadBack {
        /// The name at the target.
        name: Reference,
        /// The digest that was pushed.
        expected: Digest,
        /// The digest that the target gives.
        found: Option<Digest>,
    },
}

/// The most reasons that are told.
const MAX_TOLD: usize = 10;

fn listed(why: &[String]) -> String {
    let told = why.iter().take(MAX_TOLD).cloned().collect::<Vec<_>>().join("; ");
    match why.len().saturating_sub(MAX_TOLD) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

/// Two images, or their signatures, that would have one name at the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{} and {}{} would both be {target}, and they are not the same", first.0, map::by(&first.1), second.0, map::by(&second.1))]
pub struct Collision {
    /// One image, and the rule that named it; empty where none did.
    pub first: (Reference, String),
    /// The other.
    pub second: (Reference, String),
    /// The name at the target.
    pub target: Reference,
}

impl ImportError {
    /// Tells an error of the bundle, met while the target read it, from the target's own.
    fn target(at: impl ToString, error: TargetError) -> ImportError {
        match error {
            TargetError::Read(error) => match error.downcast::<VerifyError>() {
                Ok(inside) => ImportError::Verify(inside),
                Err(error) => {
                    ImportError::Target { at: at.to_string(), error: TargetError::Read(error) }
                }
            },
            error => ImportError::Target { at: at.to_string(), error },
        }
    }
}
