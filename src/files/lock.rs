//! A lock that one process holds at a time. It ends with the process, however that ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::FileError;
use super::owner::{MAX_RECORD, Owner};

/// Held until it is dropped. What counts is the system's lock (`flock`), which ends with the process;
/// the record in the file is for people: who holds it, where, since when, and for what.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `path`, a file that is made if it is not there.
    ///
    /// # Errors
    /// [`FileError::Locked`] at once when another process holds it; [`FileError::Io`].
    pub fn take(path: &Path) -> Result<Lock, FileError> {
        Lock::with_mode(path, Mode::RUSR | Mode::WUSR)
    }

    /// The same in a directory where others work too, as far as the umask lets them.
    ///
    /// # Errors
    /// [`FileError::Busy`] at once when another process holds it; [`FileError::Io`].
    pub fn take_shared(path: &Path) -> Result<Lock, FileError> {
        Lock::with_mode(path, Mode::from_raw_mode(0o666)).map_err(|error| match error {
            FileError::Locked { path, holder } => FileError::Busy { path, holder },
            error => error,
        })
    }

    fn with_mode(path: &Path, mode: Mode) -> Result<Lock, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, mode);
        let opened = opened.map_err(|error| FileError::io("open", path, error.into()))?;
        let mut file = File::from(opened);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(FileError::Locked { path: path.to_owned(), holder: holder(&file) });
            }
            Err(error) => return Err(FileError::io("lock", path, error.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(Owner::own().record().as_bytes())
        };
        write(&mut file).map_err(|error| FileError::io("write", path, error))?;
        Ok(Lock { _file: file })
    }

    /// Takes the directory `path` itself, and leaves no file in it.
    ///
    /// # Errors
    /// [`FileError::Busy`] at once when another process holds it; [`FileError::Io`].
    pub fn directory(path: &Path) -> Result<Lock, FileError> {
        let file = File::open(path).map_err(|error| FileError::io("open", path, error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(FileError::Busy { path: path.to_owned(), holder: Owner::of(&file) })
            }
            // Some file systems know no locks; to work there is better than not to.
            _ => Ok(Lock { _file: file }),
        }
    }
}

/// Who wrote its record into the file; else who holds the lock according to the system.
fn holder(file: &File) -> Option<Owner> {
    let mut text = String::new();
    let mut reader = file;
    let read = (&mut reader).take(MAX_RECORD).read_to_string(&mut text);
    read.ok().and_then(|_| Owner::parse(&text)).or_else(|| Owner::of(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_once_and_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        // What a process that is gone left behind is no lock.
        std::fs::write(&path, "4294967295999\n").unwrap();
        let held = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        let me = std::process::id();
        let of_me = |holder: &Option<Owner>| holder.as_ref().is_some_and(|it| it.process == me);
        assert!(matches!(&refused, FileError::Locked { holder, .. } if of_me(holder)));
        // Nothing stands in it: the system knows.
        std::fs::write(&path, "").unwrap();
        let busy = Lock::take_shared(&path).unwrap_err();
        assert!(matches!(&busy, FileError::Busy { holder, .. } if of_me(holder)), "{busy:?}");
        drop(held);
        Lock::take(&path).unwrap();
        let held = Lock::directory(dir.path()).unwrap();
        assert!(matches!(Lock::directory(dir.path()), Err(FileError::Busy { .. })));
        drop(held);
        Lock::directory(dir.path()).unwrap();
    }
}
