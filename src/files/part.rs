//! A file under a name that says it is unfinished, and that stays when the work is interrupted.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::{FileError, Owner};

/// The unit in which file systems say how much a file takes.
const BLOCK: u64 = 512;

/// `<name>.part`, beside the place that it will come to. Nobody else may work on it meanwhile.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl PartFile {
    /// Starts a file that will be `path`. What an interrupted work left under the name is gone.
    ///
    /// # Errors
    /// [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::Io`].
    pub fn create(path: &Path) -> Result<PartFile, FileError> {
        let part = PartFile::open(path)?;
        part.file.set_len(0).map_err(|error| FileError::io("empty", &part.part, error))?;
        Ok(part)
    }

    /// Goes on with what an interrupted work left, or starts anew. A file that has come to its
    /// place already is taken back.
    ///
    /// # Errors
    /// [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::Io`].
    pub fn resume(path: &Path) -> Result<PartFile, FileError> {
        let part = unfinished(path);
        if part.symlink_metadata().is_err() && path.symlink_metadata().is_ok() {
            let renamed = std::fs::rename(path, &part);
            renamed.map_err(|error| FileError::io("rename", path, error))?;
        }
        PartFile::open(path)
    }

    fn open(path: &Path) -> Result<PartFile, FileError> {
        let part = unfinished(path);
        let file = open_locked(&part)?;
        Ok(PartFile { file, part, path: path.to_owned() })
    }

    /// The open file.
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// The place that it will come to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what stands behind `length` bytes, if anything does: not every FAT can cut.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn cut(&self, length: u64) -> Result<(), FileError> {
        let found = self.file.metadata().map(|found| found.len());
        let cut = found.and_then(|found| match found > length {
            true => self.file.set_len(length),
            false => Ok(()),
        });
        cut.map_err(|error| FileError::io("cut", &self.path, error))
    }

    /// Syncs the content and puts the file in its place; the caller syncs the directory.
    ///
    /// # Errors
    /// [`FileError::Io`]; the unfinished file stays then.
    pub fn commit(self) -> Result<(), FileError> {
        let PartFile { file, part, path } = self;
        file.sync_all().map_err(|error| FileError::io("sync", &path, error))?;
        std::fs::rename(&part, &path).map_err(|error| FileError::io("rename to", &path, error))
    }

    /// Gives the work up.
    pub fn discard(&self) {
        // What cannot be removed is begun anew by the next who works here.
        let _ = std::fs::remove_file(&self.part);
    }

    /// Gives up what an interrupted work left of a file that should be `path`.
    ///
    /// # Errors
    /// [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::Io`].
    pub fn give_up(path: &Path) -> Result<(), FileError> {
        PartFile::open(path).map(|part| part.discard())
    }
}

/// How many bytes the file system has given to unfinished files: to that of `path`, and to those in
/// the directory `path` and in one below it.
pub fn unfinished_bytes(path: &Path) -> u64 {
    let below = walkdir::WalkDir::new(path).max_depth(3).follow_links(false);
    let below = below.into_iter().filter_map(Result::ok).map(walkdir::DirEntry::into_path);
    let is_part = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "part");
    let all = below.filter(is_part).chain([unfinished(path)]);
    all.filter_map(|path| Some(path.symlink_metadata().ok()?.blocks() * BLOCK)).sum()
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Opens a file of our own for reading and writing, makes it if it is not there, and holds a lock
/// on it until it is closed.
///
/// # Errors
/// [`FileError::Busy`], [`FileError::NotRegular`], [`FileError::Io`].
pub fn open_locked(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mode = Mode::from_raw_mode(0o666);
    let file = match rustix::fs::open(path, flags | OFlags::CLOEXEC, mode) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO | rustix::io::Errno::ISDIR) => {
            return Err(FileError::NotRegular { path: path.to_owned() });
        }
        Err(error) => return Err(FileError::io("create", path, error.into())),
    };
    let inspect = |error: io::Error| FileError::io("inspect", path, error);
    if !file.metadata().map_err(inspect)?.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(FileError::Busy { path: path.to_owned(), holder: Owner::of(&file) })
        }
        // Some file systems know no locks; to work there is better than not to.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => Ok(file),
        Err(error) => Err(FileError::io("lock", path, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_unfinished_stays_and_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar");
        let part = PartFile::create(&path).unwrap();
        part.as_file().write_all(b"half").unwrap();
        let me = std::process::id();
        let busy = PartFile::create(&path).unwrap_err();
        assert!(matches!(busy, FileError::Busy { holder: Some(it), .. } if it.process == me));
        drop(part);
        let part = PartFile::resume(&path).unwrap();
        assert_eq!(std::fs::read(dir.path().join("x.tar.part")).unwrap(), b"half");
        let given = unfinished_bytes(&path);
        assert!(given > 0 && given == unfinished_bytes(dir.path()), "{given}");
        part.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"half");
        assert_eq!(unfinished_bytes(dir.path()), 0);
        PartFile::create(&path).unwrap().discard();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join("x.part")).unwrap();
        let refused = PartFile::create(&dir.path().join("x")).unwrap_err();
        assert!(matches!(refused, FileError::NotRegular { .. }), "{refused}");
    }
}
