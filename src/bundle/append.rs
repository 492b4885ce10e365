//! Adding a small file to an archive that is complete: a signature that comes later.
//!
//! The file goes behind the last member, in the place of the zeros that end the archive, with new
//! zeros behind it. All of it is written at once, less than 10 KiB; a machine that dies in that
//! moment leaves an archive that readers refuse, and that is whole again when it is cut back to its
//! former length with 1024 zeros at the end. Normative text: `formats/packaging.md`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::path::HeadFile;
use super::ustar;
use crate::files::FileError;

/// Appends `name` with the content `bytes` to the archive at `path`, which [`super::Medium`] has
/// read and which has no such member.
///
/// # Errors
/// [`FileError`]; the archive is as it was then.
pub fn append(path: &Path, name: HeadFile, bytes: &[u8]) -> Result<(), FileError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map(File::from);
    let failed = |action, error| FileError::io(action, path, error);
    let file = file.map_err(|error| failed("open for writing", error.into()))?;
    let length = file.metadata().map_err(|error| failed("inspect", error))?.len();
    let end = check_trailer(&file, length).map_err(|error| failed("append to", error))?;
    let size = bytes.len() as u64;
    let mut member = ustar::header(&name.into(), size).to_vec();
    member.extend_from_slice(bytes);
    member.resize((ustar::member_size(size) + ustar::TRAILER) as usize, 0);
    let written = file.write_all_at(&member, end).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // What is in the way of this is in the way of everything: the first error says it.
        let _ = file.write_all_at(&[0; ustar::TRAILER as usize], end);
        let _ = file.set_len(length).and_then(|()| file.sync_all());
        failed("append to", error)
    })
}

/// Where the last member ends.
fn check_trailer(file: &File, length: u64) -> io::Result<u64> {
    let end = length.checked_sub(ustar::TRAILER);
    let end = end.ok_or_else(|| io::Error::other("it is no archive"))?;
    let mut trailer = [1; ustar::TRAILER as usize];
    file.read_exact_at(&mut trailer, end)?;
    match trailer.iter().all(|byte| *byte == 0) {
        true => Ok(end),
        false => Err(io::Error::other("it has changed meanwhile")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BundlePath, Medium};
    use super::*;

    fn signature(byte: &str) -> HeadFile {
        format!("seal.{}.sig", byte.repeat(32)).parse().unwrap()
    }

    #[test]
    fn the_strict_reader_takes_what_is_appended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        std::fs::write(&path, [0; ustar::TRAILER as usize]).unwrap();
        append(&path, HeadFile::Seal, b"seal").unwrap();
        for (name, size) in [("aa", 0), ("bb", 64), ("cc", 512), ("dd", 8192)] {
            append(&path, signature(name), &vec![b'x'; size]).unwrap();
        }
        let medium = Medium::gather(&[path]).unwrap();
        assert_eq!(medium.paths().count(), 5);
        let read = |name: HeadFile| medium.get(&name.into()).unwrap().read(1 << 20).unwrap();
        assert_eq!(read(HeadFile::Seal).unwrap(), b"seal");
        assert_eq!(read(signature("dd")).unwrap(), [b'x'; 8192]);
        assert!(medium.get(&BundlePath::Head(signature("ee"))).is_none());
    }

    #[test]
    fn what_is_no_archive_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        for content in [vec![], vec![0; 1023], vec![1; 2048]] {
            std::fs::write(&path, &content).unwrap();
            assert!(append(&path, HeadFile::Seal, b"seal").is_err());
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("a.tar", &link).unwrap();
        std::fs::write(&path, [0; 1024]).unwrap();
        assert!(append(&link, HeadFile::Seal, b"seal").is_err());
    }
}
