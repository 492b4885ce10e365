//! What lies on a medium: the files of one bundle, found in directories, archives and volumes.
//!
//! Withstands: links, FIFOs and devices (refused unopened), files that are no part of a bundle,
//! archive members outside the strict subset, archives that end early or go on, a name twice in one
//! archive (readers that unpack take the second), a name in two sizes, any number of members
//! (capped). Nothing is extracted. Names and sizes found here are claims until the verifier has
//! compared them with what is signed. Normative text: `formats/packaging.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::part::{Part, ReadAt, is_parity_name};
use super::path::BundlePath;
use super::ustar;
use super::volumes::{LABEL, LISTING, MAX_LISTING, listed, volume_number};
use crate::files::{self, FileError};

/// How many files a bundle may have.
pub const MAX_FILES: usize = 4_000_000;

/// Directories that operating systems put on media by themselves. Never opened.
const SYSTEM: [&str; 6] = [
    "lost+found",
    "System Volume Information",
    "$RECYCLE.BIN",
    ".Trashes",
    ".Spotlight-V100",
    ".fseventsd",
];
/// What an export that was interrupted in its last instant leaves beside the finished bundle.
pub(super) const JOURNAL: &str = "export.journal";
/// Names that belong to packaging or protection and not to the content. Passed over unopened, unless
/// they are those of trust documents.
const COMPANIONS: [&str; 2] = ["trust-", "receipt-"];
/// The same; who copies a medium takes these along.
const PARITY: &str = "parity-";

/// The files of one bundle and where each lies.
#[derive(Debug, Default)]
pub struct Medium {
    pieces: BTreeMap<BundlePath, Piece>,
    /// One file a number.
    volumes: BTreeMap<u32, PathBuf>,
    /// Lists of volumes. They are read when somebody asks what they say, and not before.
    listings: Vec<PathBuf>,
    companions: Vec<PathBuf>,
    /// Volumes may be cut short or unreadable from some byte on.
    lenient: bool,
    /// What is wrong with the first that is.
    cut: Option<MediumError>,
}

/// Where a file of a bundle lies.
#[derive(Debug, Clone)]
pub struct Piece {
    place: Place,
    /// Bytes, as the file system or the archive's header says.
    pub size: u64,
}

#[derive(Debug, Clone)]
enum Place {
    /// A file of its own: a path below a directory.
    File { root: Arc<PathBuf>, path: PathBuf },
    /// Bytes of an archive, from `offset` on.
    Member { archive: Arc<Archive>, offset: u64 },
}

/// An archive, or a file that is read through something of its own, and its name for people.
pub(super) type Archive = (PathBuf, Box<dyn ReadAt>);
/// A file of a bundle within another: its name, where it begins there, and its size.
pub(super) type Member = (BundlePath, u64, u64);

/// Why what lies on a medium is not taken for a bundle.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// No bundle in the places given. The input's fault.
    #[error("there is no bundle in {0}")]
    Empty(String),
    /// A file that is no part of a bundle. The input's fault.
    #[error("{} is not part of a bundle", .0.display())]
    Extra(PathBuf),
    /// An archive holds what archives of bundles do not. The input's fault.
    #[error("{}, byte {offset}: {what}", file.display())]
    Framing {
        /// The archive.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// One name, two files of different size. The input's fault.
    #[error("{path} lies there twice, with {first} and with {second} bytes")]
    Twice {
        /// The name.
        path: BundlePath,
        /// Bytes of one.
        first: u64,
        /// Bytes of the other.
        second: u64,
    },
    /// More files than any bundle has. The input's fault.
    #[error("more than {MAX_FILES} files")]
    TooMany,
}

impl Medium {
    /// Finds the files of the bundle that lies in `places`: directories, archives and volumes that
    /// together hold one bundle, in any order.
    ///
    /// # Errors
    /// Every [`MediumError`].
    pub fn gather(places: &[PathBuf]) -> Result<Medium, MediumError> {
        Medium::find(places, false)
    }

    /// The same, with what can be found in volumes that are damaged: the members up to the first
    /// whose header is none.
    ///
    /// # Errors
    /// As [`Medium::gather`], but for what is wrong within a volume.
    pub fn gather_readable(places: &[PathBuf]) -> Result<Medium, MediumError> {
        Medium::find(places, true)
    }

    fn find(places: &[PathBuf], lenient: bool) -> Result<Medium, MediumError> {
        let mut medium = Medium { lenient, ..Medium::default() };
        for place in places {
            let kind =
                std::fs::metadata(place).map_err(|error| FileError::io("open", place, error))?;
            let name = place.file_name().and_then(|name| name.to_str()).unwrap_or("");
            match name.parse() {
                _ if kind.is_dir() => medium.directory(place)?,
                _ if is_parity_name(name) => {}
                Ok(path) => {
                    let root = Arc::new(files::parent(place));
                    medium.file(&root, path, PathBuf::from(name))?;
                }
                Err(_) => medium.archive(place)?,
            }
        }
        medium.complete(places)
    }

    /// The bundle whose files are read in another way than from a directory: each with its name for
    /// people, its size in bytes and its content.
    ///
    /// # Errors
    /// Every [`MediumError`].
    pub fn over(
        parts: impl IntoIterator<Item = (Part, PathBuf, u64, Box<dyn ReadAt>)>,
    ) -> Result<Medium, MediumError> {
        let mut medium = Medium::default();
        for (part, path, size, content) in parts {
            let archive = Arc::new((path, content));
            match part {
                Part::File(path) => {
                    medium.add(path, Piece { place: Place::Member { archive, offset: 0 }, size })?
                }
                Part::Archive => medium.members(&archive, size)?,
                Part::Volume(number) => {
                    medium.members(&archive, size)?;
                    medium.volumes.entry(number).or_insert_with(|| archive.0.clone());
                }
            }
        }
        medium.complete(&[])
    }

    /// What was found in these files.
    pub(super) fn of(files: Vec<(Archive, Vec<Member>)>) -> Result<Medium, MediumError> {
        let mut medium = Medium::default();
        for (archive, pieces) in files {
            let archive = Arc::new(archive);
            for (path, offset, size) in pieces {
                let place = Place::Member { archive: archive.clone(), offset };
                medium.add(path, Piece { place, size })?;
            }
        }
        Ok(medium)
    }

    fn complete(self, places: &[PathBuf]) -> Result<Medium, MediumError> {
        if self.pieces.is_empty() {
            let places: Vec<String> =
                places.iter().map(|place| place.display().to_string()).collect();
            return Err(MediumError::Empty(places.join(", ")));
        }
        Ok(self)
    }

    /// Where a file lies; `None` when it was not found.
    pub fn get(&self, path: &BundlePath) -> Option<&Piece> {
        self.pieces.get(path)
    }

    /// Every file that was found.
    pub fn paths(&self) -> impl Iterator<Item = &BundlePath> {
        self.pieces.keys()
    }

    /// The volumes that were found, by their numbers. Of two copies it is one.
    pub fn volumes(&self) -> &BTreeMap<u32, PathBuf> {
        &self.volumes
    }

    /// What is wrong with the first volume that [`Medium::gather_readable`] could not read to its end.
    pub fn cut(&self) -> Option<&MediumError> {
        self.cut.as_ref()
    }

    /// How many volumes there are, according to `volumes.txt`. Nobody signed it: good for messages.
    /// `None` when it says nothing, or something that cannot be.
    pub fn volume_count(&self) -> Option<u32> {
        listed(&self.listing()?)
    }

    /// `volumes.txt`, if it says something that can be, and all copies say the same.
    pub fn listing(&self) -> Option<Vec<u8>> {
        let (first, others) = self.listings.split_first()?;
        let read = |path: &PathBuf| files::read_capped(path, MAX_LISTING).ok();
        let text = read(first)?;
        let last = self.volumes.last_key_value().map_or(0, |(number, _)| *number);
        let can_be = listed(&text)? >= last;
        (can_be && others.iter().all(|other| read(other).as_ref() == Some(&text))).then_some(text)
    }

    /// The volumes that were not found: of as many as there are, or up to the last that was found.
    pub fn missing_volumes(&self) -> Vec<u32> {
        let last = self.volumes.last_key_value().map(|(number, _)| *number);
        let count = self.volume_count().or(last).unwrap_or(0);
        (1..=count).filter(|number| !self.volumes.contains_key(number)).collect()
    }

    /// Files that protect the bundle and are none of it: `parity-…` at the top of a directory.
    /// Nobody opened them.
    pub fn companions(&self) -> &[PathBuf] {
        &self.companions
    }

    fn add(&mut self, path: BundlePath, piece: Piece) -> Result<(), MediumError> {
        if self.pieces.len() >= MAX_FILES {
            return Err(MediumError::TooMany);
        }
        let second = piece.size;
        // The same volume given twice is no harm: the first copy is read.
        match self.pieces.entry(path).or_insert(piece).size {
            first if first == second => Ok(()),
            first => Err(MediumError::Twice { path, first, second }),
        }
    }

    fn directory(&mut self, root: &Path) -> Result<(), MediumError> {
        let shared = Arc::new(root.to_owned());
        for entry in std::fs::read_dir(root).map_err(|error| FileError::io("list", root, error))? {
            let entry = entry.map_err(|error| FileError::io("list", root, error))?;
            let name = entry.file_name();
            let extra = || MediumError::Extra(entry.path());
            let name = name.to_str().ok_or_else(extra)?;
            if is_system(name) || name == JOURNAL || name == LABEL {
                continue;
            }
            if name == "blobs" {
                self.blobs(&shared)?;
            } else if name == LISTING {
                self.listings.push(entry.path());
            } else if volume_number(name).is_some() {
                self.archive(&entry.path())?;
            } else if let Ok(path) = name.parse() {
                self.file(&shared, path, PathBuf::from(name))?;
            } else if name.starts_with(PARITY) {
                self.companions.push(entry.path());
            } else if !COMPANIONS.iter().any(|prefix| name.starts_with(prefix)) {
                return Err(extra());
            }
        }
        Ok(())
    }

    /// `blobs/sha256/<hex>`, and nothing else below `blobs`.
    fn blobs(&mut self, root: &Arc<PathBuf>) -> Result<(), MediumError> {
        let top = root.join("blobs");
        for entry in walkdir::WalkDir::new(&top).follow_links(false).max_depth(3).into_iter() {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&top).to_owned();
                FileError::io("list", &path, error.into())
            })?;
            let relative = entry.path().strip_prefix(root.as_path()).unwrap_or(entry.path());
            match (entry.depth(), entry.file_type().is_dir()) {
                (0, true) => {}
                (1, true) if entry.file_name() == "sha256" => {}
                (2, false) => {
                    let name = relative
                        .to_str()
                        .ok_or_else(|| MediumError::Extra(entry.path().to_owned()))?;
                    let path =
                        name.parse().map_err(|_| MediumError::Extra(entry.path().to_owned()))?;
                    self.file(root, path, relative.to_owned())?;
                }
                _ => return Err(MediumError::Extra(entry.path().to_owned())),
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        root: &Arc<PathBuf>,
        path: BundlePath,
        relative: PathBuf,
    ) -> Result<(), MediumError> {
        let full = root.join(&relative);
        let kind = std::fs::symlink_metadata(&full)
            .map_err(|error| FileError::io("inspect", &full, error))?;
        if !kind.is_file() {
            return Err(FileError::NotRegular { path: full }.into());
        }
        let place = Place::File { root: root.clone(), path: relative };
        self.add(path, Piece { place, size: kind.len() })
    }

    /// Reads the headers of an archive or a volume, from one to the next by seeking.
    fn archive(&mut self, path: &Path) -> Result<(), MediumError> {
        let mut file = files::open(path)?;
        let failed = |error| FileError::io("read", path, error);
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let number = volume_number(name);
        if let Some(number) = number {
            self.volumes.entry(number).or_insert_with(|| path.to_owned());
        }
        match self.members(&Arc::new((path.to_owned(), Box::new(file))), length) {
            Err(
                error @ (MediumError::Framing { .. } | MediumError::File(FileError::Io { .. })),
            ) if self.lenient && number.is_some() => {
                self.cut.get_or_insert(error);
                Ok(())
            }
            other => other,
        }
    }

    fn members(&mut self, archive: &Arc<Archive>, length: u64) -> Result<(), MediumError> {
        let path = &archive.0;
        let failed = |error| FileError::io("read", path, error);
        let mut names = BTreeSet::new();
        let mut offset = 0;
        loop {
            let framing = |what| MediumError::Framing { file: path.to_owned(), offset, what };
            let mut block = [0; ustar::BLOCK as usize];
            if length.saturating_sub(offset) < ustar::TRAILER {
                return Err(framing("the archive ends early"));
            }
            archive.1.read_exact_at(&mut block, offset).map_err(failed)?;
            if block == [0; ustar::BLOCK as usize] {
                return check_end(archive, offset, length);
            }
            let (name, size) = ustar::parse(&block)
                .ok_or_else(|| framing("not a member that an archive of a bundle may have"))?;
            if !names.insert(name) {
                return Err(framing("a second member of this name"));
            }
            let content = offset + ustar::BLOCK;
            // Compared before it is added: a size near the largest number must not wrap.
            if size > length || offset + ustar::member_size(size) > length {
                return Err(framing("the archive ends within this member"));
            }
            check_padding(archive, content + size, ustar::padding(size))?;
            let place = Place::Member { archive: archive.clone(), offset: content };
            self.add(name, Piece { place, size })?;
            offset += ustar::member_size(size);
        }
    }
}

/// After the last member: two blocks of zeros and the end of the file.
fn check_end(archive: &Archive, offset: u64, length: u64) -> Result<(), MediumError> {
    if length - offset != ustar::TRAILER {
        let what = "the archive goes on after its end";
        return Err(MediumError::Framing { file: archive.0.clone(), offset, what });
    }
    check_padding(archive, offset, ustar::TRAILER)
}

fn check_padding(archive: &Archive, offset: u64, size: u64) -> Result<(), MediumError> {
    let mut bytes = [0; ustar::TRAILER as usize];
    let bytes = &mut bytes[..size.min(ustar::TRAILER) as usize];
    archive
        .1
        .read_exact_at(bytes, offset)
        .map_err(|error| FileError::io("read", &archive.0, error))?;
    match bytes.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(at) => {
            let what = "padding that is not zero";
            Err(MediumError::Framing { file: archive.0.clone(), offset: offset + at as u64, what })
        }
    }
}

impl Piece {
    /// Opens the file for reading from its start. No byte past `size` is read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(&self) -> Result<PieceReader, FileError> {
        let (file, offset) = match &self.place {
            Place::File { root, path } => {
                let full = root.join(path);
                let file: Box<dyn ReadAt> = Box::new(files::open_beneath(root, path)?);
                (Arc::new((full, file)), 0)
            }
            Place::Member { archive, offset } => (archive.clone(), *offset),
        };
        Ok(PieceReader { file, offset, left: self.size })
    }

    /// The whole file, if it is at most `cap` bytes; `None` when it is larger.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, cap: u64) -> Result<Option<Vec<u8>>, FileError> {
        if self.size > cap {
            return Ok(None);
        }
        let mut reader = self.open()?;
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| FileError::io("read", &self.file(), error))?;
        Ok(Some(bytes))
    }

    /// The file of the medium that holds it.
    pub fn file(&self) -> PathBuf {
        match &self.place {
            Place::File { root, path } => root.join(path),
            Place::Member { archive, .. } => archive.0.clone(),
        }
    }

    /// At which byte of that file it begins.
    pub fn offset(&self) -> u64 {
        match &self.place {
            Place::File { .. } => 0,
            Place::Member { offset, .. } => *offset,
        }
    }
}

/// Reads one file of a bundle.
pub struct PieceReader {
    file: Arc<Archive>,
    offset: u64,
    left: u64,
}

impl PieceReader {
    /// Passes over `count` bytes, or to the end.
    pub fn skip(&mut self, count: u64) {
        let count = count.min(self.left);
        self.offset += count;
        self.left -= count;
    }
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.1.read_at(&mut buffer[..room], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// True for what an operating system puts on a medium by itself.
pub(super) fn is_system(name: &str) -> bool {
    SYSTEM.contains(&name) || name.starts_with(".Trash-")
}

#[cfg(test)]
mod tests;
