//! Writing a bundle in one of its packagings.
//!
//! Every size is known before the first byte is written, so each blob has its place from the
//! start: many threads write at once, and the bytes do not depend on who was first. The seal comes
//! last; until it (or the archive that holds it) has its name, there is no bundle. Normative text:
//! `formats/packaging.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::medium::volume_name;
use super::path::{BLOB_DIRECTORY, BlobPath, BundlePath, HeadFile};
use super::ustar;
use crate::files::{self, AtomicFile, FileError};

/// How the files of a bundle lie on a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packaging {
    /// Each file by itself, in a directory.
    Directory,
    /// All in one tar archive.
    Archive,
    /// Blobs in tar archives of at most `limit` bytes, head files beside them, in a directory.
    Volumes {
        /// The largest volume, in bytes.
        limit: u64,
    },
}

/// Why a bundle cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file could not be written. The environment's fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something lies where the bundle should. The input's fault.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A blob is larger than a volume may be, and no file is cut in two. The input's fault.
    #[error("blob {blob} of {size} bytes does not fit a volume of {limit} bytes")]
    VolumeTooSmall {
        /// The blob.
        blob: BlobPath,
        /// Its size in bytes.
        size: u64,
        /// The largest volume, in bytes.
        limit: u64,
    },
}

/// A bundle that is being written. Dropped before [`Writer::finish`], it leaves no bundle.
pub struct Writer {
    out: PathBuf,
    places: BTreeMap<BlobPath, Place>,
    body: Body,
}

/// Where a blob goes: which archive, and the offset of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    archive: usize,
    offset: u64,
    size: u64,
}

enum Body {
    Directory(Leftovers),
    Archive { file: AtomicFile, end: u64 },
    Volumes { files: Vec<(AtomicFile, u64)>, made: Leftovers },
}

/// The directory of an unfinished bundle. Unless the bundle is finished, what is in it is removed,
/// and the directory too if it was made for the bundle.
struct Leftovers {
    directory: PathBuf,
    /// Whether the directory was there before.
    found: bool,
    finished: bool,
}

impl Writer {
    /// Starts a bundle at `out` that will hold `blobs` (with their sizes in bytes), in this order.
    ///
    /// # Errors
    /// Every [`WriteError`]; a directory at `out` must be empty, an archive must not exist.
    pub fn create(
        out: &Path,
        packaging: Packaging,
        blobs: &[(BlobPath, u64)],
    ) -> Result<Writer, WriteError> {
        let limit = match packaging {
            Packaging::Volumes { limit } => limit,
            _ => u64::MAX,
        };
        let (places, ends) = place(blobs, limit)?;
        let body = match packaging {
            Packaging::Directory => {
                let made = Leftovers::create(out)?;
                files::create_directories(&out.join(BLOB_DIRECTORY))?;
                Body::Directory(made)
            }
            Packaging::Archive => {
                refuse_existing(out)?;
                files::create_directories(&files::parent(out))?;
                Body::Archive {
                    file: AtomicFile::create(out)?,
                    end: ends.first().copied().unwrap_or(0),
                }
            }
            Packaging::Volumes { .. } => {
                let made = Leftovers::create(out)?;
                let create = |(number, end): (u32, u64)| {
                    AtomicFile::create(&out.join(volume_name(number))).map(|file| (file, end))
                };
                Body::Volumes {
                    files: (1..).zip(ends).map(create).collect::<Result<_, _>>()?,
                    made,
                }
            }
        };
        Ok(Writer { out: out.to_owned(), places, body })
    }

    /// Starts one of the blobs that were announced. Many may be open at once.
    ///
    /// # Errors
    /// [`FileError`].
    ///
    /// # Panics
    /// When the blob was not announced: the caller's mistake, not the input's.
    pub fn blob(&self, blob: BlobPath) -> Result<BlobWriter<'_>, FileError> {
        let place = self.places[&blob];
        let member = |file| Member::start(file, place.offset, blob.into(), place.size);
        let sink = match &self.body {
            Body::Directory(_) => Sink::File(AtomicFile::create(&self.out.join(blob.to_string()))?),
            Body::Archive { file, .. } => Sink::Member(member(file)?),
            Body::Volumes { files, .. } => Sink::Member(member(&files[place.archive].0)?),
        };
        Ok(BlobWriter { sink, left: place.size })
    }

    /// Writes the head files, the signatures and last the seal, and makes everything lasting.
    ///
    /// # Errors
    /// [`FileError`]; there is no bundle then.
    pub fn finish(
        self,
        heads: &[(HeadFile, Vec<u8>)],
        signatures: &[(HeadFile, Vec<u8>)],
        seal: &[u8],
    ) -> Result<(), FileError> {
        let heads = heads.iter().chain(signatures).map(|(file, bytes)| (*file, bytes.as_slice()));
        match self.body {
            Body::Archive { file, end } => {
                finish_archive(file, end, heads.chain([(HeadFile::Seal, seal)]))?;
                files::sync_directory(&files::parent(&self.out))
            }
            Body::Directory(made) => {
                files::sync_directory(&self.out.join(BLOB_DIRECTORY))?;
                made.finish(heads, seal)
            }
            Body::Volumes { files, made } => {
                for (volume, end) in files {
                    finish_archive(volume, end, [])?;
                }
                made.finish(heads, seal)
            }
        }
    }
}

/// The place of each blob, and where each archive's blobs end: every blob goes to the first volume
/// that has room.
fn place(
    blobs: &[(BlobPath, u64)],
    limit: u64,
) -> Result<(BTreeMap<BlobPath, Place>, Vec<u64>), WriteError> {
    let room = limit.saturating_sub(ustar::TRAILER);
    let mut ends: Vec<u64> = Vec::new();
    let mut places = BTreeMap::new();
    for &(blob, size) in blobs {
        let needed = ustar::member_size(size);
        if needed > room {
            return Err(WriteError::VolumeTooSmall { blob, size, limit });
        }
        let archive = ends.iter().position(|end| *end <= room - needed).unwrap_or_else(|| {
            ends.push(0);
            ends.len() - 1
        });
        places.insert(blob, Place { archive, offset: ends[archive], size });
        ends[archive] += needed;
    }
    Ok((places, ends))
}

fn refuse_existing(path: &Path) -> Result<(), WriteError> {
    match path.symlink_metadata() {
        Ok(_) => Err(WriteError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

fn finish_archive<'a>(
    mut file: AtomicFile,
    mut end: u64,
    heads: impl IntoIterator<Item = (HeadFile, &'a [u8])>,
) -> Result<(), FileError> {
    for (head, bytes) in heads {
        let mut member = Member::start(&file, end, head.into(), bytes.len() as u64)?;
        member.write_all(bytes).map_err(|error| FileError::io("write", file.path(), error))?;
        member.finish()?;
        end += ustar::member_size(bytes.len() as u64);
    }
    let trailer = [0; ustar::TRAILER as usize];
    let written = file.file().write_all_at(&trailer, end);
    written.map_err(|error| FileError::io("write", file.path(), error))?;
    file.commit()
}

impl Leftovers {
    /// Makes `directory`, or takes it when it is there and empty.
    fn create(directory: &Path) -> Result<Leftovers, WriteError> {
        let empty = std::fs::read_dir(directory).map(|mut entries| entries.next().is_none());
        let found = match empty {
            Ok(true) => true,
            Ok(false) => return Err(WriteError::Exists(directory.to_owned())),
            Err(_) => {
                refuse_existing(directory)?;
                files::create_directories(directory)?;
                false
            }
        };
        Ok(Leftovers { directory: directory.to_owned(), found, finished: false })
    }

    fn finish<'a>(
        mut self,
        heads: impl IntoIterator<Item = (HeadFile, &'a [u8])>,
        seal: &[u8],
    ) -> Result<(), FileError> {
        for (head, bytes) in heads {
            files::write_atomic(&self.directory.join(head.to_string()), bytes)?;
        }
        files::write_atomic(&self.directory.join(HeadFile::Seal.to_string()), seal)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The directory was empty when this bundle was begun: all of it is ours.
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
        }
        if !self.found {
            let _ = std::fs::remove_dir(&self.directory);
        }
    }
}

/// Takes the bytes of one blob: as many as were announced.
pub struct BlobWriter<'a> {
    sink: Sink<'a>,
    left: u64,
}

enum Sink<'a> {
    File(AtomicFile),
    Member(Member<'a>),
}

impl BlobWriter<'_> {
    /// The blob is complete and its content proven.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn finish(self) -> Result<(), FileError> {
        if self.left > 0 {
            let error = io::Error::other("the content is shorter than announced");
            return Err(FileError::io("write", self.file(), error));
        }
        match self.sink {
            Sink::File(file) => file.commit(),
            Sink::Member(member) => member.finish(),
        }
    }

    /// The file that is written to, for messages.
    pub fn file(&self) -> &Path {
        match &self.sink {
            Sink::File(file) => file.path(),
            Sink::Member(member) => member.path,
        }
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the content is longer than announced"));
        }
        let count = match &mut self.sink {
            Sink::File(file) => file.file().write(bytes)?,
            Sink::Member(member) => member.write(bytes)?,
        };
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A member of an archive, written at its place.
struct Member<'a> {
    file: &'a File,
    path: &'a Path,
    at: u64,
}

impl<'a> Member<'a> {
    fn start(
        archive: &'a AtomicFile,
        offset: u64,
        name: BundlePath,
        size: u64,
    ) -> Result<Member<'a>, FileError> {
        let (file, path) = (archive.as_file(), archive.path());
        let header = ustar::header(&name, size);
        file.write_all_at(&header, offset).map_err(|error| FileError::io("write", path, error))?;
        Ok(Member { file, path, at: offset + ustar::BLOCK })
    }

    fn finish(self) -> Result<(), FileError> {
        let zeros = [0; ustar::BLOCK as usize];
        let padding = ustar::padding(self.at) as usize;
        let written = self.file.write_all_at(&zeros[..padding], self.at);
        written.map_err(|error| FileError::io("write", self.path, error))
    }
}

impl Write for Member<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
