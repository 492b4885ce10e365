//! Where the protected files and the files of parity lie.
//!
//! Withstands: media in any state. Names are taken only if a bundle has such a file; nothing is opened
//! here. A file may lie in several places: where one copy is damaged, another may not be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ParityError;
use crate::bundle::{BLOB_DIRECTORY, MAX_FILES, Part, is_parity_name, parity_name};
use crate::files::{self, FileError};

/// The most files of parity.
pub const MAX_PARITY_FILES: usize = 1024;

/// One copy of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The directory that was named, or that holds the file that was named.
    pub root: PathBuf,
    /// The file, below it.
    pub relative: PathBuf,
}

impl Copy {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.relative)
    }
}

/// What was found in the places of a bundle.
#[derive(Debug, Default)]
pub struct Found {
    /// The files that the bundle lies in, each with its copies.
    pub parts: BTreeMap<Part, Vec<Copy>>,
    /// Files that are called as parity is.
    pub parity: Vec<Copy>,
}

impl Found {
    /// Looks into `places`: directories, archives and single files.
    ///
    /// # Errors
    /// [`FileError`]; [`ParityError::TooLarge`].
    pub fn look(places: &[PathBuf]) -> Result<Found, ParityError> {
        let mut found = Found::default();
        for place in places {
            let kind = std::fs::metadata(place);
            match kind.map_err(|error| FileError::io("open", place, error))?.is_dir() {
                true => found.directory(place)?,
                false => found.file(place)?,
            }
        }
        found.parity.sort_by_key(Copy::path);
        found.parity.dedup();
        match found.parity.len() <= MAX_PARITY_FILES {
            true => Ok(found),
            false => Err(ParityError::TooLarge),
        }
    }

    fn directory(&mut self, root: &Path) -> Result<(), ParityError> {
        for name in names(root)? {
            match name.parse() {
                _ if is_parity_name(&name) => self.parity.push(copy(root, &name)),
                Ok(Part::Archive) | Err(_) => {}
                Ok(part) => self.add(part, copy(root, &name))?,
            }
        }
        let blobs = root.join(BLOB_DIRECTORY);
        if blobs.symlink_metadata().is_ok_and(|kind| kind.is_dir()) {
            for name in names(&blobs)? {
                let name = format!("{BLOB_DIRECTORY}/{name}");
                if let Ok(part) = name.parse() {
                    self.add(part, copy(root, &name))?;
                }
            }
        }
        Ok(())
    }

    /// A file that was named. An archive may have any name; its parity lies beside it.
    fn file(&mut self, place: &Path) -> Result<(), ParityError> {
        let root = files::parent(place);
        let name = place.file_name().and_then(|name| name.to_str());
        let Some(name) = name else { return Err(ParityError::Name(place.to_owned())) };
        if is_parity_name(name) {
            self.parity.push(copy(&root, name));
            return Ok(());
        }
        match name.parse().ok().filter(|part| *part != Part::Archive) {
            Some(part) => self.add(part, copy(&root, name)),
            None => {
                self.add(Part::Archive, copy(&root, name))?;
                let beside = (1..=MAX_PARITY_FILES).map(|at| format!("{name}.{}", parity_name(at)));
                let there = beside.filter(|name| root.join(name).symlink_metadata().is_ok());
                self.parity.extend(there.map(|name| copy(&root, &name)));
                Ok(())
            }
        }
    }

    fn add(&mut self, part: Part, copy: Copy) -> Result<(), ParityError> {
        if self.parts.len() >= MAX_FILES {
            return Err(ParityError::TooLarge);
        }
        let copies = self.parts.entry(part).or_default();
        if !copies.contains(&copy) {
            copies.push(copy);
        }
        Ok(())
    }
}

fn copy(root: &Path, name: &str) -> Copy {
    Copy { root: root.to_owned(), relative: PathBuf::from(name) }
}

/// The names in a directory, sorted. What is not text is no file of a bundle.
fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    let failed = |error| FileError::io("list", directory, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().to_str().map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Where parity of the bundle in `place` goes: beside it, or to another directory; with the number
/// of the file.
pub fn output(place: &Path, elsewhere: Option<&Path>, number: usize) -> PathBuf {
    let beside = if place.is_dir() { place.to_owned() } else { files::parent(place) };
    let name = match place.file_name().filter(|_| !place.is_dir()) {
        Some(archive) => format!("{}.{}", archive.to_string_lossy(), parity_name(number)),
        None => parity_name(number),
    };
    elsewhere.unwrap_or(&beside).join(name)
}
