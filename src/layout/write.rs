//! A layout in a directory, written. Nothing is seen before it is whole: blobs come to their
//! digests, and `index.json` to its place, by renaming files that are written and synced.
//!
//! The directory `.gapferry` in the layout holds what is not finished (`*.part`), what is staged (see
//! `stage`), and lock files. Every writer holds `writers.lock` shared for as long as it lives: who can have it alone knows that
//! what is not finished was left by a killed run, and removes it. `index.lock` is held alone while
//! `index.json` is read, changed and written, so that two writers do not lose each other's names.
//!
//! Withstands: a kill or a power cut at any instant, two writers at once, links in the place of
//! the layout's directories and files.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempPath};

use super::LayoutError;
use super::index::{Index, IndexEntry, VERSION};
use super::read::{open_blob, read_index, read_version};
use super::stage::remove;
use super::store::read_manifest;
use crate::files::{self, FileError, Section};
use crate::oci::{Descriptor, Digest, Manifest};

pub(super) const WORK: &str = ".gapferry";
const PART: &str = ".part";

/// A layout that is written. Its methods may be called from many threads and many processes.
#[derive(Debug, Clone)]
pub struct LayoutWriter {
    root: PathBuf,
    /// Holds `writers.lock` shared.
    alive: Arc<File>,
}

impl LayoutWriter {
    /// Opens the layout in `root`, or makes one there if the directory is empty or absent.
    ///
    /// # Errors
    /// [`LayoutError::NotALayout`] for a directory that holds something else,
    /// [`LayoutError::Index`] for a malformed layout (nothing is changed), [`LayoutError::File`].
    pub fn open_or_create(root: &Path) -> Result<LayoutWriter, LayoutError> {
        files::create_directories(root)?;
        // In this order: another writer may be making the layout right now.
        let empty = is_empty(root)?;
        let new = !read_version(root)?;
        if new && !empty {
            let why = "it has no file `oci-layout`, and it is not empty";
            return Err(LayoutError::NotALayout { path: root.to_owned(), why });
        }
        read_index(root)?;
        plain_directory(&root.join(WORK))?;
        let alive = Arc::new(open_lock(&root.join(WORK).join("writers.lock"))?);
        let writer = LayoutWriter { root: root.to_owned(), alive };
        writer.tidy()?;
        if new {
            writer.replace("oci-layout", VERSION)?;
        }
        writer.change_index(|_| false)?;
        Ok(writer)
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of the lock that an import holds.
    pub fn import_lock(&self) -> PathBuf {
        self.root.join(WORK).join("import.lock")
    }

    /// The entries of `index.json` as it is now.
    ///
    /// # Errors
    /// [`LayoutError::Index`] and [`LayoutError::File`].
    pub fn entries(&self) -> Result<Vec<IndexEntry>, LayoutError> {
        Ok(read_index(&self.root)?.unwrap_or_else(Index::empty).entries().to_vec())
    }

    /// The bytes that lie under `digest`, unproven; `None` when there are none.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    pub fn open(&self, digest: &Digest) -> Result<Option<Section>, LayoutError> {
        open_blob(&self.root, digest)
    }

    /// True when a blob of this digest and size is there.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    pub fn has_blob(&self, blob: &Descriptor) -> Result<bool, LayoutError> {
        let found = open_blob(&self.root, &blob.digest)?;
        Ok(found.is_some_and(|found| found.size() == blob.size))
    }

    /// True when this document is there, and is what it should be.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    pub fn has_manifest(&self, document: &Descriptor) -> Result<bool, LayoutError> {
        let Some(found) = open_blob(&self.root, &document.digest)? else { return Ok(false) };
        match read_manifest(found, document, &self.root) {
            Ok(_) => Ok(true),
            Err(LayoutError::Manifest(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a document under its digest.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    pub fn put_manifest(&self, manifest: &Manifest) -> Result<(), LayoutError> {
        self.stage(manifest.descriptor(), &mut manifest.raw())?.commit()
    }

    /// Lets `name` name a document, in place of what it named before.
    ///
    /// # Errors
    /// [`LayoutError::Index`] (nothing is changed) and [`LayoutError::File`].
    pub fn set_name(&self, name: &str, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.change_index(|index| index.set(name, descriptor))
    }

    /// Lists a document without a name, unless it is listed.
    ///
    /// # Errors
    /// As [`LayoutWriter::set_name`].
    pub fn list(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.change_index(|index| index.add(descriptor))
    }

    /// Writes `index.json` anew if `change` says that it changed it, or if there is none.
    fn change_index(&self, change: impl FnOnce(&mut Index) -> bool) -> Result<(), LayoutError> {
        let path = self.root.join(WORK).join("index.lock");
        let held = open_lock(&path)?;
        lock(&held, FlockOperation::LockExclusive, &path)?;
        let found = read_index(&self.root)?;
        let new = found.is_none();
        let mut index = found.unwrap_or_else(Index::empty);
        if change(&mut index) || new {
            self.replace("index.json", &index.to_bytes())?;
        }
        Ok(())
    }

    /// Puts a file of the layout in its place, whole.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let mut part = self.part()?;
        part.write_all(bytes).map_err(|error| FileError::io("write", part.path(), error))?;
        persist(sync(part)?.into_temp_path(), &self.root.join(name))
    }

    /// A new file for what is not finished.
    pub(super) fn part(&self) -> Result<NamedTempFile, LayoutError> {
        let work = self.root.join(WORK);
        let part = tempfile::Builder::new()
            .suffix(PART)
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(&work);
        Ok(part.map_err(|error| FileError::io("create a file in", &work, error))?)
    }

    /// Joins the writers; removes what a killed run left, if there is no other.
    fn tidy(&self) -> Result<(), LayoutError> {
        let work = self.root.join(WORK);
        match rustix::fs::flock(&self.alive, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => remove(&work, PART)?,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(FileError::io("lock", &work, error.into()).into()),
        }
        lock(&self.alive, FlockOperation::LockShared, &work)
    }
}

pub(super) fn sync(part: NamedTempFile) -> Result<NamedTempFile, LayoutError> {
    let synced = part.as_file().sync_all();
    synced.map_err(|error| FileError::io("sync", part.path(), error))?;
    Ok(part)
}

/// Renames a synced file to its place and makes the name last.
pub(super) fn persist(part: TempPath, place: &Path) -> Result<(), LayoutError> {
    part.persist(place).map_err(|error| FileError::io("rename to", place, error.error))?;
    Ok(files::sync_directory(&files::parent(place))?)
}

/// Makes the directory `path` unless it is there; refuses anything else in its place.
pub(super) fn plain_directory(path: &Path) -> Result<(), LayoutError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(FileError::NotRegular { path: path.to_owned() }.into()),
        Err(_) => Ok(files::create_directories(path)?),
    }
}

/// True for a directory that holds nothing, but for what a killed run left.
fn is_empty(root: &Path) -> Result<bool, LayoutError> {
    let failed = |error| FileError::io("list", root, error);
    for found in std::fs::read_dir(root).map_err(failed)? {
        if found.map_err(failed)?.file_name() != WORK {
            return Ok(false);
        }
    }
    Ok(true)
}

fn open_lock(path: &Path) -> Result<File, LayoutError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)) {
        Ok(opened) => Ok(File::from(opened)),
        Err(Errno::LOOP) => Err(FileError::NotRegular { path: path.to_owned() }.into()),
        Err(error) => Err(FileError::io("open", path, error.into()).into()),
    }
}

/// Waits for a lock. It is freed when the file is closed, however the process ends.
fn lock(file: &File, kind: FlockOperation, path: &Path) -> Result<(), LayoutError> {
    loop {
        match rustix::fs::flock(file, kind) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(FileError::io("lock", path, error.into()).into()),
            Ok(()) => return Ok(()),
        }
    }
}
