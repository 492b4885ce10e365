//! Upload sessions that outlive a run: a blob of which a registry has a part is not sent again from
//! its start.
//!
//! A session is asked how far it got before anything more is sent. What it holds was proven when it
//! was sent; the registry holds all of it against the digest at the end, and if that does not fit, the
//! blob is sent anew. Larger blobs go up in pieces, because there are registries (docker's, up to
//! version 2) that give a session up when it is cut within a request, and go on with one that was cut
//! between two.
//!
//! Withstands: notes that lead nowhere, to a session of another blob (the digest does not fit), or to
//! another host (which gets no `Authorization`); sessions that are gone or claim too much. Source:
//! distribution-spec 1.1, "Pushing a blob in chunks".

use std::sync::Arc;

use ureq::http::Uri;

use super::push::{Sent, Upload};
use super::transport::Open;
use super::url::Origin;
use super::{Client, RegistryError};
use crate::oci::{Descriptor, Digest, MediaType, Repository};

/// Bytes in one request of a session that is to outlive this run. They are held in memory.
pub(super) const LASTING_PIECE: u64 = 16 * 1024 * 1024;

/// Where sessions are noted between two runs. Their addresses may hold what gives the right to write
/// to them: they are shown to nobody. What cannot be noted is sent again.
pub trait Sessions: Send + Sync {
    /// Where a run before this one sent the blob to.
    fn find(&self, repository: &Repository, blob: &Digest) -> Option<String>;

    /// The session of a blob is at `address` now.
    fn note(&self, repository: &Repository, blob: &Digest, address: &str);

    /// The blob has no session any more.
    fn forget(&self, repository: &Repository, blob: &Digest);

    /// Every blob that has one.
    fn all(&self) -> Vec<(Repository, Digest)>;
}

/// What an upload that outlives its run needs to know.
pub(super) struct Lasting {
    sessions: Arc<dyn Sessions>,
    /// Bytes that the session held when it was taken up.
    found: u64,
}

impl Client {
    /// As [`Client::upload`], but goes on with the session that `sessions` knows, and notes there
    /// where it is. Dropped without a commit, the session stays.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub fn upload_over_runs(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
        sessions: &Arc<dyn Sessions>,
    ) -> Result<Upload, RegistryError> {
        let mut upload = Upload::new(self, repository, blob, None);
        upload.lasting = Some(Lasting { sessions: sessions.clone(), found: 0 });
        let at = upload.take_up();
        self.fill(upload, at, open)
    }

    /// Cancels all that `sessions` knows: they are not needed any more.
    pub fn cancel_sessions(&self, sessions: &Arc<dyn Sessions>) {
        for (repository, digest) in sessions.all() {
            let kind = MediaType::new("application/octet-stream").expect("a plain media type");
            let blob = Descriptor::new(kind, digest, 0);
            let mut upload = Upload::new(self, &repository, &blob, None);
            upload.lasting = Some(Lasting { sessions: sessions.clone(), found: 0 });
            upload.session = upload.noted();
            upload.cancel();
        }
    }
}

impl Upload {
    /// How many bytes the registry had of it from a run before.
    pub fn found(&self) -> u64 {
        self.lasting.as_ref().map_or(0, |lasting| lasting.found)
    }

    fn noted(&self) -> Option<Uri> {
        let found = self.lasting.as_ref()?.sessions.find(&self.repository, &self.blob.digest)?;
        found.parse().ok().filter(|url| Origin::of(url).is_some())
    }

    /// Takes up the session of a run before, if it is there: how many bytes it holds.
    fn take_up(&mut self) -> u64 {
        self.session = self.noted();
        if self.session.is_none() {
            return 0;
        }
        let held = match self.ask() {
            Ok(Sent::All) => self.blob.size,
            Ok(Sent::Part(held)) => held,
            // Whoever has a reason to say no will say it again when a session is begun.
            Ok(Sent::Nothing) | Err(_) => {
                self.cancel();
                0
            }
        };
        if let Some(lasting) = &mut self.lasting {
            lasting.found = held;
        }
        held
    }

    /// The session is at another address from now on, if there is one.
    pub(super) fn moved(&mut self, to: Option<Uri>) {
        let Some(to) = to.filter(|to| self.session.as_ref() != Some(to)) else { return };
        if let Some(lasting) = &self.lasting {
            lasting.sessions.note(&self.repository, &self.blob.digest, &to.to_string());
        }
        self.session = Some(to);
    }

    /// There is no session any more: what was one.
    pub(super) fn forget(&mut self) -> Option<Uri> {
        let session = self.session.take()?;
        if let Some(lasting) = &mut self.lasting {
            lasting.sessions.forget(&self.repository, &self.blob.digest);
            lasting.found = 0;
        }
        Some(session)
    }

    /// True when what a run before sent may be why the registry does not take the blob.
    pub(super) fn is_spoilt(&self, status: u16) -> bool {
        self.found() > 0 && matches!(status, 400 | 409 | 416 | 422)
    }
}
