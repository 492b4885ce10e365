//! Reading what is on a medium, and not what the system still has of it in memory.
//!
//! Limits: it is an advice. Pages that are not written out yet stay, so files are synced first; a file
//! system that lives in memory, or keeps its own cache, gives what it has; and what a drive holds in
//! its own memory nobody can ask it to forget.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use super::{FileError, open};

/// Has the system drop the pages that it holds of `file`.
pub(super) fn forget(file: &File) {
    // What is declined is read all the same, from wherever it is.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Syncs the file `path` and has the system drop what it holds of it in memory, so that it is read
/// from the medium next.
///
/// # Errors
/// [`FileError::Io`], [`FileError::NotRegular`].
pub fn forget_written(path: &Path) -> Result<(), FileError> {
    let file = open(path)?;
    file.sync_all().map_err(|error| FileError::io("sync", path, error))?;
    forget(&file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        forget_written(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == vec![7; 100_000]);
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        let refused = forget_written(&dir.path().join("link")).unwrap_err();
        assert!(matches!(refused, FileError::NotRegular { .. }), "{refused}");
        assert!(forget_written(&dir.path().join("none")).unwrap_err().is_not_found());
    }
}
