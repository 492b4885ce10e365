//! Where images come from: manifests and blobs by digest, from a registry, a layout, an archive
//! or a chart.

mod archive;
mod chart;
mod docker_archive;
mod layout;
mod location;
mod oci_archive;
mod open;
mod registry;

use crate::layout::LayoutError;
use crate::oci::{Descriptor, Digest, Manifest, ManifestError, Tag, Unproven};
use crate::registry::RegistryError;
pub use archive::{Archive, ArchiveError};
pub use chart::{CHART_LAYER, Chart, ChartError, ChartSource, MAX_CHART_SIZE, MAX_PLAIN};
pub use docker_archive::DockerArchiveSource;
pub use layout::LayoutSource;
pub use location::{InvalidLocation, Location};
pub use oci_archive::ArchiveLayout;
pub use open::{Opened, Opener};
pub use registry::RegistrySource;

/// One image, or every image of one repository, in the place that holds it.
///
/// What comes from a source is proven by digest before it is used: a [`Manifest`] cannot exist
/// unproven, and the bytes of an [`Unproven`] blob are had only by proving them.
pub trait Source: Send + Sync {
    /// The document that the location names now.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] when there is none.
    fn root(&self) -> Result<Manifest, SourceError>;

    /// The document under another tag of the same repository; `None` when there is none.
    ///
    /// # Errors
    /// When the place cannot be asked, or gives a document that is not what it says.
    fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError>;

    /// The document of this digest, size and media type.
    ///
    /// # Errors
    /// [`SourceError::NotFound`]; [`SourceError::Manifest`] when the bytes are others.
    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, SourceError>;

    /// The documents that name `subject` as their subject, sorted by digest, by whatever way this
    /// place knows them. No repeats.
    ///
    /// # Errors
    /// Not for "there are none".
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, SourceError>;

    /// The bytes of a blob, resumed by themselves where the place can. Nobody vouches for them.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] when the blob is not there.
    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, SourceError>;
}

/// Why a source does not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there. The input's fault.
    #[error("{0} is not there")]
    NotFound(String),
    /// Not a place. The input's fault.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
    /// The registry's answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The layout's state.
    #[error(transparent)]
    Layout(LayoutError),
    /// The archive's state.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The chart's state.
    #[error("{}: {error}", .path.display())]
    Chart {
        /// Which archive or directory.
        path: std::path::PathBuf,
        /// What is wrong with it.
        error: ChartError,
    },
    /// Several images are there, and none is chosen, or several go by one name. The input's fault.
    #[error("{place} holds several images that are meant: {}", .names.join(", "))]
    Ambiguous {
        /// The layout or archive.
        place: String,
        /// Their names, the first ten, as they may be written.
        names: Vec<String>,
    },
    /// A manifest that is not what its digest says, or malformed. The input's fault.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl From<LayoutError> for SourceError {
    fn from(error: LayoutError) -> SourceError {
        match error {
            LayoutError::Missing(digest) => SourceError::NotFound(digest.to_string()),
            LayoutError::Manifest(error) => SourceError::Manifest(error),
            error => SourceError::Layout(error),
        }
    }
}

#[cfg(test)]
mod tests;
