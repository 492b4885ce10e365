//! Blobs and manifests into a registry.
//!
//! A blob goes up in two steps: [`Client::upload`] sends the bytes into an upload session, where
//! nobody can see them, and [`Upload::commit`] gives them their digest. After a failure in the
//! middle the session is asked how far it got; nothing is sent twice blindly. A session that goes on
//! nowhere is given up for a new one, and one that a registry opens in place of a mount is used.
//!
//! Withstands: sessions that move to another address or host (which gets no `Authorization`),
//! vanish, claim more than was sent, or stand still; limits on a request's size that nobody states.
//! Source: distribution-spec 1.1, "Push".

use std::io::{self, Read};

use ureq::http::{Method, Uri};

use super::answer::Response;
use super::auth::Scope;
use super::pieces::Pieces;
use super::session::{LASTING_PIECE, Lasting};
use super::transport::{Body, Call, Open, end, skip};
use super::url::with_query;
use super::{Client, MIN_PROGRESS, Name, RegistryError};
use crate::oci::{Descriptor, Digest, Manifest, Repository};

const SESSION_CONTENT: &str = "application/octet-stream";
/// A document's media type begins so where it is docker's.
const DOCKER_TYPES: &str = "application/vnd.docker.";

/// A blob whose bytes a registry has and shows to nobody. Dropped without a commit, the session is
/// cancelled, unless it is to outlive this run (see `session`).
pub struct Upload {
    pub(super) client: Client,
    pub(super) repository: Repository,
    pub(super) blob: Descriptor,
    /// Where the session is; `None` when there is none any more.
    pub(super) session: Option<Uri>,
    pieces: Pieces,
    /// The session outlives this run.
    pub(super) lasting: Option<Lasting>,
}

/// How one attempt to send the bytes went.
pub(super) enum Sent {
    All,
    /// The session holds this many bytes.
    Part(u64),
    /// There is no session to go on with.
    Nothing,
}

impl Client {
    /// Sends the bytes of a blob; `open` gives its content from the start, for every try anew.
    ///
    /// # Errors
    /// [`RegistryError::Content`] when the content cannot be read; whatever the registry does.
    pub fn upload(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        open: &Open<'_>,
    ) -> Result<Upload, RegistryError> {
        let offered = self.0.notes.take_session(repository, &blob.digest);
        self.fill(Upload::new(self, repository, blob, offered), 0, open)
    }

    /// Sends what the session lacks, which holds `at` bytes; starts one if there is none.
    pub(super) fn fill(
        &self,
        mut upload: Upload,
        mut at: u64,
        open: &Open<'_>,
    ) -> Result<Upload, RegistryError> {
        let (repository, blob) = (upload.repository.clone(), upload.blob.clone());
        let transport = &self.0.transport;
        // Progress is what no try before reached: else a registry that forgets would be sent to for ever.
        let (mut best, mut attempt) = (at, 0);
        loop {
            if upload.session.is_none() {
                upload.start()?;
                at = 0;
            }
            // A registry need not take a request without bytes.
            if at == blob.size {
                return Ok(upload);
            }
            let error = match upload.send(open, at) {
                Ok(()) => return Ok(upload),
                Err(RegistryError::TooLarge { .. }) if upload.pieces.shrink(blob.size) => {
                    upload.cancel();
                    continue;
                }
                Err(error) if upload.is_final(&error, at) => return Err(error),
                Err(error) => error,
            };
            if attempt >= transport.config().retries {
                return Err(error);
            }
            transport.pause(repository.host().to_owned(), error.to_string(), attempt, None);
            attempt += 1;
            match upload.ask()? {
                Sent::All => return Ok(upload),
                // It was told where to go on, and refused.
                Sent::Part(held) if held == at && is_answer(&error) => upload.cancel(),
                Sent::Part(held) => at = held,
                Sent::Nothing => upload.cancel(),
            }
            if upload.session.is_some() && at >= best.saturating_add(MIN_PROGRESS) {
                (best, attempt) = (at, 0);
            } else if attempt > 1 {
                // Some that find a request too large cut the connection instead of saying so.
                upload.pieces.shrink(blob.size);
            }
        }
    }

    /// Makes a blob of the repository `from` one of `to`. False when the registry cannot or will
    /// not do that: then it has to be sent.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn mount(
        &self,
        blob: &Descriptor,
        from: &Repository,
        to: &Repository,
    ) -> Result<bool, RegistryError> {
        if from.host() != to.host() || from == to {
            return Ok(false);
        }
        let what = format!("mounting {} in {to}", blob.digest);
        match self.start(to, &what, Some((blob, from))) {
            Ok(None) => Ok(true),
            Ok(Some((session, _))) => {
                self.0.notes.offer_session(to, blob.digest, session);
                Ok(false)
            }
            // Registries refuse mounts with many a status. A refusal of more than the mount shows
            // when the blob is sent.
            Err(
                RegistryError::Unauthorised { .. }
                | RegistryError::Denied { .. }
                | RegistryError::NotFound { .. }
                | RegistryError::Refused { .. }
                | RegistryError::CredentialHelper { .. },
            ) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts a session, or makes the mount if there is one to try.
    fn start(
        &self,
        repository: &Repository,
        what: &str,
        mount: Option<(&Descriptor, &Repository)>,
    ) -> Result<Started, RegistryError> {
        let from = mount.map(|(_, from)| from.path().to_owned());
        let scope = Scope { from, ..Scope::push(repository) };
        // `from` always: there are registries that refuse a mount without it.
        let query = mount.map_or_else(String::new, |(blob, from)| {
            format!("?mount={}&from={}", blob.digest, from.path())
        });
        let url = self.url(repository, &format!("blobs/uploads/{query}"))?;
        let answer = self.send(&scope, Call::new(Method::POST, url))?;
        match (answer.status, answer.location()) {
            (201, _) if mount.is_some() => Ok(None),
            (201 | 202, Some(session)) => Ok(Some((session, answer))),
            (201 | 202, None) => Err(RegistryError::Malformed {
                host: answer.host,
                what: what.to_owned(),
                why: "it starts an upload and does not say where".into(),
            }),
            _ => Err(self.refusal(&scope, answer, what)),
        }
    }

    /// Stores a document under `name`. Where the registry keeps no list of what refers to the
    /// document's subject, the fallback tag is brought up to date.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`], and whatever else the registry does.
    pub fn put_manifest(
        &self,
        repository: &Repository,
        name: Name<'_>,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let (descriptor, what) = (manifest.descriptor(), format!("manifest {repository} {name}"));
        let answer =
            self.put_document(repository, name, descriptor.media_type.as_str(), manifest.raw())?;
        let stated = answer.header("docker-content-digest").and_then(|text| text.parse().ok());
        if let Some(stated) = stated.filter(|stated: &Digest| {
            stated.algorithm() == descriptor.digest.algorithm() && *stated != descriptor.digest
        }) {
            let (host, found) = (answer.host, descriptor.digest);
            return Err(RegistryError::StatedDigest { host, what, stated, found });
        }
        match manifest.subject() {
            Some(subject) if answer.header("oci-subject").is_none() => {
                self.list_referrer(repository, &subject.digest, manifest)
            }
            _ => Ok(()),
        }
    }

    /// The bare request.
    pub(super) fn put_document(
        &self,
        repository: &Repository,
        name: Name<'_>,
        media_type: &str,
        raw: &[u8],
    ) -> Result<Response, RegistryError> {
        let scope = Scope::push(repository);
        let mut call = Call::new(Method::PUT, self.url(repository, &format!("manifests/{name}"))?);
        call.headers.push(("content-type", media_type.to_owned()));
        call.body = Body::Bytes(raw);
        let answer = self.send(&scope, call)?;
        if answer.is_success() {
            return Ok(answer);
        }
        let what = format!("manifest {repository} {name}");
        if answer.status == 404 {
            return Err(answer.rejection(&what));
        }
        Err(match self.refusal(&scope, answer, &what) {
            RegistryError::Refused { host, what, status, why }
                if status == 415 || (status == 400 && media_type.starts_with(DOCKER_TYPES)) =>
            {
                let media_type = media_type.to_owned();
                RegistryError::MediaType { host, what, media_type, status, why }
            }
            error => error,
        })
    }
}

/// Where a session is, and the answer that says so; `None` when the mount was made instead.
type Started = Option<(Uri, Response)>;

impl Upload {
    pub(super) fn new(
        client: &Client,
        repository: &Repository,
        blob: &Descriptor,
        session: Option<Uri>,
    ) -> Upload {
        let pieces = Pieces::of(client.0.notes.piece(repository.host()));
        let (client, repository, blob) = (client.clone(), repository.clone(), blob.clone());
        Upload { client, repository, blob, session, pieces, lasting: None }
    }

    /// Begins a session.
    fn start(&mut self) -> Result<(), RegistryError> {
        match self.client.start(&self.repository, &self.what(), None)? {
            Some((session, answer)) => {
                self.pieces.hear(&answer);
                self.moved(Some(session));
                Ok(())
            }
            None => Err(self.expired()),
        }
    }

    fn what(&self) -> String {
        format!("the upload of {} to {}", self.blob.digest, self.repository)
    }

    fn expired(&self) -> RegistryError {
        let (host, digest) = (self.repository.host().to_owned(), self.blob.digest);
        RegistryError::UploadExpired { host, digest }
    }

    fn session(&self) -> Result<Uri, RegistryError> {
        self.session.clone().ok_or_else(|| self.expired())
    }

    /// Sends the content from `at` on. Nothing is repeated here.
    fn send(&mut self, open: &Open<'_>, at: u64) -> Result<(), RegistryError> {
        let total = self.blob.size;
        let size = match self.lasting {
            Some(_) => self.pieces.up_to(LASTING_PIECE, total),
            None => self.pieces.size(total),
        };
        if let Some(size) = size {
            self.send_pieces(open, at, size)?;
            self.client.0.notes.learn_piece(self.repository.host(), self.pieces.found());
            return Ok(());
        }
        // The same, for a life no longer than this request's.
        let open = || open().map(|content| -> Box<dyn Read> { content });
        let size = self.blob.size;
        self.patch(Body::Content { open: &open, from: at, size }, at, size)
    }

    fn send_pieces(
        &mut self,
        open: &Open<'_>,
        mut at: u64,
        size: u64,
    ) -> Result<(), RegistryError> {
        let mut content = open().map_err(RegistryError::Content)?;
        skip(&mut content, at).map_err(RegistryError::Content)?;
        let mut piece = Vec::new();
        while at < self.blob.size {
            piece.clear();
            let room = (self.blob.size - at).min(size);
            let count = (&mut content).take(room).read_to_end(&mut piece);
            if count.map_err(RegistryError::Content)? as u64 != room {
                return Err(RegistryError::Content(io::ErrorKind::UnexpectedEof.into()));
            }
            if at + room == self.blob.size {
                end(&mut content).map_err(RegistryError::Content)?;
            }
            self.patch(Body::Bytes(&piece), at, at + room)?;
            at += room;
        }
        Ok(())
    }

    /// Sends the bytes from `at` up to `until`.
    fn patch(&mut self, body: Body<'_>, at: u64, until: u64) -> Result<(), RegistryError> {
        let scope = Scope::push(&self.repository);
        let mut call = Call::new(Method::PATCH, self.session()?);
        call.retries = 0;
        call.headers.push(("content-type", SESSION_CONTENT.to_owned()));
        if at > 0 || until < self.blob.size {
            call.headers.push(("content-range", format!("{at}-{}", until - 1)));
        }
        call.body = body;
        let answer = self.client.send(&scope, call)?;
        if !matches!(answer.status, 201 | 202 | 204) {
            return Err(self.client.refusal(&scope, answer, &self.what()));
        }
        self.moved(answer.location());
        match held(&answer) {
            Some(held) if held != until => Err(RegistryError::Malformed {
                host: answer.host,
                what: self.what(),
                why: format!("of {until} bytes sent it took {held}"),
            }),
            _ => Ok(()),
        }
    }

    /// Whether the attempt that began at `at` failed for good.
    fn is_final(&self, error: &RegistryError, at: u64) -> bool {
        match error {
            RegistryError::Unreachable { .. }
            | RegistryError::TimedOut { .. }
            | RegistryError::Server { .. }
            | RegistryError::RateLimited { .. }
            // The session is gone, or took part of it.
            | RegistryError::NotFound { .. }
            | RegistryError::Malformed { .. }
            | RegistryError::Refused { status: 416, .. } => false,
            // Some registries cannot go on in a session that was cut, and say so in this way.
            RegistryError::Refused { status: 400, .. } => at == 0,
            _ => true,
        }
    }

    /// Asks the session how far it got.
    pub(super) fn ask(&mut self) -> Result<Sent, RegistryError> {
        let scope = Scope::push(&self.repository);
        let answer = self.client.send(&scope, Call::new(Method::GET, self.session()?))?;
        if !answer.is_success() {
            return Ok(Sent::Nothing);
        }
        self.moved(answer.location());
        Ok(match held(&answer) {
            Some(held) if held == self.blob.size => Sent::All,
            Some(held) if held < self.blob.size => Sent::Part(held),
            _ => Sent::Nothing,
        })
    }

    /// Gives the blob its digest: from now on everybody can see it.
    ///
    /// # Errors
    /// [`RegistryError::UploadExpired`] when the registry has forgotten the session; whatever
    /// else it does.
    pub fn commit(mut self) -> Result<(), RegistryError> {
        let scope = Scope::push(&self.repository);
        let url = with_query(&self.session()?, "digest", &self.blob.digest.to_string());
        let mut call = Call::new(Method::PUT, url.ok_or_else(|| self.expired())?);
        call.headers.push(("content-type", SESSION_CONTENT.to_owned()));
        let answer = self.client.send(&scope, call)?;
        if answer.is_success() {
            self.forget();
            return Ok(());
        }
        if self.is_spoilt(answer.status) {
            self.cancel();
            return Err(self.expired());
        }
        if !matches!(answer.status, 404 | 416) {
            return Err(self.client.refusal(&scope, answer, &self.what()));
        }
        // Gone; or done, by a first try whose answer got lost.
        self.forget();
        match self.client.has_blob(&self.repository, &self.blob)? {
            true => Ok(()),
            false => Err(self.expired()),
        }
    }

    /// Ends the session, if there is one. Registries clean up by themselves too, so a failure is
    /// of no consequence.
    pub(super) fn cancel(&mut self) {
        let Some(session) = self.forget() else { return };
        let mut call = Call::new(Method::DELETE, session);
        call.retries = 0;
        drop(self.client.send(&Scope::push(&self.repository), call));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.lasting.is_none() {
            self.cancel();
        }
    }
}

/// True when a registry said that, not the line to it.
fn is_answer(error: &RegistryError) -> bool {
    matches!(error, RegistryError::NotFound { .. } | RegistryError::Refused { .. })
}

/// How many bytes a session holds according to `Range: 0-<last>`. Of none and of one byte many
/// registries say the same, `0-0`: that tells nothing.
fn held(answer: &Response) -> Option<u64> {
    let range = answer.header("range")?.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
    if last == 0 { None } else { last.checked_add(1) }
}
