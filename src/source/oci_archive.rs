//! An OCI layout in a tar archive, read in place.
//!
//! Withstands: what [`super::archive`] and [`crate::layout`] withstand, and links in the place of
//! any member.

use super::archive::{Archive, ArchiveError};
use crate::files::Section;
use crate::layout::{
    Index, IndexEntry, LayoutError, MAX_INDEX_SIZE, MAX_VERSION_SIZE, Store, check_version,
};
use crate::oci::Digest;

/// An OCI layout in a tar archive.
#[derive(Debug, Clone)]
pub struct ArchiveLayout {
    archive: Archive,
    index: Index,
}

impl ArchiveLayout {
    /// Takes `archive` for an OCI layout.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Index`], and [`ArchiveError::Member`] for links.
    pub fn new(archive: Archive) -> Result<ArchiveLayout, ArchiveError> {
        if let Some(link) = archive.first_link() {
            return Err(archive.refuse(link, "an OCI archive holds no links"));
        }
        let malformed = |member| {
            let path = archive.path().to_owned();
            move |error| ArchiveError::Index { path, member, error }
        };
        let version = archive.read("oci-layout", MAX_VERSION_SIZE)?;
        check_version(&version).map_err(malformed("oci-layout"))?;
        let index = archive.read("index.json", MAX_INDEX_SIZE)?;
        let index = Index::parse(&index).map_err(malformed("index.json"))?;
        Ok(ArchiveLayout { archive, index })
    }
}

impl Store for ArchiveLayout {
    fn place(&self) -> String {
        self.archive.path().display().to_string()
    }

    fn entries(&self) -> &[IndexEntry] {
        self.index.entries()
    }

    fn open(&self, digest: &Digest) -> Result<Option<Section>, LayoutError> {
        Ok(self.archive.file(&format!("blobs/{}/{}", digest.algorithm(), digest.hex())))
    }
}
