//! What every place that holds an OCI layout can do, be it a directory or an archive.

use std::io::Read as _;
use std::path::Path;

use super::LayoutError;
use super::index::IndexEntry;
use crate::files::{FileError, Section};
use crate::oci::{Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, ManifestError, Unproven};

/// A place that holds an OCI layout.
pub trait Store: Send + Sync {
    /// The place, for messages.
    fn place(&self) -> String;

    /// The entries of `index.json`.
    fn entries(&self) -> &[IndexEntry];

    /// The bytes that lie under `digest`, unproven; `None` when there are none.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    fn open(&self, digest: &Digest) -> Result<Option<Section>, LayoutError>;

    /// The document that `descriptor` names, proven.
    ///
    /// # Errors
    /// [`LayoutError::Missing`], [`LayoutError::Manifest`] and [`LayoutError::File`].
    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, LayoutError> {
        let digest = descriptor.digest;
        let section = self.open(&digest)?.ok_or(LayoutError::Missing(digest))?;
        read_manifest(section, descriptor, self.place().as_ref())
    }

    /// The bytes of a blob, for whom proves them.
    ///
    /// # Errors
    /// [`LayoutError::Missing`] and [`LayoutError::File`].
    fn blob(&self, descriptor: &Descriptor) -> Result<Unproven, LayoutError> {
        let digest = descriptor.digest;
        let section = self.open(&digest)?.ok_or(LayoutError::Missing(digest))?;
        Ok(Unproven::new(Box::new(section), digest, descriptor.size))
    }
}

/// The document in `section`, which lies in `place`.
pub(super) fn read_manifest(
    mut section: Section,
    descriptor: &Descriptor,
    place: &Path,
) -> Result<Manifest, LayoutError> {
    if section.size() > MAX_MANIFEST_SIZE {
        return Err(ManifestError::TooLarge(section.size()).into());
    }
    let mut raw = Vec::new();
    section.read_to_end(&mut raw).map_err(|error| FileError::io("read", place, error))?;
    Ok(Manifest::parse(descriptor.clone(), raw)?)
}
