//! A small registry that keeps to distribution-spec 1.1, but for the quirks that are switched on.
//!
//! Each [`Quirk`] is something that real registries, or what stands before them, do. It listens on
//! two ports: the registry, and another origin to which some quirks lead.

mod auth;
mod http;
mod routes;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use auth::{PASSWORD, REFRESH, USER};
pub(crate) use http::Seen;

/// What a registry does that it should not, or need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quirk {
    // Who asks.
    /// Basic authentication.
    AsksBasic,
    /// Tokens, from the registry itself.
    AsksToken,
    /// Tokens, each good for so many requests.
    TokensWearOut(usize),
    /// Tokens, for OAuth2 refresh tokens only (ACR).
    TokensForRefresh,
    /// No token for two repositories at once: a long header is refused.
    OneRepositoryAToken,
    /// Tokens; a repository that is not there yet is denied to those who may only read (Docker Hub).
    NewRepositoriesHidden,
    /// Tokens, from a realm in plain http that nobody allowed.
    RealmInPlainHttp,
    /// Content lies at another origin (a CDN), which answers 400 to whoever shows an `Authorization`.
    BlobsElsewhere,
    /// Upload sessions lie there.
    SessionsElsewhere,
    /// A blob redirects to plain http at a host that nobody allowed.
    BlobsInPlainHttp,

    // Push.
    /// A mount is answered with this status.
    MountAnswers(u16),
    /// 400 to a mount without `from` (Quay).
    MountNeedsFrom,
    /// 201 to a PATCH (ECR).
    PatchAnswers201,
    /// 413 to a request over 4 MiB (GHCR).
    RequestsUpTo4MiB,
    /// 413, in HTML, to a request over 100 MB (Cloudflare).
    RequestsUpTo100MB,
    /// The connection is cut in a request over 8 MiB, and its session forgotten (ACR).
    LargeRequestsCut,
    /// `OCI-Chunk-Min-Length: 5242880`, which is insisted upon, and 413 from 8 MiB on.
    ChunksFrom5MiB,
    /// The first PATCH is carried out, and the answer lost.
    PatchAnswerLost,
    /// The first PATCH is cut in its middle.
    PatchCut,
    /// The first PATCH is half taken, and answered with 416 and a `Range`.
    PatchHalfTaken416,
    /// A session that was cut takes nothing more: "resumed at wrong offset".
    ResumedAtWrongOffset,
    /// The first commit of each blob finds no session.
    SessionsForgotten,
    /// The first request of each kind is answered with this status, and this `Retry-After`.
    BusyAtFirst(u16, Option<&'static str>),
    /// A session's location is relative.
    RelativeLocations,
    /// 413 to manifests.
    ManifestsTooLarge,
    /// 403 to manifests: the quota is exceeded (Harbor).
    QuotaExceeded,
    /// 403 to the start of an upload: DENIED.
    UploadsDenied,
    /// A tag is never moved: 412 (Harbor), 400 (ECR), 409 (Quay).
    TagsImmutable(u16),
    /// No referrers API and no `OCI-Subject`.
    NoReferrersApi,
    /// 405 to a manifest with `artifactType` (ECR of old).
    ArtifactTypesRefused,
    /// 415 to docker's schema 2 (zot).
    DockerTypesRefused,

    // Pull.
    /// No `Docker-Content-Digest`.
    NoContentDigest,
    /// HEAD of a manifest is answered with this status.
    ManifestHeadAnswers(u16),
    /// Bodies without a length, which end with the connection.
    NoContentLength,
    /// Bodies in chunked coding.
    Chunked,
    /// Ranges are ignored, and the first answer of each blob is cut.
    RangesIgnored,
    /// The first answer of each blob is cut.
    BlobsCut,
    /// The referrers API is answered with this status (Artifactory: 406).
    ReferrersAnswer(u16),
    /// The list of tags is `null`.
    TagsNull,
    /// The list of tags comes in pages of two, by a relative `Link`.
    TagsInPages,
    /// 400 to pages of more than so many tags.
    PagesUpTo(usize),
    /// The second page of a list of tags is at another origin.
    NextPageElsewhere,
    /// The second page of a list of tags is the first one.
    PagesInACircle,
    /// 403 for a tag that is not there (Artifactory).
    AbsentTagsForbidden,
    /// `Content-Type` of another kind than the document.
    OtherContentType,
    /// Every manifest is docker schema 1.
    OnlySchema1,
    /// A document never ends.
    DocumentsNeverEnd,
    /// A blob comes byte by byte.
    BlobsCrawl,
    /// Few requests are left: `RateLimit-Remaining` (Docker Hub).
    FewRequestsLeft,
    /// `Warning: 299`, with a character in it that turns the direction of text.
    Warns,
}

/// The registry. Its threads end with the test.
pub(crate) struct Misbehaving {
    port: u16,
    elsewhere: u16,
    state: Arc<State>,
}

struct State {
    quirks: Vec<Quirk>,
    elsewhere: u16,
    store: Mutex<Store>,
}

/// What the registry holds, and what it was asked.
#[derive(Default)]
struct Store {
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// Media type and bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    tags: BTreeMap<(String, String), String>,
    uploads: BTreeMap<String, Upload>,
    /// How many uploads were begun.
    sessions: usize,
    /// Scope and requests so far of each token.
    tokens: BTreeMap<String, (String, usize)>,
    /// How often each thing that happens a few times only has happened.
    played: BTreeMap<String, usize>,
    seen: Vec<Seen>,
    /// What anybody may fetch.
    given: Vec<u8>,
}

#[derive(Default)]
struct Upload {
    repository: String,
    bytes: Vec<u8>,
    was_cut: bool,
}

impl Misbehaving {
    /// A registry with these quirks.
    pub(crate) fn with(quirks: &[Quirk]) -> Misbehaving {
        let [main, other] = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, elsewhere] = [&main, &other].map(|it| it.local_addr().unwrap().port());
        let (quirks, store) = (quirks.to_vec(), Mutex::default());
        let state = Arc::new(State { quirks, elsewhere, store });
        for listener in [main, other] {
            let state = state.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let state = state.clone();
                    // A connection that breaks is what this is for.
                    std::thread::spawn(move || drop(http::serve(&state, stream)));
                }
            });
        }
        Misbehaving { port, elsewhere, state }
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where some quirks lead.
    pub(crate) fn elsewhere(&self) -> String {
        format!("127.0.0.1:{}", self.elsewhere)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.store().seen.clone()
    }

    /// Lays bytes where anybody may fetch them: their address at the other origin.
    pub(crate) fn give_away(&self, bytes: &[u8]) -> String {
        self.store().given = bytes.to_vec();
        format!("http://{}/given/layer", self.elsewhere())
    }

    /// How many of them begin with `method` and have `part` in their path.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let fits = |seen: &&Seen| seen.method == method && seen.path.contains(part);
        self.store().seen.iter().filter(fits).count()
    }

    /// Forgets what it was asked.
    pub(crate) fn forget(&self) {
        self.store().seen.clear();
    }

    /// Loses all documents; blobs stay.
    pub(crate) fn lose_documents(&self) {
        let mut store = self.store();
        store.manifests.clear();
        store.tags.clear();
    }

    /// The bytes of the document under a tag.
    pub(crate) fn tagged(&self, repository: &str, tag: &str) -> Option<Vec<u8>> {
        let store = self.store();
        let digest = store.tags.get(&(repository.to_owned(), tag.to_owned()))?;
        Some(store.manifests.get(&(repository.to_owned(), digest.clone()))?.1.clone())
    }

    /// The bytes of a blob.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.store().blobs.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    /// True when nothing at all can be pulled.
    pub(crate) fn is_empty(&self) -> bool {
        let store = self.store();
        store.manifests.is_empty() && store.tags.is_empty()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.state.store()
    }
}

impl State {
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// What the first of the quirks for which there is something says.
    fn say<T>(&self, what: impl Fn(&Quirk) -> Option<T>) -> Option<T> {
        self.quirks.iter().find_map(what)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// True the first time that it is asked for `what`.
    fn first(&self, what: &str) -> bool {
        let mut store = self.store();
        let count = store.played.entry(what.to_owned()).or_default();
        *count += 1;
        *count == 1
    }
}
