//! What was found out about registries, and is worth remembering while the program runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ureq::http::Uri;

use crate::oci::{Digest, Repository};

/// Sessions that were opened in place of mounts and not used: more are forgotten.
const MAX_SESSIONS: usize = 1_000;

/// What a client remembers.
#[derive(Default)]
pub(super) struct Notes {
    /// How this machine's own registries are spoken to.
    bases: Mutex<HashMap<String, Uri>>,
    /// Sessions that a registry opened in place of a mount.
    sessions: Mutex<HashMap<(Repository, Digest), Uri>>,
    /// In what pieces a registry takes a blob, in bytes.
    pieces: Mutex<HashMap<String, u64>>,
    /// Whether whoever reads will write, too.
    writes: AtomicBool,
}

impl Notes {
    pub(super) fn writes(&self) -> bool {
        self.writes.load(Ordering::Relaxed)
    }

    pub(super) fn learn_writes(&self) {
        self.writes.store(true, Ordering::Relaxed);
    }

    /// `scheme://host/` of a registry on this machine.
    pub(super) fn base(&self, host: &str) -> Option<Uri> {
        lock(&self.bases).get(host).cloned()
    }

    pub(super) fn learn_base(&self, host: &str, base: Uri) {
        lock(&self.bases).insert(host.to_owned(), base);
    }

    /// Keeps a session for the upload that will follow.
    pub(super) fn offer_session(&self, repository: &Repository, digest: Digest, session: Uri) {
        let mut sessions = lock(&self.sessions);
        if sessions.len() < MAX_SESSIONS {
            sessions.insert((repository.clone(), digest), session);
        }
    }

    pub(super) fn take_session(&self, repository: &Repository, digest: &Digest) -> Option<Uri> {
        lock(&self.sessions).remove(&(repository.clone(), *digest))
    }

    /// The size of the pieces that `host` takes; `None` when nothing is known against whole blobs.
    pub(super) fn piece(&self, host: &str) -> Option<u64> {
        lock(&self.pieces).get(host).copied()
    }

    pub(super) fn learn_piece(&self, host: &str, size: Option<u64>) {
        if let Some(size) = size {
            lock(&self.pieces).insert(host.to_owned(), size);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
