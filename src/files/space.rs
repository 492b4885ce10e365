//! How much room there is on the file system that something is to be written to.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{FileError, parent};

/// `f_type` of FAT in all its widths, from `linux/magic.h`.
const MSDOS_SUPER_MAGIC: u64 = 0x4d44;
/// FAT32 holds files of up to 4 GiB less one byte.
pub const FAT_LIMIT: u64 = (1 << 32) - 1;

/// A file system, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The directory that was asked about: what is to be written, or the nearest above it that
    /// exists.
    pub place: PathBuf,
    /// Bytes that a user may still write; `None` where the file system does not say.
    pub free: Option<u64>,
    /// Bytes of a block: a file takes whole ones.
    pub block: u64,
    /// Which file system it is, among those that are mounted.
    pub device: u64,
    /// True for FAT, which holds no file larger than [`FAT_LIMIT`].
    pub is_fat: bool,
}

impl Space {
    /// The file system that `path`, which need not exist, is or will be on.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn at(path: &Path) -> Result<Space, FileError> {
        let place = existing(path);
        let found = rustix::fs::statfs(&place)
            .map_err(|error| FileError::io("inspect the file system of", &place, error.into()))?;
        // The width and sign of these fields differ between machines.
        let number = |field: i128| u64::try_from(field).unwrap_or(0);
        let size = number(found.f_bsize as i128);
        let free = number(found.f_bavail as i128).saturating_mul(size);
        let says = number(found.f_blocks as i128) > 0;
        let is_fat = number(found.f_type as i128) == MSDOS_SUPER_MAGIC;
        let device = place.metadata().map_err(|error| FileError::io("inspect", &place, error))?;
        let (block, device) = (size.max(1), device.dev());
        Ok(Space { place, free: says.then_some(free), block, device, is_fat })
    }
}

/// `path`, or the nearest directory above it that exists.
fn existing(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while !path.is_dir() && path != Path::new(".") && path != Path::new("/") {
        path = parent(&path);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_yet_is_where_its_parent_is() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::at(&dir.path().join("a/b/c.tar")).unwrap();
        assert_eq!(space.place, dir.path());
        assert!(space.free.is_some_and(|free| free > 0) && !space.is_fat);
        std::fs::write(dir.path().join("a"), "").unwrap();
        assert_eq!(Space::at(&dir.path().join("a/b")).unwrap().place, dir.path());
        assert_eq!(existing(Path::new("nowhere/at/all")), Path::new("."));
        assert_eq!(existing(Path::new("/nowhere")), Path::new("/"));
        // A file system that is none has no room to speak of.
        assert_eq!(Space::at(Path::new("/proc")).unwrap().free, None);
    }
}
