//! Blobs that are staged in a layout: whole, synced, and not under their digest yet.
//!
//! They lie in `.gapferry` as `<algorithm>-<hex>.staged`. A blob comes to that name when all of it is
//! proven and synced, so an import that was killed need not bring it again: the next one adopts it,
//! after all its bytes were read and hashed once more. What was written in part is dropped (see
//! `write`): to copy it again costs no more than to prove it.
//!
//! Withstands: a staged file that was changed, cut, or put there by somebody (its name is believed in
//! nothing, and what it holds is removed if it is not the blob), links and devices in its place, two
//! writers that stage one blob (both have it whole; the second finds it committed).

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::LayoutError;
use super::read::{blob_path, open_blob};
use super::write::{LayoutWriter, WORK, persist, plain_directory, sync};
use crate::files::{self, FileError};
use crate::oci::{Descriptor, Digest, VerifyingReader};

const STAGED: &str = ".staged";
const BUFFER: usize = 256 * 1024;

/// The bytes of a blob, proven and synced, but not under their digest.
#[derive(Debug)]
pub struct StagedBlob {
    part: Part,
    writer: LayoutWriter,
    digest: Digest,
    /// Bytes that were there already.
    found: u64,
}

#[derive(Debug)]
enum Part {
    /// Goes when it is dropped.
    Passing(TempPath),
    /// Stays for the next run.
    Kept(PathBuf),
}

impl LayoutWriter {
    /// Takes the bytes of `blob` and proves them; they are not under their digest yet. Dropped, they
    /// are removed.
    ///
    /// # Errors
    /// [`LayoutError::Content`] when `content` fails or is not that of the descriptor,
    /// [`LayoutError::File`] when it cannot be written.
    pub fn stage(
        &self,
        blob: &Descriptor,
        content: &mut dyn Read,
    ) -> Result<StagedBlob, LayoutError> {
        let mut proving = VerifyingReader::new(content, blob.digest, blob.size);
        let part = Part::Passing(self.write_part(&mut proving)?.into_temp_path());
        Ok(StagedBlob { part, writer: self.clone(), digest: blob.digest, found: 0 })
    }

    /// Takes the bytes of a blob so that they stay, even if this process ends before they are
    /// committed; or takes up what an earlier one left of them. `open` gives a reader that proves
    /// the content itself: it fails, instead of ending, when it is not that of `blob`.
    ///
    /// # Errors
    /// As [`LayoutWriter::stage`].
    pub fn stage_to_stay<'a>(
        &self,
        blob: &Descriptor,
        open: impl FnOnce() -> io::Result<Box<dyn Read + 'a>>,
    ) -> Result<StagedBlob, LayoutError> {
        let digest = blob.digest;
        let place = staged_place(self.root(), &digest);
        let staged = |found| StagedBlob {
            part: Part::Kept(place.clone()),
            writer: self.clone(),
            digest,
            found,
        };
        if adopt(&place, blob)? {
            return Ok(staged(blob.size));
        }
        let mut content = open().map_err(LayoutError::Content)?;
        // Closed here: staged blobs are many, open files are few.
        let part = self.write_part(&mut content)?.into_temp_path();
        let renamed = part.persist(&place);
        renamed.map_err(|error| FileError::io("rename to", &place, error.error))?;
        Ok(staged(0))
    }

    /// A new file with the content, synced.
    fn write_part(&self, content: &mut dyn Read) -> Result<NamedTempFile, LayoutError> {
        let mut part = self.part()?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => return sync(part),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LayoutError::Content(error)),
            };
            let written = part.write_all(&buffer[..count]);
            written.map_err(|error| FileError::io("write", part.path(), error))?;
        }
    }

    /// Removes what imports that did not come to their end have staged, whoever they were.
    ///
    /// # Errors
    /// [`LayoutError::File`].
    pub fn sweep_staged(&self) -> Result<(), LayoutError> {
        remove(&self.root().join(WORK), STAGED)
    }
}

/// Where the layout in `root` keeps a blob that is staged. What lies there is not proven.
pub fn staged_place(root: &Path, digest: &Digest) -> PathBuf {
    root.join(WORK).join(format!("{}-{}{STAGED}", digest.algorithm(), digest.hex()))
}

/// True when `place` holds the blob, every byte of it. Whatever else lies there is removed.
fn adopt(place: &Path, blob: &Descriptor) -> Result<bool, LayoutError> {
    let failed = |error| FileError::io("read", place, error);
    match files::open(place) {
        Ok(file) if is_blob(&file, blob).map_err(failed)? => return Ok(true),
        Err(error) if error.is_not_found() => return Ok(false),
        Ok(_) | Err(FileError::NotRegular { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    std::fs::remove_file(place).map_err(|error| FileError::io("remove", place, error))?;
    Ok(false)
}

fn is_blob(file: &File, blob: &Descriptor) -> io::Result<bool> {
    if file.metadata()?.len() != blob.size {
        return Ok(false);
    }
    let mut proving = VerifyingReader::new(file, blob.digest, blob.size);
    let mut buffer = vec![0; BUFFER];
    loop {
        match proving.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Wrong, or not to be read: it is brought again.
            Err(_) => return Ok(false),
        }
    }
}

/// Removes the files in `work` whose names end so.
pub(super) fn remove(work: &Path, suffix: &str) -> Result<(), LayoutError> {
    let failed = |error| FileError::io("tidy", work, error);
    for found in std::fs::read_dir(work).map_err(failed)? {
        let path = found.map_err(failed)?.path();
        if path.as_os_str().as_encoded_bytes().ends_with(suffix.as_bytes()) {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

impl StagedBlob {
    /// How many of its bytes an earlier run had brought.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Gives the blob its digest.
    ///
    /// # Errors
    /// [`LayoutError::Unstaged`] when somebody took the staged bytes away; [`LayoutError::File`].
    pub fn commit(self) -> Result<(), LayoutError> {
        let root = self.writer.root();
        let place = root.join(blob_path(&self.digest));
        plain_directory(&root.join("blobs"))?;
        plain_directory(&files::parent(&place))?;
        match self.part {
            Part::Passing(part) => persist(part, &place),
            Part::Kept(part) => match std::fs::rename(&part, &place) {
                Ok(()) => Ok(files::sync_directory(&files::parent(&place))?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match open_blob(root, &self.digest)? {
                        Some(_) => Ok(files::sync_directory(&files::parent(&place))?),
                        None => Err(LayoutError::Unstaged(self.digest)),
                    }
                }
                Err(error) => Err(FileError::io("rename to", &place, error).into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    fn blob(bytes: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::new("a/b").unwrap(), bytes)
    }

    fn layout() -> (tempfile::TempDir, LayoutWriter) {
        let dir = tempfile::tempdir().unwrap();
        let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
        (dir, writer)
    }

    fn stage(writer: &LayoutWriter, bytes: &'static [u8]) -> Result<StagedBlob, LayoutError> {
        let of = blob(bytes);
        writer.stage_to_stay(&of, || {
            Ok(Box::new(VerifyingReader::new(bytes, of.digest, of.size)) as Box<dyn Read>)
        })
    }

    fn not_again() -> io::Result<Box<dyn Read>> {
        panic!("it is there")
    }

    #[test]
    fn what_is_whole_is_taken_up_by_the_next() {
        let (dir, writer) = layout();
        drop(stage(&writer, b"content").unwrap());
        assert!(!writer.has_blob(&blob(b"content")).unwrap());
        drop(writer);
        let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
        let staged = writer.stage_to_stay(&blob(b"content"), not_again).unwrap();
        assert_eq!(staged.found(), 7);
        staged.commit().unwrap();
        assert!(writer.has_blob(&blob(b"content")).unwrap());
    }

    #[test]
    fn a_name_proves_nothing() {
        let (_dir, writer) = layout();
        let place = staged_place(writer.root(), &blob(b"content").digest);
        for wrong in [&b"contenu"[..], b"conten", b"content and more", b""] {
            std::fs::write(&place, wrong).unwrap();
            let staged = stage(&writer, b"content").unwrap();
            assert_eq!(staged.found(), 0);
            assert_eq!(std::fs::read(&place).unwrap(), b"content");
        }
        std::fs::remove_file(&place).unwrap();
        let other = place.with_extension("other");
        std::fs::write(&other, "content").unwrap();
        std::os::unix::fs::symlink(&other, &place).unwrap();
        assert_eq!(stage(&writer, b"content").unwrap().found(), 0);
        assert!(place.symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read(&other).unwrap(), b"content");
    }

    #[test]
    fn what_is_wrong_is_never_staged() {
        let (_dir, writer) = layout();
        let of = blob(b"right");
        let wrong = || Ok(Box::new(VerifyingReader::new(&b"wrong"[..], of.digest, 5)) as _);
        let refused = writer.stage_to_stay(&of, wrong).unwrap_err();
        assert!(matches!(refused, LayoutError::Content(_)));
        assert!(!staged_place(writer.root(), &of.digest).exists());
    }

    #[test]
    fn what_is_taken_away_is_told() {
        let (_dir, writer) = layout();
        let staged = stage(&writer, b"content").unwrap();
        writer.sweep_staged().unwrap();
        let refused = staged.commit().unwrap_err();
        assert!(matches!(refused, LayoutError::Unstaged(_)));
        // Two have it, and the other is faster.
        let both = [stage(&writer, b"content").unwrap(), stage(&writer, b"content").unwrap()];
        both.into_iter().for_each(|staged| staged.commit().unwrap());
    }
}
