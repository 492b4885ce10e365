//! Protection of a bundle against bad sectors, lost files and lost volumes: the outermost layer.
//!
//! Parity is never trusted and never signed. It says which blocks of a medium are worth having and makes
//! the others anew; what comes out is verified like anything else, by [`crate::verify`]. Nothing here
//! changes a medium: parity is written beside it, and what is repaired is read through [`Mended`] or
//! written elsewhere. Normative text: `formats/parity.md`.

mod encode;
mod geometry;
mod index;
mod input;
mod mend;
mod mended;
mod pages;
mod place;
mod survey;

use std::path::PathBuf;

pub use encode::{Made, Order, protect};
pub use geometry::{Amount, Geometry};
pub use index::{Index, MAX_PARTS};
pub use mend::mend;
pub use mended::{Mended, Stretch};
pub use place::MAX_PARITY_FILES;
pub use survey::Survey;

use crate::bundle::MediumError;
use crate::files::FileError;
use crate::oci::Digest;

/// Bytes that all threads together hold of the medium.
const MEMORY: usize = 144 << 20;

/// How many windows are worked on at once: each core has one, up to four.
fn threads() -> usize {
    rayon::current_num_threads().clamp(1, 4)
}

/// Why parity cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// What lies there is not a bundle.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// Parity is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// More, or larger, files than parity can be made for.
    #[error("the bundle has more files, or larger ones, than parity can be made for")]
    TooLarge,
    /// No share that can be made.
    #[error("parity is 1% to 100%, or for 1 volume and more of a bundle that has volumes")]
    Amount,
    /// A place whose name is no text.
    #[error("{} has no name that can be read", .0.display())]
    Name(PathBuf),
    /// A file of parity would be too large.
    #[error("a file of parity has at least {needed} bytes here, and may have {limit}")]
    Limit {
        /// The most bytes.
        limit: u64,
        /// The least bytes.
        needed: u64,
    },
    /// There is no seal.
    #[error("the bundle has no seal")]
    NoSeal,
    /// A file that is to be protected cannot be read.
    #[error("{} cannot be read", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
    },
    /// The code does not have groups of such a shape.
    #[error("groups of such a shape cannot be")]
    Geometry,
    /// The index is malformed, or damaged in all of its copies. The input's fault.
    #[error("the index of the parity is malformed, or damaged in every copy")]
    Index,
    /// No parity, or nothing of it that can be read.
    #[error("there is no parity in {0}")]
    Absent(String),
    /// The parity of another bundle. The input's fault.
    #[error("the parity in {} is of another bundle, whose seal is {seal}", file.display())]
    Foreign {
        /// A file of it.
        file: PathBuf,
        /// The seal that it names.
        seal: Digest,
    },
    /// Two sets of parity. The input's fault.
    #[error("there are two sets of parity in {0}")]
    Two(String),
}
