//! The directory of a bundle that is being written.

use std::io;
use std::path::{Path, PathBuf};

use super::WriteError;
use super::spread::TITLE;
use crate::bundle::medium::{JOURNAL, is_system};
use crate::bundle::path::{BLOB_DIRECTORY, BundlePath, HeadFile};
use crate::bundle::volumes::{LABEL, LISTING};
use crate::files::{self, FileError};

/// The longest label, in bytes.
const MAX_LABEL: u64 = 4096;

pub(super) fn refuse_existing(path: &Path) -> Result<(), WriteError> {
    match path.symlink_metadata() {
        Ok(_) => Err(WriteError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// The directory of an unfinished bundle. Unless the bundle is finished or kept for later, what is
/// in it is removed, and the directory too if it was made for the bundle.
pub(super) struct Leftovers {
    directory: PathBuf,
    /// Whether the directory was there before.
    found: bool,
    stays: bool,
}

impl Leftovers {
    /// Makes `directory`, or takes it when it is there and empty, as the top of a fresh medium is.
    pub(super) fn create(directory: &Path) -> Result<Leftovers, WriteError> {
        let found = match entries(directory) {
            Ok(entries) if entries.iter().all(is_trace) => true,
            Ok(_) => return Err(WriteError::Exists(directory.to_owned())),
            Err(_) => {
                refuse_existing(directory)?;
                files::create_directories(directory)?;
                false
            }
        };
        Ok(Leftovers { directory: directory.to_owned(), found, stays: false })
    }

    /// Takes up the directory of an interrupted work.
    pub(super) fn resume(directory: &Path) -> Leftovers {
        Leftovers { directory: directory.to_owned(), found: true, stays: true }
    }

    /// Removes the files that an interrupted work had open.
    pub(super) fn sweep(&self) {
        for place in [self.directory.clone(), self.directory.join(BLOB_DIRECTORY)] {
            for entry in entries(&place).unwrap_or_default() {
                if is_open_file(&entry) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }

    /// What is there stays, finished or not.
    pub(super) fn keep(&mut self) {
        self.stays = true;
    }

    /// Takes the seal away from a bundle that is not whole.
    pub(super) fn unseal(&self) -> Result<(), FileError> {
        let seal = self.directory.join(HeadFile::Seal.to_string());
        match std::fs::remove_file(&seal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::io("remove", &seal, error))
            }
            Err(_) => Ok(()),
            Ok(()) => files::sync_directory(&self.directory),
        }
    }

    pub(super) fn write_heads<'a>(
        &self,
        heads: impl IntoIterator<Item = (BundlePath, &'a [u8])>,
    ) -> Result<(), FileError> {
        let mut heads = heads.into_iter();
        heads.try_for_each(|(head, bytes)| {
            files::write_atomic(&self.directory.join(head.to_string()), bytes)
        })
    }

    pub(super) fn write(&self, texts: &[(&str, Vec<u8>)]) -> Result<(), FileError> {
        let mut texts = texts.iter();
        texts.try_for_each(|(name, text)| files::write_atomic(&self.directory.join(name), text))
    }

    /// The bundle is finished.
    pub(super) fn stay(mut self) {
        self.stays = true;
    }
}

/// The label of a medium that is taken up must be the one that it was given.
pub(super) fn check_label(directory: &Path, begins: &str) -> Result<(), WriteError> {
    match is_label(&directory.join(LABEL), begins) {
        true => Ok(()),
        false => Err(WriteError::OtherMedium(directory.to_owned())),
    }
}

fn is_label(path: &Path, begins: &str) -> bool {
    let label = files::read_capped(path, MAX_LABEL);
    label.is_ok_and(|label| label.starts_with(begins.as_bytes()))
}

/// True when a bundle may be written to `directory`: it is not there, or nothing of anybody's is in it.
pub fn is_fresh(directory: &Path) -> bool {
    entries(directory).is_ok_and(|entries| entries.iter().all(is_trace))
        || directory.symlink_metadata().is_err()
}

/// What an interrupted work leaves before it has written anything.
fn is_trace(entry: &std::fs::DirEntry) -> bool {
    let empty = |path: PathBuf| entries(&path).is_ok_and(|entries| entries.is_empty());
    let blobs = || entry.path().join("sha256");
    let is_blobs = entry.file_name() == "blobs" && entry.file_type().is_ok_and(|it| it.is_dir());
    is_open_file(entry)
        || entry.file_name() == JOURNAL
        || (entry.file_name() == LABEL && is_label(&entry.path(), TITLE))
        || (is_blobs && (empty(entry.path()) || empty(blobs())))
}

fn is_open_file(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(files::is_temporary)
}

/// What is in a directory, but for what an operating system puts there by itself.
fn entries(directory: &Path) -> io::Result<Vec<std::fs::DirEntry>> {
    let own = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(is_system);
    let all = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|entry| !own(entry)).collect())
}

/// Removes the files of a bundle without a seal: those that a bundle has, and no others.
pub(super) fn discard(directory: &Path) -> Result<(), FileError> {
    if directory.join(HeadFile::Seal.to_string()).symlink_metadata().is_ok() {
        return Ok(());
    }
    let failed = |error| FileError::io("list", directory, error);
    for entry in entries(directory).map_err(failed)? {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap_or("");
        let removed = match entry.file_type().map_err(failed)?.is_dir() {
            true if name == "blobs" => std::fs::remove_dir_all(&path),
            false if is_ours(name) => std::fs::remove_file(&path),
            _ => Ok(()),
        };
        removed.map_err(|error| FileError::io("remove", &path, error))?;
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let volume = name.strip_suffix(".part").unwrap_or(name);
    matches!(name.parse(), Ok(BundlePath::Head(_) | BundlePath::Trust(_)))
        || files::is_temporary(name)
        || [LABEL, LISTING].contains(&name)
        || (volume.starts_with("volume-") && volume.ends_with(".tar"))
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // The directory was empty when this bundle was begun: all of it is ours.
        for entry in entries(&self.directory).unwrap_or_default() {
            let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
        }
        if !self.found {
            let _ = std::fs::remove_dir(&self.directory);
        }
    }
}
