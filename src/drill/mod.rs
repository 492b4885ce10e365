//! Proving that an archive restores: a verified bundle goes to a store that is thrown away, and
//! every byte is read back from there and held against what the lading names.
//!
//! The phases are [`restore`] and [`read_back`]; verifying comes before them, and what came of it
//! all is written down in a [`Record`]. Nothing here knows the memory of a site: a drill is no
//! import, and nothing is older or newer for it.

mod again;
mod record;
mod scratch;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use again::{Tally, read_back, tally};
pub use record::{
    Code, InvalidRecord, MAX_RECORD_SIZE, Outcome, Record, Sealed, Seconds, Times, Version, write,
};
pub use scratch::Scratch;

use crate::files::FileError;
use crate::import::{self, Base, ImportError, Mapping};
use crate::layout::LayoutError;
use crate::oci::{ContentError, Digest, Reference};
use crate::report::Progress;
use crate::target::LayoutTarget;
use crate::trust::TrustError;
use crate::verify::VerifiedBundle;

/// Why a drill fails, or leaves no record.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Something lies where the scratch store or the record should be. The caller's to mend.
    #[error("{} exists already{}", path.display(), if path.is_dir() { ", and is not empty" } else { "" })]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A file could not be used. The environment's fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle cannot be brought to the store.
    #[error(transparent)]
    Import(Box<ImportError>),
    /// The store cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A name of the lading is not in the store, or names something else.
    #[error("{name} should be {expected} in the scratch store, and is not")]
    Name {
        /// The image, or the tag of what refers to it.
        name: Reference,
        /// What it should name.
        expected: Digest,
    },
    /// A blob or document that the lading names is not in the store.
    #[error("{digest} is not in the scratch store")]
    Absent {
        /// Which.
        digest: Digest,
    },
    /// What the store gives under a digest is something else.
    #[error("the scratch store does not give back what was restored: {0}")]
    Differs(ContentError),
    /// A signer fails.
    #[error(transparent)]
    Sign(#[from] TrustError),
}

impl From<ImportError> for DrillError {
    fn from(error: ImportError) -> DrillError {
        DrillError::Import(Box::new(error))
    }
}

/// Brings every image of `bundle` to the store, `jobs` blobs at a time, as an import does.
///
/// # Errors
/// [`DrillError::Import`], [`DrillError::Layout`].
pub fn restore(
    bundle: &VerifiedBundle,
    store: &Path,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), DrillError> {
    let contents = bundle.get();
    let mapping = Mapping::new(Base::Layout, Vec::new());
    let plan = import::plan(contents.images(), &contents.catalog().homes, &mapping)?;
    let target = LayoutTarget::open_or_create(store)?;
    import::run(bundle, &plan, &target, jobs, false, progress)?;
    Ok(())
}
