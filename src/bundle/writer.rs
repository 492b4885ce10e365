//! Writing a bundle in one of its packagings.
//!
//! Each blob is announced with its size before its first byte is written, and has its place from
//! then on: many threads write at once, and the bytes depend on the order of the announcements
//! alone. The seal comes last; until it (or the archive that holds it) has its name, there is no
//! bundle. Normative text: `formats/packaging.md`.

use std::collections::BTreeMap;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::medium::{is_system, volume_name};
use super::path::{BLOB_DIRECTORY, BlobPath, BundlePath, HeadFile};
use super::ustar;
use crate::files::{self, AtomicFile, FileError};
use crate::oci::{MARK_BLOCK, read_block};

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
    packaging: Packaging,
    made: Option<Leftovers>,
    state: Mutex<State>,
}

/// What has been announced.
#[derive(Default)]
struct State {
    places: BTreeMap<BlobPath, Place>,
    archives: Vec<Archive>,
}

/// An archive or a volume, and where its members end.
struct Archive {
    file: Arc<AtomicFile>,
    end: u64,
}

/// Where a blob goes: which archive, and the offset of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    archive: usize,
    offset: u64,
    size: u64,
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
    /// Starts a bundle at `out`.
    ///
    /// # Errors
    /// Every [`WriteError`]; a directory at `out` must be empty, an archive must not exist.
    pub fn create(out: &Path, packaging: Packaging) -> Result<Writer, WriteError> {
        let mut state = State::default();
        let made = match packaging {
            Packaging::Directory | Packaging::Volumes { .. } => Some(Leftovers::create(out)?),
            Packaging::Archive => {
                refuse_existing(out)?;
                files::create_directories(&files::parent(out))?;
                let file = Arc::new(AtomicFile::create(out)?);
                state.archives.push(Archive { file, end: 0 });
                None
            }
        };
        if packaging == Packaging::Directory {
            files::create_directories(&out.join(BLOB_DIRECTORY))?;
        }
        Ok(Writer { out: out.to_owned(), packaging, made, state: Mutex::new(state) })
    }

    /// Gives `blob` of `size` bytes its place, behind all that were announced before. In volumes
    /// it goes to the first that has room for it. A second announcement changes nothing.
    ///
    /// # Errors
    /// [`WriteError::VolumeTooSmall`], [`WriteError::File`].
    pub fn announce(&self, blob: BlobPath, size: u64) -> Result<(), WriteError> {
        let mut state = self.state();
        if state.places.contains_key(&blob) {
            return Ok(());
        }
        let limit = self.limit();
        let (room, needed) = (limit.saturating_sub(ustar::TRAILER), ustar::member_size(size));
        if needed > room {
            return Err(WriteError::VolumeTooSmall { blob, size, limit });
        }
        let found = state.archives.iter().position(|archive| archive.end <= room - needed);
        let archive = found.unwrap_or(state.archives.len());
        if archive == state.archives.len() && self.packaging != Packaging::Directory {
            let number = u32::try_from(archive + 1).expect("fewer volumes than files");
            let file = Arc::new(AtomicFile::create(&self.out.join(volume_name(number)))?);
            state.archives.push(Archive { file, end: 0 });
        }
        let offset = match state.archives.get_mut(archive) {
            Some(archive) => {
                archive.end += needed;
                archive.end - needed
            }
            None => 0,
        };
        state.places.insert(blob, Place { archive, offset, size });
        Ok(())
    }

    /// The most bytes of a blob that fits the packaging.
    pub fn largest_blob(&self) -> u64 {
        let room = self.limit().saturating_sub(ustar::TRAILER + ustar::BLOCK);
        room / ustar::BLOCK * ustar::BLOCK
    }

    fn limit(&self) -> u64 {
        match self.packaging {
            Packaging::Volumes { limit } => limit,
            _ => u64::MAX,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }

    /// Starts one of the blobs that were announced. Many may be open at once.
    ///
    /// # Errors
    /// [`FileError`].
    ///
    /// # Panics
    /// When the blob was not announced: the caller's mistake, not the input's.
    pub fn blob(&self, blob: BlobPath) -> Result<BlobWriter, FileError> {
        let state = self.state();
        let place = state.places[&blob];
        let archive = state.archives.get(place.archive).map(|archive| Arc::clone(&archive.file));
        drop(state);
        let sink = match archive {
            None => Sink::File(AtomicFile::create(&self.out.join(blob.to_string()))?),
            Some(file) => Sink::Member(Member::start(file, place.offset, blob.into(), place.size)?),
        };
        Ok(BlobWriter { sink, left: place.size })
    }

    /// Holds the content of a blob, announced or not, until [`Writer::keep`]: in `scratch`, or
    /// beside the bundle. Dropped, it is gone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn hold(&self, blob: BlobPath, scratch: Option<&Path>) -> Result<AtomicFile, FileError> {
        match (scratch, self.packaging) {
            (None, Packaging::Directory) => AtomicFile::create(&self.out.join(blob.to_string())),
            (None, Packaging::Volumes { .. }) => AtomicFile::create(&self.out.join("held")),
            (None, Packaging::Archive) => {
                AtomicFile::create(&files::parent(&self.out).join("held"))
            }
            (Some(scratch), _) => AtomicFile::create(&scratch.join("held")),
        }
    }

    /// Makes what [`Writer::hold`] holds an announced blob of the bundle.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn keep(&self, blob: BlobPath, mut held: AtomicFile) -> Result<(), FileError> {
        if held.path() == self.out.join(blob.to_string()) {
            return held.commit();
        }
        let mut out = self.blob(blob)?;
        let from = held.path().to_owned();
        let read = |error| FileError::io("read", &from, error);
        held.file().seek(SeekFrom::Start(0)).map_err(read)?;
        let mut buffer = vec![0; MARK_BLOCK];
        loop {
            let count = read_block(held.file(), &mut buffer).map_err(read)?;
            if count == 0 {
                return out.finish();
            }
            let written = out.write_all(&buffer[..count]);
            written.map_err(|error| FileError::io("write", out.file(), error))?;
        }
    }

    /// Writes the head files, then what the sums do not list (trust documents, signatures) and last
    /// the seal, and makes everything lasting.
    /// Without a seal it is no bundle but a plain OCI layout.
    ///
    /// # Errors
    /// [`FileError`]; there is no bundle then.
    pub fn finish(
        self,
        heads: &[(HeadFile, Vec<u8>)],
        outside: &[(BundlePath, Vec<u8>)],
        seal: Option<&[u8]>,
    ) -> Result<(), FileError> {
        let heads = heads.iter().map(|(file, bytes)| ((*file).into(), bytes.as_slice()));
        let heads = heads.chain(outside.iter().map(|(path, bytes)| (*path, bytes.as_slice())));
        let heads = heads.chain(seal.map(|seal| (HeadFile::Seal.into(), seal)));
        let state = self.state.into_inner().expect("no thread panics with the lock");
        let Some(made) = self.made else {
            for archive in state.archives {
                archive.finish(heads.clone())?;
            }
            return files::sync_directory(&files::parent(&self.out));
        };
        for archive in state.archives {
            archive.finish([])?;
        }
        if self.packaging == Packaging::Directory {
            files::sync_directory(&self.out.join(BLOB_DIRECTORY))?;
        }
        made.finish(heads)
    }
}

impl Archive {
    fn finish<'a>(
        mut self,
        heads: impl IntoIterator<Item = (BundlePath, &'a [u8])>,
    ) -> Result<(), FileError> {
        for (head, bytes) in heads {
            let size = bytes.len() as u64;
            let mut member = Member::start(Arc::clone(&self.file), self.end, head, size)?;
            let written = member.write_all(bytes);
            written.map_err(|error| FileError::io("write", self.file.path(), error))?;
            member.finish()?;
            self.end += ustar::member_size(size);
        }
        let trailer = [0; ustar::TRAILER as usize];
        let written = self.file.as_file().write_all_at(&trailer, self.end);
        written.map_err(|error| FileError::io("write", self.file.path(), error))?;
        Arc::into_inner(self.file).expect("every member is finished").commit()
    }
}

fn refuse_existing(path: &Path) -> Result<(), WriteError> {
    match path.symlink_metadata() {
        Ok(_) => Err(WriteError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

impl Leftovers {
    /// Makes `directory`, or takes it when it is there and empty, as the top of a fresh medium is.
    fn create(directory: &Path) -> Result<Leftovers, WriteError> {
        let found = match entries(directory) {
            Ok(entries) if entries.is_empty() => true,
            Ok(_) => return Err(WriteError::Exists(directory.to_owned())),
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
        heads: impl IntoIterator<Item = (BundlePath, &'a [u8])>,
    ) -> Result<(), FileError> {
        for (head, bytes) in heads {
            files::write_atomic(&self.directory.join(head.to_string()), bytes)?;
        }
        self.finished = true;
        Ok(())
    }
}

/// What is in a directory, but for what an operating system puts there by itself.
fn entries(directory: &Path) -> io::Result<Vec<std::fs::DirEntry>> {
    let own = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(is_system);
    let all = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|entry| !own(entry)).collect())
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The directory was empty when this bundle was begun: all of it is ours.
        for entry in entries(&self.directory).unwrap_or_default() {
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
pub struct BlobWriter {
    sink: Sink,
    left: u64,
}

enum Sink {
    File(AtomicFile),
    Member(Member),
}

impl BlobWriter {
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
            Sink::Member(member) => member.archive.path(),
        }
    }
}

impl Write for BlobWriter {
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
struct Member {
    archive: Arc<AtomicFile>,
    at: u64,
}

impl Member {
    fn start(
        archive: Arc<AtomicFile>,
        offset: u64,
        name: BundlePath,
        size: u64,
    ) -> Result<Member, FileError> {
        let written = archive.as_file().write_all_at(&ustar::header(&name, size), offset);
        written.map_err(|error| FileError::io("write", archive.path(), error))?;
        Ok(Member { archive, at: offset + ustar::BLOCK })
    }

    fn finish(self) -> Result<(), FileError> {
        let zeros = [0; ustar::BLOCK as usize];
        let padding = ustar::padding(self.at) as usize;
        let written = self.archive.as_file().write_all_at(&zeros[..padding], self.at);
        written.map_err(|error| FileError::io("write", self.archive.path(), error))
    }
}

impl Write for Member {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.archive.as_file().write_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
