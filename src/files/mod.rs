//! Files as gapferry opens and writes them: regular files only, no link followed, and what is
//! written is complete or absent.
//!
//! Withstands: symbolic links at any component, FIFOs, devices and sockets in the place of files
//! (they are never opened for reading in a way that blocks), a crash between writing and renaming.

mod cached;
mod lock;
mod owner;
mod part;
mod section;
mod space;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

pub use cached::forget_written;
pub use lock::Lock;
pub use owner::{Owner, introduce};
pub use part::{PartFile, open_locked, unfinished_bytes};
pub use section::Section;
pub use space::{FAT_LIMIT, Space};

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused. The environment's fault.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// A link, FIFO, device, socket or directory where a file should be. The input's fault.
    #[error("{} is not a regular file; it was not opened", path.display())]
    NotRegular {
        /// Which file.
        path: PathBuf,
    },
    /// Another process holds the lock. The environment's fault.
    #[error("{} is held by {}", path.display(), named(holder))]
    Locked {
        /// Which lock.
        path: PathBuf,
        /// The process, if it says so.
        holder: Option<Owner>,
    },
    /// Another process works on it. The environment's fault.
    #[error("{} is in use by {}", path.display(), named(holder))]
    Busy {
        /// Which file.
        path: PathBuf,
        /// The process, if that can be told.
        holder: Option<Owner>,
    },
}

fn named(holder: &Option<Owner>) -> String {
    holder.as_ref().map_or("another process".to_owned(), Owner::to_string)
}

impl FileError {
    /// An [`FileError::Io`].
    pub fn io(action: &'static str, path: &Path, error: io::Error) -> FileError {
        FileError::Io { action, path: path.to_owned(), error }
    }

    /// True when the file is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, FileError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Opens the regular file `relative` below the directory `root` for reading, following no link
/// in `relative` (`root` itself is the user's word and may be a link).
///
/// # Errors
/// [`FileError::NotRegular`] for anything but a regular file reached through plain directories.
pub fn open_beneath(root: &Path, relative: &Path) -> Result<File, FileError> {
    let full = root.join(relative);
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR | rustix::io::Errno::NXIO => {
            FileError::NotRegular { path: full.clone() }
        }
        error => FileError::io("open", &full, error.into()),
    };
    let walk = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = rustix::fs::open(root, walk, Mode::empty()).map_err(failed)?;
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(FileError::NotRegular { path: full });
        };
        // NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = match parts.peek() {
            Some(_) => walk | OFlags::NOFOLLOW,
            None => {
                OFlags::RDONLY
                    | OFlags::NOFOLLOW
                    | OFlags::NONBLOCK
                    | OFlags::NOCTTY
                    | OFlags::CLOEXEC
            }
        };
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).map_err(failed)?;
    }
    let file = File::from(at);
    let kind = file.metadata().map_err(|error| FileError::io("inspect", &full, error))?;
    if !kind.is_file() {
        return Err(FileError::NotRegular { path: full });
    }
    Ok(file)
}

/// Opens the regular file `path`; its last component may not be a link.
///
/// # Errors
/// As [`open_beneath`].
pub fn open(path: &Path) -> Result<File, FileError> {
    let name = path.file_name().ok_or_else(|| FileError::NotRegular { path: path.to_owned() })?;
    open_beneath(&parent(path), Path::new(name))
}

/// Reads a whole file of at most `cap` bytes.
///
/// # Errors
/// As [`open`]; [`FileError::Io`] when the file is longer.
pub fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(cap + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::io("read", path, error))?;
    if bytes.len() as u64 > cap {
        let error = io::Error::other(format!("larger than {cap} bytes"));
        return Err(FileError::io("read", path, error));
    }
    Ok(bytes)
}

/// Removes what killed processes left of files that they had open in `directory` or a directory below
/// it. Nobody else works there.
///
/// # Errors
/// [`FileError::Io`].
pub fn sweep(directory: &Path) -> Result<(), FileError> {
    let below = walkdir::WalkDir::new(directory).max_depth(3).follow_links(false);
    for entry in below.into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() && entry.file_name().to_str().is_some_and(is_temporary) {
            let removed = std::fs::remove_file(entry.path());
            removed.map_err(|error| FileError::io("remove", entry.path(), error))?;
        }
    }
    Ok(())
}

/// True for the name of a file that an [`AtomicFile`] left when its process was killed.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

const PREFIX: &str = ".gapferry-";
const SUFFIX: &str = ".part";

/// A file under a temporary name beside its place. It comes to its place complete, or not at all.
pub struct AtomicFile {
    temporary: tempfile::NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will be `path`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create(path: &Path) -> Result<AtomicFile, FileError> {
        AtomicFile::with_mode(path, 0o666)
    }

    /// The same, for its owner only.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn create_private(path: &Path) -> Result<AtomicFile, FileError> {
        AtomicFile::with_mode(path, 0o600)
    }

    fn with_mode(path: &Path, mode: u32) -> Result<AtomicFile, FileError> {
        let temporary = tempfile::Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .tempfile_in(parent(path))
            .map_err(|error| FileError::io("create", path, error))?;
        Ok(AtomicFile { temporary, path: path.to_owned() })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The open file, for writing at offsets from many threads.
    pub fn as_file(&self) -> &File {
        self.temporary.as_file()
    }

    /// The place that it will come to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the content and puts the file in its place; the caller syncs the directory.
    ///
    /// # Errors
    /// [`FileError::Io`]; nothing is at the place then, or what was there before.
    pub fn commit(self) -> Result<(), FileError> {
        let AtomicFile { temporary, path } = self;
        temporary.as_file().sync_all().map_err(|error| FileError::io("sync", &path, error))?;
        temporary.persist(&path).map_err(|error| FileError::io("rename to", &path, error.error))?;
        Ok(())
    }
}

/// Writes `bytes` to `path`: temporary name, sync, rename, directory sync.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(AtomicFile::create(path)?, bytes)
}

/// The same, for its owner only.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(AtomicFile::create_private(path)?, bytes)
}

fn write(mut file: AtomicFile, bytes: &[u8]) -> Result<(), FileError> {
    let path = file.path().to_owned();
    file.file().write_all(bytes).map_err(|error| FileError::io("write", &path, error))?;
    file.commit()?;
    sync_directory(&parent(&path))
}

/// Makes the names in a directory last.
///
/// # Errors
/// [`FileError::Io`].
pub fn sync_directory(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| FileError::io("sync", path, error))
}

/// Makes a directory and those above it; syncs the parent of each new one.
///
/// # Errors
/// [`FileError::Io`].
pub fn create_directories(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_directories(&above)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(FileError::io("create", path, error))
        }
        _ => sync_directory(&above),
    }
}

/// Makes a directory for its owner only, and those above it. One that is there stays as it is.
///
/// # Errors
/// [`FileError::Io`].
pub fn create_private_directory(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt as _;
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_directories(&above)?;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        // Somebody else was faster.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(FileError::io("create", path, error)),
        Ok(()) => sync_directory(&above),
    }
}

/// The directory that `path` lies in.
pub fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn opens_plain_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/c"), "x").unwrap();
        symlink("c", root.join("a/b/link")).unwrap();
        symlink("b", root.join("a/way")).unwrap();
        let fifo = root.join("a/b/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        assert!(open_beneath(root, Path::new("a/b/c")).is_ok());
        for bad in ["a/b/link", "a/way/c", "a/b/fifo", "a/b", "a/../a/b/c", "/etc/passwd"] {
            let error = open_beneath(root, Path::new(bad)).unwrap_err();
            assert!(matches!(error, FileError::NotRegular { .. }), "{bad}: {error}");
        }
        assert!(open_beneath(root, Path::new("a/b/d")).unwrap_err().is_not_found());
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut file = AtomicFile::create(&path).unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        write_atomic(&path, b"whole").unwrap();
        assert_eq!(read_capped(&path, 5).unwrap(), b"whole");
        assert!(read_capped(&path, 4).is_err());
    }
}
