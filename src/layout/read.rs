//! A layout in a directory, read.
//!
//! Withstands: links, FIFOs and devices in the place of any file or directory of the layout, an
//! `index.json` of any size, digests that are paths. Blobs are proven when they are read.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::index::{Index, IndexEntry, check_version};
use super::store::Store;
use super::{LayoutError, MAX_INDEX_SIZE, MAX_VERSION_SIZE};
use crate::files::{self, FileError, Section};
use crate::oci::Digest;

/// A layout in a directory, as its `index.json` was when it was opened.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    index: Index,
}

impl Layout {
    /// Opens the layout in `root`.
    ///
    /// # Errors
    /// [`LayoutError::NotALayout`] when `oci-layout` or `index.json` is not there,
    /// [`LayoutError::Index`] when one of them is malformed, [`LayoutError::File`].
    pub fn open(root: &Path) -> Result<Layout, LayoutError> {
        let not = |why| LayoutError::NotALayout { path: root.to_owned(), why };
        if !read_version(root)? {
            return Err(not("it has no file `oci-layout`"));
        }
        let index = read_index(root)?.ok_or_else(|| not("it has no file `index.json`"))?;
        Ok(Layout { root: root.to_owned(), index })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Store for Layout {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn entries(&self) -> &[IndexEntry] {
        self.index.entries()
    }

    fn open(&self, digest: &Digest) -> Result<Option<Section>, LayoutError> {
        open_blob(&self.root, digest)
    }
}

/// The bytes that lie under `digest`, unproven; `None` when there are none.
pub(super) fn open_blob(root: &Path, digest: &Digest) -> Result<Option<Section>, LayoutError> {
    let path = blob_path(digest);
    let Some(file) = open_present(root, &path)? else { return Ok(None) };
    let section = Section::whole(file);
    Ok(Some(section.map_err(|error| FileError::io("inspect", &root.join(path), error))?))
}

/// `blobs/<algorithm>/<hex>`.
pub(super) fn blob_path(digest: &Digest) -> PathBuf {
    Path::new("blobs").join(digest.algorithm()).join(digest.hex())
}

/// Checks `oci-layout`; false when it is not there.
pub(super) fn read_version(root: &Path) -> Result<bool, LayoutError> {
    let Some(bytes) = read(root, "oci-layout", MAX_VERSION_SIZE)? else { return Ok(false) };
    check_version(&bytes)
        .map_err(|error| LayoutError::Index { path: root.join("oci-layout"), error })?;
    Ok(true)
}

/// Reads `index.json`; `None` when it is not there.
pub(super) fn read_index(root: &Path) -> Result<Option<Index>, LayoutError> {
    let Some(bytes) = read(root, "index.json", MAX_INDEX_SIZE)? else { return Ok(None) };
    let index = Index::parse(&bytes)
        .map_err(|error| LayoutError::Index { path: root.join("index.json"), error })?;
    Ok(Some(index))
}

/// The file `name` of at most `cap` bytes; `None` when it is not there.
fn read(root: &Path, name: &str, cap: u64) -> Result<Option<Vec<u8>>, LayoutError> {
    let path = root.join(name);
    let Some(file) = open_present(root, Path::new(name))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(cap + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::io("read", &path, error))?;
    if bytes.len() as u64 > cap {
        return Err(LayoutError::TooLarge { path, cap });
    }
    Ok(Some(bytes))
}

fn open_present(root: &Path, relative: &Path) -> Result<Option<File>, LayoutError> {
    match files::open_beneath(root, relative) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
