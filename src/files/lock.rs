//! A lock that one process holds at a time. It ends with the process, however that ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::FileError;

/// The most bytes that are read of a holder's number.
const MAX_NUMBER: u64 = 20;

/// Held until it is dropped. What counts is the system's lock (`flock`); the number of the process
/// that stands in the file is for people.
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
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let opened = opened.map_err(|error| FileError::io("open", path, error.into()))?;
        let mut file = File::from(opened);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(FileError::Locked { path: path.to_owned(), holder: holder(&mut file) });
            }
            Err(error) => return Err(FileError::io("lock", path, error.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
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
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FileError::Busy { path: path.to_owned() }),
            // Some file systems know no locks; to work there is better than not to.
            _ => Ok(Lock { _file: file }),
        }
    }
}

/// The process that wrote its number into the file.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_NUMBER).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
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
        assert!(matches!(&refused, FileError::Locked { holder: Some(it), .. } if *it == me));
        drop(held);
        Lock::take(&path).unwrap();
        let held = Lock::directory(dir.path()).unwrap();
        assert!(matches!(Lock::directory(dir.path()), Err(FileError::Busy { .. })));
        drop(held);
        Lock::directory(dir.path()).unwrap();
    }
}
