//! Writing a bundle in one of its packagings.
//!
//! Each blob is announced with its size before its first byte is written, and has its place from
//! then on: many threads write at once, and the bytes depend on the order of the announcements
//! alone. The seal comes last; until it (or the archive that holds it) has its name, there is no
//! bundle. Normative text: `formats/packaging.md`.

mod archive;
mod blob;
mod change;
mod leftovers;
mod spread;

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub use blob::{BlobWriter, Held};
pub use change::{Changer, NotChanged};
pub use leftovers::is_fresh;
pub use spread::{Room, Spread, Spreading};

use self::archive::Archive;
use self::blob::{Member, Sink};
use self::leftovers::{Leftovers, refuse_existing};
use self::spread::{Choice, Shelf};
use super::path::{BLOB_DIRECTORY, BlobPath, BundlePath, HeadFile};
use super::ustar;
use super::volumes::{LABEL, LISTING, listing, volume_name};
use crate::files::{self, AtomicFile, FileError, PartFile};
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
    /// No medium has room for a blob. The input's fault.
    #[error("no medium has room for blob {blob} of {size} bytes; the most that one has is {left}")]
    NoRoom {
        /// The blob.
        blob: BlobPath,
        /// Its size in bytes.
        size: u64,
        /// Bytes that are left for volumes on the medium that has most.
        left: u64,
    },
    /// What lies there is another medium of the set, or of another. The input's fault.
    #[error("{} is not the medium that it was when the export was begun", .0.display())]
    OtherMedium(PathBuf),
    /// The next medium did not come. The environment's fault.
    #[error("no medium came after medium {0}")]
    NotChanged(usize),
}

/// A bundle that is being written. Dropped before [`Writer::finish`], it leaves no bundle, and
/// nothing at all unless it is to be taken up later ([`Writer::keep_unfinished`]).
pub struct Writer {
    /// The place, or the first of several.
    out: PathBuf,
    packaging: Packaging,
    /// Who changes the media, if they are written one after the other.
    changer: Option<Box<dyn Changer>>,
    /// A directory a place; none of an archive.
    made: Mutex<Vec<Leftovers>>,
    state: Mutex<State>,
}

/// What has been announced.
struct State {
    places: BTreeMap<BlobPath, Place>,
    archives: Vec<Archive>,
    spread: Spread,
    /// The medium that is in the drive; the first when all are there at once.
    medium: usize,
    /// An interrupted work is taken up.
    resumed: bool,
    /// What is unfinished stays for later.
    kept: bool,
}

/// Where a blob goes: which archive, and the offset of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    archive: usize,
    offset: u64,
    size: u64,
}

impl Writer {
    /// Starts a bundle at `out`.
    ///
    /// # Errors
    /// Every [`WriteError`]; a directory at `out` must be empty, an archive must not exist.
    pub fn create(out: &Path, packaging: Packaging) -> Result<Writer, WriteError> {
        if packaging != Packaging::Archive {
            return Writer::create_on(Spread::single(out.to_owned()), packaging);
        }
        refuse_existing(out)?;
        files::create_directories(&files::parent(out))?;
        Writer::begin(State::of(Spread::single(out.to_owned())), packaging, Vec::new(), None)
    }

    /// Starts a bundle whose volumes are spread over several media.
    ///
    /// # Errors
    /// Every [`WriteError`]; the directories must be empty.
    pub fn create_on(spread: Spread, packaging: Packaging) -> Result<Writer, WriteError> {
        let made = spread.rooms.iter().map(|room| Leftovers::create(&room.root));
        let made: Vec<Leftovers> = made.collect::<Result<_, _>>()?;
        for (at, room) in spread.rooms.iter().enumerate().filter(|_| spread.rooms.len() > 1) {
            files::write_atomic(&room.root.join(LABEL), spread.unfinished(at).as_bytes())?;
        }
        Writer::begin(State::of(spread), packaging, made, None)
    }

    /// Starts a bundle whose media are written one after the other.
    ///
    /// # Errors
    /// As [`Writer::create_on`].
    pub fn create_in_turn(
        spread: Spread,
        packaging: Packaging,
        changer: Box<dyn Changer>,
    ) -> Result<Writer, WriteError> {
        let root = &spread.rooms[0].root;
        let made = vec![Leftovers::create(root)?];
        files::write_atomic(&root.join(LABEL), spread.unfinished(0).as_bytes())?;
        Writer::begin(State::of(spread), packaging, made, Some(changer))
    }

    /// Takes up a bundle at `out` whose writing was interrupted. What is there is used only where
    /// [`Writer::holds`] says so.
    ///
    /// # Errors
    /// [`WriteError::File`].
    pub fn resume(out: &Path, packaging: Packaging) -> Result<Writer, WriteError> {
        Writer::resume_on(Spread::single(out.to_owned()), packaging)
    }

    /// The same of one that is spread over several media.
    ///
    /// # Errors
    /// [`WriteError::File`], [`WriteError::OtherMedium`].
    pub fn resume_on(spread: Spread, packaging: Packaging) -> Result<Writer, WriteError> {
        for (at, room) in spread.rooms.iter().enumerate().filter(|_| spread.rooms.len() > 1) {
            leftovers::check_label(&room.root, &spread.begins(at))?;
        }
        let made = match packaging {
            Packaging::Directory | Packaging::Volumes { .. } => {
                spread.rooms.iter().map(|room| Leftovers::resume(&room.root)).collect()
            }
            Packaging::Archive => Vec::new(),
        };
        // The first media may be sealed already; the bundle is not whole before all are.
        made.iter().try_for_each(Leftovers::unseal)?;
        let state = State { resumed: true, kept: true, ..State::of(spread) };
        Writer::begin(state, packaging, made, None)
    }

    /// Removes what an interrupted work left at `out`. A finished bundle stays.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn discard(out: &Path, packaging: Packaging) -> Result<(), FileError> {
        match packaging {
            Packaging::Archive => PartFile::give_up(out),
            _ => leftovers::discard(out),
        }
    }

    fn begin(
        mut state: State,
        packaging: Packaging,
        made: Vec<Leftovers>,
        changer: Option<Box<dyn Changer>>,
    ) -> Result<Writer, WriteError> {
        let out = state.spread.rooms[0].root.clone();
        match packaging {
            Packaging::Directory => files::create_directories(&out.join(BLOB_DIRECTORY))?,
            Packaging::Archive => {
                state.open(&out, Shelf { end: 0, limit: u64::MAX, medium: 0 })?;
            }
            Packaging::Volumes { .. } => {}
        }
        let (made, state) = (Mutex::new(made), Mutex::new(state));
        Ok(Writer { out, packaging, changer, made, state })
    }

    /// From now on an interruption leaves what was written, to be taken up later. What is on media
    /// that are changed cannot be.
    pub fn keep_unfinished(&self) {
        if self.is_in_turn() {
            return;
        }
        self.state().kept = true;
        self.made().iter_mut().for_each(Leftovers::keep);
    }

    /// Removes the files that an interrupted work had open. Nobody else works here.
    pub fn sweep(&self) {
        self.made().iter().for_each(Leftovers::sweep);
    }

    fn made(&self) -> MutexGuard<'_, Vec<Leftovers>> {
        self.made.lock().expect("no thread panics with the lock")
    }

    /// True when an announced blob lies at its place, every byte of it.
    ///
    /// # Errors
    /// [`FileError`].
    ///
    /// # Panics
    /// When the blob was not announced: the caller's mistake, not the input's.
    pub fn holds(&self, blob: BlobPath) -> Result<bool, FileError> {
        let (place, archive) = self.place(blob);
        let Some(archive) = archive else {
            let path = PathBuf::from(blob.to_string());
            let file = match files::open_beneath(&self.out, &path) {
                Err(error) if error.is_not_found() => return Ok(false),
                other => other?,
            };
            let read = |error| FileError::io("read", &self.out.join(&path), error);
            let size = file.metadata().map_err(read)?.len();
            return Ok(size == place.size && blob::is_content(file, blob.digest()).map_err(read)?);
        };
        blob::is_member(&archive, blob, place)
    }

    fn place(&self, blob: BlobPath) -> (Place, Option<Arc<PartFile>>) {
        let state = self.state();
        let place = state.places[&blob];
        (place, state.archives.get(place.archive).and_then(|archive| archive.file.clone()))
    }

    /// Gives `blob` of `size` bytes its place, behind all that were announced before. In volumes
    /// it goes to the first that has room for it, and a new one to the first medium that has. A second
    /// announcement changes nothing.
    ///
    /// # Errors
    /// [`WriteError::VolumeTooSmall`], [`WriteError::NoRoom`], [`WriteError::File`].
    pub fn announce(&self, blob: BlobPath, size: u64) -> Result<(), WriteError> {
        let mut state = self.state();
        if state.places.contains_key(&blob) {
            return Ok(());
        }
        let limit = self.limit();
        let needed = ustar::member_size(size).saturating_add(ustar::TRAILER);
        if needed > limit {
            return Err(WriteError::VolumeTooSmall { blob, size, limit });
        }
        let archive = loop {
            let shelves = state.archives.iter().map(|archive| &archive.shelf);
            match state.spread.choose(shelves, state.medium, limit, needed) {
                _ if self.packaging == Packaging::Directory => break 0,
                Choice::Volume(at) => break at,
                Choice::Nowhere(left) => return Err(WriteError::NoRoom { blob, size, left }),
                Choice::New(shelf) if self.is_in_turn() && shelf.medium > state.medium => {
                    self.change(&mut state)?;
                }
                Choice::New(shelf) => break state.add(shelf)?,
            }
        };
        let offset = match state.archives.get_mut(archive) {
            Some(Archive { shelf, .. }) => {
                shelf.end += needed - ustar::TRAILER;
                shelf.end + ustar::TRAILER - needed
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
        let (place, archive) = self.place(blob);
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
    pub fn hold(&self, blob: BlobPath, scratch: Option<&Path>) -> Result<Held, FileError> {
        let directory = match (scratch, self.packaging) {
            (None, Packaging::Directory) => {
                let beside = AtomicFile::create(&self.out.join(blob.to_string()))?;
                return Ok(Held::Beside(beside));
            }
            (None, Packaging::Volumes { .. }) => self.out.clone(),
            (None, Packaging::Archive) => files::parent(&self.out),
            (Some(scratch), _) => scratch.to_owned(),
        };
        let file = tempfile::tempfile_in(&directory);
        let file = file.map_err(|error| FileError::io("create a file in", &directory, error))?;
        Ok(Held::Nameless(file, directory))
    }

    /// Makes what [`Writer::hold`] holds an announced blob of the bundle.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn keep(&self, blob: BlobPath, held: Held) -> Result<(), FileError> {
        let (mut held, from) = match held {
            Held::Beside(file) => return file.commit(),
            Held::Nameless(file, from) => (file, from),
        };
        let mut out = self.blob(blob)?;
        let read = |error| FileError::io("read", &from, error);
        held.seek(SeekFrom::Start(0)).map_err(read)?;
        let mut buffer = vec![0; MARK_BLOCK];
        loop {
            let count = read_block(&mut held, &mut buffer).map_err(read)?;
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
        let seal = seal.map(|seal| (HeadFile::Seal.into(), seal));
        let made = std::mem::take(&mut *self.made());
        let mut state = self.state();
        if made.is_empty() {
            for archive in &mut state.archives {
                archive.finish(heads.clone().chain(seal))?;
            }
            return files::sync_directory(&files::parent(&self.out));
        }
        for archive in &mut state.archives {
            archive.finish([])?;
        }
        if self.packaging == Packaging::Directory {
            files::sync_directory(&self.out.join(BLOB_DIRECTORY))?;
        }
        // Of media that are changed, the last one is there.
        for (at, directory) in (state.medium..).zip(&made) {
            directory.write(&self.texts(&state, at))?;
            directory.write_heads(heads.clone())?;
        }
        // No medium is sealed before all have everything else.
        made.iter().try_for_each(|directory| directory.write_heads(seal))?;
        made.into_iter().for_each(Leftovers::stay);
        Ok(())
    }

    /// What lies beside the head files of medium `at`, for people and for messages.
    fn texts(&self, state: &State, at: usize) -> Vec<(&'static str, Vec<u8>)> {
        let mut texts = Vec::new();
        if matches!(self.packaging, Packaging::Volumes { .. }) {
            let sizes = state.archives.iter().map(|it| it.shelf.end + ustar::TRAILER);
            texts.push((LISTING, listing(sizes)));
        }
        if state.spread.rooms.len() > 1 {
            let count = Some(state.archives.len());
            let label = state.spread.label(at, &state.volumes(at), count);
            texts.push((LABEL, label.into_bytes()));
        }
        texts
    }
}

impl State {
    /// Nothing yet.
    fn of(spread: Spread) -> State {
        let (places, archives) = (BTreeMap::new(), Vec::new());
        State { places, archives, spread, medium: 0, resumed: false, kept: false }
    }

    /// The numbers of the volumes on medium `at`.
    fn volumes(&self, at: usize) -> Vec<u32> {
        let volumes = (1..).zip(&self.archives);
        volumes.filter(|it| it.1.shelf.medium == at).map(|it| it.0).collect()
    }

    /// One more volume; its place among all.
    fn add(&mut self, shelf: Shelf) -> Result<usize, FileError> {
        let at = self.archives.len();
        let number = u32::try_from(at + 1).expect("fewer volumes than files");
        let path = self.spread.rooms[shelf.medium].root.join(volume_name(number));
        self.open(&path, shelf)?;
        Ok(at)
    }

    /// One more archive, or volume.
    fn open(&mut self, path: &Path, shelf: Shelf) -> Result<(), FileError> {
        let file = match self.resumed {
            true => PartFile::resume(path)?,
            false => PartFile::create(path)?,
        };
        self.archives.push(Archive { file: Some(Arc::new(file)), shelf });
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let state = self.state();
        if !state.kept {
            let open = state.archives.iter().filter_map(|archive| archive.file.as_ref());
            open.for_each(|file| file.discard());
        }
    }
}

#[cfg(test)]
mod tests;
