//! Copying volumes and files of a bundle, each held against its digest on the way.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::{StageError, location};
use crate::bundle::{BundlePath, HeadFile, LISTING, Medium, Piece, Seal, Sums, volume_name};
use crate::files::{self, AtomicFile, FileError};
use crate::oci::{Digest, Hasher, MARK_BLOCK, read_block};
use crate::report::Progress;
use crate::verify::VerifyError;

/// A volume that is to be copied.
#[derive(Debug)]
pub struct Volume {
    number: u32,
    from: PathBuf,
    /// Bytes of the whole file.
    pub size: u64,
    /// Its members, from front to back.
    members: Vec<(BundlePath, Piece)>,
}

/// The volumes of `source` that are not `staged` yet.
///
/// # Errors
/// [`StageError::OtherVolume`], [`StageError::Medium`].
pub fn volumes(source: &Medium, staged: &Medium) -> Result<Vec<Volume>, StageError> {
    let mut volumes = Vec::new();
    for (number, from) in source.volumes() {
        let volume = volume(*number, from)?;
        match staged.volumes().get(number) {
            None => volumes.push(volume),
            Some(there) if is_same(&volume, there)? => {}
            Some(there) => {
                let (staged, medium) = (there.clone(), from.clone());
                return Err(StageError::OtherVolume { staged, medium });
            }
        }
    }
    Ok(volumes)
}

fn volume(number: u32, from: &Path) -> Result<Volume, StageError> {
    let medium = Medium::gather(&[from.to_owned()])?;
    let members = medium.paths().filter_map(|path| Some((*path, medium.get(path)?.clone())));
    let mut members: Vec<_> = members.collect();
    members.sort_by_key(|(_, piece)| piece.offset());
    let size = files::open(from)?.metadata();
    let size = size.map_err(|error| FileError::io("inspect", from, error))?.len();
    Ok(Volume { number, from: from.to_owned(), size, members })
}

fn is_same(volume: &Volume, there: &Path) -> Result<bool, StageError> {
    let there = self::volume(volume.number, there)?;
    let framing = |volume: &Volume| -> Vec<_> {
        volume.members.iter().map(|(path, piece)| (*path, piece.offset(), piece.size)).collect()
    };
    Ok(volume.size == there.size && framing(volume) == framing(&there))
}

/// Copies into a directory.
pub struct Copying<'a> {
    pub to: &'a Path,
    pub sums: &'a Sums,
    pub progress: &'a dyn Progress,
}

impl Copying<'_> {
    /// A blob that lies alone, a head file, or a file that the sums do not list.
    ///
    /// # Errors
    /// [`StageError::Verify`], [`StageError::File`].
    pub fn file(&self, path: BundlePath, piece: &Piece, seal: &Seal) -> Result<(), StageError> {
        let to = self.to.join(path.to_string());
        files::create_directories(&files::parent(&to))?;
        let mut out = AtomicFile::create(&to)?;
        let found = self.pour(&mut piece.open()?, piece.size, (&piece.file(), &to), out.file())?;
        let expected = match path {
            BundlePath::Head(HeadFile::Sums) => Some(seal.sums),
            path => self.sums.get(&path).copied(),
        };
        // The seal, signatures and trust documents prove themselves to whoever has the keys.
        if expected.is_some_and(|expected| expected != found) {
            return Err(VerifyError::Damaged { path, at: location(piece) }.into());
        }
        out.commit()?;
        Ok(files::sync_directory(&files::parent(&to))?)
    }

    /// Every byte of a volume. Its framing was checked when it was found.
    ///
    /// # Errors
    /// [`StageError::Verify`], [`StageError::File`].
    pub fn volume(&self, volume: &Volume) -> Result<(), StageError> {
        let to = self.to.join(volume_name(volume.number));
        let mut from = files::open(&volume.from)?;
        let mut out = AtomicFile::create(&to)?;
        let (names, mut at) = ((volume.from.as_path(), to.as_path()), 0);
        for (path, piece) in &volume.members {
            self.pour(&mut from, piece.offset() - at, names, out.file())?;
            let found = self.pour(&mut from, piece.size, names, out.file())?;
            if self.sums.get(path) != Some(&found) {
                return Err(VerifyError::Damaged { path: *path, at: location(piece) }.into());
            }
            at = piece.offset() + piece.size;
        }
        self.pour(&mut from, volume.size - at, names, out.file())?;
        out.commit()?;
        Ok(files::sync_directory(self.to)?)
    }

    /// The list of volumes, which proves nothing and helps people.
    ///
    /// # Errors
    /// [`StageError::File`].
    pub fn listing(&self, source: &Medium) -> Result<(), StageError> {
        match source.listing() {
            Some(text) => Ok(files::write_atomic(&self.to.join(LISTING), &text)?),
            None => Ok(()),
        }
    }

    /// A file that protects the bundle. It proves itself when it is used.
    ///
    /// # Errors
    /// [`StageError::File`].
    pub fn companion(&self, from: &Path) -> Result<(), StageError> {
        let to = self.to.join(from.file_name().unwrap_or_default());
        let mut file = files::open(from)?;
        let failed = |error| FileError::io("inspect", from, error);
        let size = file.metadata().map_err(failed)?.len();
        if to.symlink_metadata().is_ok_and(|there| there.len() == size) {
            return Ok(());
        }
        let mut out = AtomicFile::create(&to)?;
        self.pour(&mut file, size, (from, &to), out.file())?;
        out.commit()?;
        Ok(files::sync_directory(self.to)?)
    }

    /// The next `size` bytes, and their digest.
    fn pour(
        &self,
        reader: &mut impl Read,
        size: u64,
        (from, to): (&Path, &Path),
        out: &mut File,
    ) -> Result<Digest, FileError> {
        let (mut hasher, mut left) = (Hasher::sha256(), size);
        let mut buffer = vec![0; MARK_BLOCK];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = read_block(reader, &mut buffer[..room]);
            let count = count.map_err(|error| FileError::io("read", from, error))?;
            if count == 0 {
                return Err(FileError::io("read", from, io::ErrorKind::UnexpectedEof.into()));
            }
            hasher.update(&buffer[..count]);
            let written = out.write_all(&buffer[..count]);
            written.map_err(|error| FileError::io("write", to, error))?;
            self.progress.advance(count as u64);
            left -= count as u64;
        }
        Ok(hasher.finish())
    }
}
