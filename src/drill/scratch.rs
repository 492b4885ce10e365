//! The store that a drill restores to. It removes nothing that it did not find empty.

use std::path::{Path, PathBuf};

use super::DrillError;
use crate::files::{self, FileError};

/// A directory that was absent or empty when the drill began.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    made: bool,
}

impl Scratch {
    /// Takes `path` for the store, and makes it unless it is there.
    ///
    /// # Errors
    /// [`DrillError::Exists`] when there is anything else, [`DrillError::File`].
    pub fn new(path: &Path) -> Result<Scratch, DrillError> {
        let made = std::fs::symlink_metadata(path).is_err();
        files::create_directories(path)?;
        let found = std::fs::read_dir(path).and_then(|mut found| found.next().transpose());
        match found.map_err(|error| FileError::io("list", path, error))? {
            None => Ok(Scratch { path: path.to_owned(), made }),
            Some(_) => Err(DrillError::Exists { path: path.to_owned() }),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the store, and the directory if it was made for it.
    ///
    /// # Errors
    /// [`DrillError::File`].
    pub fn remove(self) -> Result<(), DrillError> {
        let failed = |error| FileError::io("remove", &self.path, error);
        if self.made {
            return Ok(std::fs::remove_dir_all(&self.path).map_err(failed)?);
        }
        for found in std::fs::read_dir(&self.path).map_err(failed)? {
            let found = found.map_err(failed)?;
            let removed = match found.file_type().map_err(failed)?.is_dir() {
                true => std::fs::remove_dir_all(found.path()),
                false => std::fs::remove_file(found.path()),
            };
            removed.map_err(failed)?;
        }
        Ok(())
    }
}
