//! The protected files as they were: what is good from the medium, what is not from where it was made
//! anew. The medium is only read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ParityError;
use super::index::Index;
use super::input::Input;
use super::place::Copy;
use crate::bundle::{HeadFile, LISTING, Medium, MediumError, Part, ReadAt, Remains, listing};
use crate::files::{self, AtomicFile, FileError};
use crate::report::Progress;

/// A block that could be had nowhere.
pub(super) const LOST: u8 = u8::MAX;

/// Some neighbouring bytes of a protected file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The file.
    pub part: Part,
    /// Where it lies, or should.
    pub file: PathBuf,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// A bundle as it was, as far as it could be repaired.
#[derive(Debug)]
pub struct Mended {
    /// What was protected, and how.
    pub index: Index,
    /// Bytes that were damaged or missing and are there again.
    pub corrected: Vec<Stretch>,
    /// Bytes that are lost.
    pub lost: Vec<Stretch>,
    /// The files of parity that were read.
    pub parity: Vec<PathBuf>,
    /// How many blocks of parity were found damaged or missing where they were needed.
    pub parity_damaged: u64,
    /// How many pages of the index are gone in every copy.
    pub pages_lost: u64,
    pub(super) content: Arc<Content>,
    /// Files that lie there and are not protected, such as signatures that came later.
    pub(super) others: Vec<(Part, Copy)>,
}

/// Where each block is.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) input: Input,
    /// Of each block, which copy is good; or [`LOST`].
    pub(super) state: Vec<u8>,
    /// Blocks that were made anew, and their places in `scratch`.
    pub(super) patches: BTreeMap<u64, u64>,
    pub(super) scratch: File,
}

/// One protected file.
#[derive(Debug)]
struct View {
    content: Arc<Content>,
    part: usize,
}

/// A file of the bundle, to be read.
struct Opened {
    part: Part,
    /// Its name for people.
    path: PathBuf,
    size: u64,
    content: Box<dyn ReadAt>,
    is_corrected: bool,
}

impl ReadAt for View {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.content.read_at(self.part, buffer, offset)
    }
}

impl Content {
    fn read_at(&self, part: usize, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let block = self.input.block;
        let located = &self.input.parts[part];
        let count = located.content(offset, buffer.len());
        if count == 0 {
            return Ok(0);
        }
        let first = located.first + offset / block;
        let same = |number: &u64| self.state[*number as usize] == self.state[first as usize];
        let blocks = (first..located.first + located.size.div_ceil(block)).take_while(same);
        let patched = self.patches.get(&first);
        let run =
            if patched.is_some() { 1 } else { blocks.take(count / block as usize + 1).count() };
        let end = (offset / block + run as u64) * block;
        let count = count.min(usize::try_from(end - offset).unwrap_or(usize::MAX));
        let here = &mut buffer[..count];
        match (patched, located.copies.get(usize::from(self.state[first as usize]))) {
            (Some(slot), _) => FileExt::read_exact_at(&self.scratch, here, slot + offset % block)?,
            (None, Some(copy)) => {
                let file = files::open_beneath(&copy.root, &copy.relative);
                FileExt::read_exact_at(&file.map_err(io::Error::other)?, here, offset)?;
            }
            (None, None) => {
                return Err(io::Error::other("it is lost: damaged beyond what parity mends"));
            }
        }
        Ok(count)
    }
}

impl Mended {
    /// The bundle, to be verified and read.
    ///
    /// # Errors
    /// Every [`MediumError`].
    pub fn medium(&self) -> Result<Medium, MediumError> {
        let files = self.files()?.into_iter();
        Medium::over(files.map(|file| (file.part, file.path, file.size, file.content)))
    }

    /// The files that are whole, and those members of archives that are: for a report.
    ///
    /// # Errors
    /// Every [`MediumError`].
    pub fn remaining(&self) -> Result<Medium, MediumError> {
        let remains = |Opened { part, path, size, content, .. }| {
            let lost = self.lost.iter().filter(|stretch| stretch.part == part);
            let lost = lost.map(|it| it.offset..it.offset + it.length).collect();
            Remains { part, path, size, content, lost }
        };
        Medium::remaining(self.files()?.into_iter().map(remains))
    }

    fn files(&self) -> Result<Vec<Opened>, FileError> {
        let mut all = Vec::new();
        for (at, located) in self.content.input.parts.iter().enumerate() {
            let (part, size) = (located.part, located.size);
            let content = Box::new(View { content: self.content.clone(), part: at });
            let is_corrected = self.corrected.iter().any(|stretch| stretch.part == part);
            let path = path(part, &located.copies);
            all.push(Opened { part, path, size, content, is_corrected });
        }
        for (part, copy) in &self.others {
            let file = files::open_beneath(&copy.root, &copy.relative)?;
            let inspect = |error| FileError::io("inspect", &copy.path(), error);
            let size = file.metadata().map_err(inspect)?.len();
            let (content, path) = (Box::new(file), copy.path());
            all.push(Opened { part: *part, path, size, content, is_corrected: false });
        }
        Ok(all)
    }

    /// Writes the files to `out`, the corrected ones only if `only_corrected`: to a directory, or as one
    /// archive if the bundle is one. The seal comes last.
    ///
    /// # Errors
    /// [`ParityError::Exists`], [`ParityError::File`].
    pub fn write(
        &self,
        out: &Path,
        only_corrected: bool,
        progress: &dyn Progress,
    ) -> Result<(), ParityError> {
        let is_archive = self.index.parts.iter().any(|(part, _)| *part == Part::Archive);
        let taken = match is_archive {
            true => out.symlink_metadata().is_ok(),
            false => {
                out.read_dir().is_ok_and(|mut inside| inside.next().is_some()) || out.is_file()
            }
        };
        if taken {
            return Err(ParityError::Exists(out.to_owned()));
        }
        let mut files = self.files()?;
        files.retain(|file| file.is_corrected || !only_corrected);
        files.sort_by_key(|file| file.part == Part::File(HeadFile::Seal.into()));
        progress.begin("writing", files.iter().map(|file| file.size).sum());
        let volumes = files.iter().filter(|file| matches!(file.part, Part::Volume(_)));
        let sizes: Vec<u64> = volumes.map(|file| file.size).collect();
        if !sizes.is_empty() && !only_corrected {
            files::create_directories(out)?;
            files::write_atomic(&out.join(LISTING), &listing(sizes))?;
        }
        for file in files {
            let to = match file.part {
                Part::Archive => out.to_owned(),
                part => out.join(part.to_string()),
            };
            copy(&file, &to, progress)?;
        }
        progress.end();
        Ok(())
    }
}

/// Where a file lies, or its name alone.
pub(super) fn path(part: Part, copies: &[Copy]) -> PathBuf {
    copies.first().map_or_else(|| PathBuf::from(part.to_string()), Copy::path)
}

fn copy(from: &Opened, to: &Path, progress: &dyn Progress) -> Result<(), FileError> {
    files::create_directories(&files::parent(to))?;
    let file = AtomicFile::create(to)?;
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < from.size {
        let left = usize::try_from(from.size - offset).unwrap_or(usize::MAX);
        let run = &mut buffer[..left.min(1 << 20)];
        let read = from.content.read_exact_at(run, offset);
        read.map_err(|error| FileError::io("read", &from.path, error))?;
        let written = file.as_file().write_all_at(run, offset);
        written.map_err(|error| FileError::io("write", to, error))?;
        offset += run.len() as u64;
        progress.advance(run.len() as u64);
    }
    file.commit()?;
    files::sync_directory(&files::parent(to))
}
