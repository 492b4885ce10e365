//! The journal of an import into a registry: where the upload sessions are, so that an import that
//! was interrupted goes on in them.
//!
//! It lies in the site's state directory, for its owner only, because the address of a session can
//! give the right to write to it. Believed in nothing that matters: a session is asked what it holds,
//! and the registry holds the whole against its digest. Withstands: a last line that was not written
//! to its end, lines that were changed, a journal of another import (it is begun anew), links in its
//! place. Normative text: `formats/import-journal.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::memory::Place;
use crate::oci::line::{checked, line};
use crate::oci::{Digest, Repository};
use crate::target::Sessions;

const FORMAT: &str = "import journal v1";
const DIRECTORY: &str = "imports";
/// The largest journal, in bytes: some hundred thousand pieces.
const MAX_SIZE: u64 = 256 * 1024 * 1024;
/// The longest line: an address of 16 KiB, and the rest.
const MAX_LINE: usize = 20 * 1024;

/// The journal of one bundle's import into one target.
pub struct Journal {
    path: PathBuf,
    head: Head,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Open once there is something to note.
    file: Option<File>,
    sessions: BTreeMap<(String, Digest), String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    gapferry: String,
    seal: Digest,
    target: String,
}

/// Where the session of a blob is; without an address there is none any more.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    repository: String,
    blob: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl Journal {
    /// The journal of importing the bundle with this seal to `target`, in the site's state directory
    /// `state`. Whoever opens it holds that directory's lock.
    ///
    /// # Errors
    /// [`FileError`] when there is one that cannot be read.
    pub fn open(state: &Path, seal: Digest, target: &Place) -> Result<Journal, FileError> {
        let name = Digest::of(format!("{seal} {target}").as_bytes()).hex();
        let directory = state.join(DIRECTORY);
        files::sweep(&directory)?;
        let path = directory.join(format!("{}.journal", &name[..32]));
        let (gapferry, target) = (FORMAT.to_owned(), target.to_string());
        let head = Head { gapferry, seal, target };
        let bytes = match files::read_capped(&path, MAX_SIZE) {
            Err(error) if error.is_not_found() => Vec::new(),
            other => other?,
        };
        let sessions = parse(&bytes, &head);
        let state = Mutex::new(State { file: None, sessions });
        Ok(Journal { path, head, state })
    }

    /// The file, which need not be there.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The import is done: nothing is left to go on with.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be removed.
    pub fn remove(&self) -> Result<(), FileError> {
        *self.state() = State::default();
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::io("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; the first time the whole is written, without what no longer counts. A line is not
    /// synced: what is lost in a power cut is sent again.
    fn add(&self, state: &mut State, session: &Session) -> Result<(), FileError> {
        let failed = |error| FileError::io("write", &self.path, error);
        match &mut state.file {
            Some(file) => file.write_all(&line(session)).map_err(failed),
            None => {
                files::create_private_directory(&files::parent(&self.path))?;
                files::write_private(&self.path, &self.to_bytes(&state.sessions))?;
                let file = File::options().append(true).open(&self.path);
                state.file = Some(file.map_err(failed)?);
                Ok(())
            }
        }
    }

    fn to_bytes(&self, sessions: &BTreeMap<(String, Digest), String>) -> Vec<u8> {
        let mut bytes = line(&self.head);
        for ((repository, blob), address) in sessions {
            let (repository, address) = (repository.clone(), Some(address.clone()));
            bytes.extend(line(&Session { repository, blob: *blob, address }));
        }
        bytes
    }
}

/// The sessions of a journal that begins with `head`; none of another.
fn parse(bytes: &[u8], head: &Head) -> BTreeMap<(String, Digest), String> {
    let mut sessions = BTreeMap::new();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    if lines.next().and_then(|first| checked::<Head>(first, MAX_LINE)).as_ref() != Some(head) {
        return sessions;
    }
    // What was not written to its end is the last line, and nothing behind it counts.
    for session in lines.map_while(|line| checked::<Session>(line, MAX_LINE)) {
        let key = (session.repository, session.blob);
        match session.address {
            Some(address) => sessions.insert(key, address),
            None => sessions.remove(&key),
        };
    }
    sessions
}

impl Sessions for Journal {
    fn find(&self, repository: &Repository, blob: &Digest) -> Option<String> {
        self.state().sessions.get(&(repository.to_string(), *blob)).cloned()
    }

    fn note(&self, repository: &Repository, blob: &Digest, address: &str) {
        let (repository, address) = (repository.to_string(), address.to_owned());
        let mut state = self.state();
        state.sessions.insert((repository.clone(), *blob), address.clone());
        // A disk that is full is no reason to stop an upload.
        let _ = self.add(&mut state, &Session { repository, blob: *blob, address: Some(address) });
    }

    fn forget(&self, repository: &Repository, blob: &Digest) {
        let repository = repository.to_string();
        let mut state = self.state();
        if state.sessions.remove(&(repository.clone(), *blob)).is_some() {
            let _ = self.add(&mut state, &Session { repository, blob: *blob, address: None });
        }
    }

    fn all(&self) -> Vec<(Repository, Digest)> {
        let state = self.state();
        let named = |(repository, blob): &(String, Digest)| {
            let (host, path) = repository.split_once('/')?;
            Some((Repository::new(host, path).ok()?, *blob))
        };
        state.sessions.keys().filter_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn journal(state: &Path, seal: &[u8], target: &str) -> Journal {
        Journal::open(state, Digest::of(seal), &Place::new(target.as_bytes())).unwrap()
    }

    fn names() -> (Repository, Digest, Digest) {
        let repository = Repository::new("reg.site:5000", "a/b").unwrap();
        (repository, Digest::of(b"one"), Digest::of(b"two"))
    }

    #[test]
    fn the_next_run_finds_what_was_noted_last() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, one, two) = names();
        let first = journal(dir.path(), b"s", "docker://r");
        assert_eq!(first.find(&repository, &one), None);
        assert!(!first.path.exists());
        first.note(&repository, &one, "https://r/1");
        first.note(&repository, &two, "https://r/2");
        first.note(&repository, &one, "https://r/3?token=x");
        first.forget(&repository, &two);
        let mode = first.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(files::parent(&first.path).metadata().unwrap().permissions().mode() & 0o77, 0);
        for _ in 0..2 {
            let next = journal(dir.path(), b"s", "docker://r");
            assert_eq!(next.find(&repository, &one).as_deref(), Some("https://r/3?token=x"));
            assert_eq!(next.find(&repository, &two), None);
            next.note(&repository, &two, "https://r/4");
            next.forget(&repository, &two);
        }
        // Another bundle or another target has its own.
        for (seal, target) in [(b"t", "docker://r"), (b"s", "docker://q")] {
            assert_eq!(journal(dir.path(), seal, target).find(&repository, &one), None);
        }
        first.remove().unwrap();
        first.remove().unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("imports")).unwrap().count(), 0);
    }

    #[test]
    fn what_was_cut_or_changed_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, one, two) = names();
        let first = journal(dir.path(), b"s", "docker://r");
        first.note(&repository, &one, "https://r/1");
        let before = std::fs::read(&first.path).unwrap().len();
        first.note(&repository, &two, "https://r/2");
        let whole = std::fs::read(&first.path).unwrap();
        for end in 0..=whole.len() {
            std::fs::write(&first.path, &whole[..end]).unwrap();
            let next = journal(dir.path(), b"s", "docker://r");
            assert_eq!(next.find(&repository, &one).is_some(), end >= before, "{end}");
            assert_eq!(next.find(&repository, &two).is_some(), end == whole.len(), "{end}");
        }
        for at in 0..before {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&first.path, changed).unwrap();
            let next = journal(dir.path(), b"s", "docker://r");
            assert_eq!(next.find(&repository, &two), None, "{at}");
        }
    }

    #[test]
    fn the_head_is_that_of_this_import() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, one, _) = names();
        let (mine, other) = (journal(dir.path(), b"s", "r"), journal(dir.path(), b"t", "r"));
        other.note(&repository, &one, "https://r/1");
        std::fs::rename(&other.path, &mine.path).unwrap();
        assert_eq!(journal(dir.path(), b"s", "r").find(&repository, &one), None);
        std::fs::remove_file(&mine.path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &mine.path).unwrap();
        let refused = Journal::open(dir.path(), Digest::of(b"s"), &Place::new(b"r"));
        assert!(matches!(refused, Err(FileError::NotRegular { .. })));
    }
}
