//! Trust documents in a directory: those that a site accepted, and those that somebody prepares.
//!
//! Withstands: links, pipes and devices in the place of files, whatever else lies there (it is passed
//! over), a crash between two files, two processes that write at once. Normative text:
//! `formats/trust.md`.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::chain::{Chain, ChainError};
use super::document::MAX_DOCUMENT_SIZE;
use super::paper::{Paper, TrustFile};
use crate::files::{self, AtomicFile, FileError};

/// The trust documents that lie in `directory`, whoever made them.
///
/// # Errors
/// [`ChainError::File`], [`ChainError::Paper`].
pub fn read_papers(directory: &Path) -> Result<Vec<Paper>, ChainError> {
    let failed = |error| FileError::io("list", directory, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(file) = name.to_str().and_then(|name| name.parse::<TrustFile>().ok()) else {
            continue;
        };
        let kind = std::fs::symlink_metadata(entry.path());
        let kind = kind.map_err(|error| FileError::io("inspect", &entry.path(), error))?;
        if !kind.is_file() {
            return Err(FileError::NotRegular { path: entry.path() }.into());
        }
        found.push((file, kind.len()));
    }
    Paper::gather(found.into_iter(), |file| {
        Ok(files::read_capped(&directory.join(file.to_string()), MAX_DOCUMENT_SIZE)?)
    })
}

/// Writes files, with permissions of their own if any are given, and makes them last.
///
/// # Errors
/// [`FileError`].
pub(super) fn write_files(
    directory: &Path,
    files: impl IntoIterator<Item = (TrustFile, Vec<u8>)>,
    mode: Option<u32>,
) -> Result<(), FileError> {
    for (file, bytes) in files {
        let path = directory.join(file.to_string());
        let mut out = AtomicFile::create(&path)?;
        let written = out.file().write_all(&bytes).and_then(|()| match mode {
            Some(mode) => out.file().set_permissions(Permissions::from_mode(mode)),
            None => Ok(()),
        });
        written.map_err(|error| FileError::io("write", &path, error))?;
        out.commit()?;
    }
    files::sync_directory(directory)
}

/// The trust documents that a site accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    directory: PathBuf,
}

impl Accepted {
    /// Those below a state directory, which need not exist.
    pub fn beneath(state: &Path) -> Accepted {
        Accepted { directory: state.join("trust") }
    }

    /// The chain that was accepted; `None` before any was.
    ///
    /// # Errors
    /// Every [`ChainError`] about documents.
    pub fn load(&self) -> Result<Option<Chain>, ChainError> {
        match read_papers(&self.directory) {
            Ok(papers) if papers.is_empty() => Ok(None),
            Ok(papers) => Chain::load(papers).map(Some),
            Err(ChainError::File(error)) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps what `chain` has more than was accepted before.
    ///
    /// # Errors
    /// [`ChainError::Fork`] when something else was accepted meanwhile; [`ChainError::File`].
    pub fn save(&self, chain: &Chain) -> Result<(), ChainError> {
        let directory = &self.directory;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| FileError::io("create", directory, error))?;
        let _lock = lock(directory)?;
        let known = read_papers(directory)?;
        let mut new = Vec::new();
        for (paper, _) in chain.links() {
            match known.iter().find(|known| known.number == paper.number) {
                None => new.push(paper),
                Some(known) if known.bytes == paper.bytes => {}
                Some(known) => return Err(ChainError::fork(known, paper)),
            }
        }
        // The document last, so that it is never there without its signatures.
        let files = new.iter().flat_map(|paper| paper.files().into_iter().rev());
        Ok(write_files(directory, files, Some(0o600))?)
    }
}

/// One writer at a time, until what this gives is dropped.
fn lock(directory: &Path) -> Result<File, FileError> {
    let locked = File::open(directory).and_then(|file| {
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    locked.map_err(|error| FileError::io("lock", directory, error))
}
