//! A client of the OCI distribution specification, version 1.1.
//!
//! | file | holds |
//! |---|---|
//! | `transport` | one request: tries, redirects, limits, time-outs |
//! | `answer` | what comes back, and the error that it may be |
//! | `tls` | encrypted connections, and whom to trust |
//! | `certs` | certificates for single registries |
//! | `proxy` | which requests go through a proxy |
//! | `url` | origins and locations |
//! | `retry` | how long to wait |
//! | `pace` | how many requests at once, and how soon after another |
//! | `notes` | what was found out about a registry |
//! | `auth` | challenges and tokens |
//! | `credentials` | docker's and podman's credential files |
//! | `helper` | programs that keep credentials |
//! | `pull` | manifests and blobs out of a registry |
//! | `catalog` | which repositories and tags there are |
//! | `push` | blobs and manifests into it |
//! | `session` | upload sessions that outlive a run |
//! | `pieces` | how large the requests of an upload are |
//! | `referrers` | what refers to a document: the API and the fallback tag |
//!
//! Whatever a registry sends is held against a digest before anybody uses it; the rest of its
//! answers is parsed with a cap on everything.

mod answer;
mod auth;
mod catalog;
mod certs;
mod credentials;
mod error;
mod helper;
mod notes;
mod pace;
mod pieces;
mod proxy;
mod pull;
mod push;
mod referrers;
mod retry;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod url;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ureq::http::{Method, Uri};

use crate::oci::{Digest, Repository, Tag};
use crate::report::{Progress, Silent};
use answer::Response;
use auth::{Auth, Scope};
pub use certs::{Certificates, Identity};
pub use credentials::{Credentials, CredentialsError};
pub use error::RegistryError;
use notes::Notes;
pub use proxy::Proxies;
pub use push::Upload;
pub use session::Sessions;
pub use transport::Open;
use transport::{Call, Transport};
use url::Origin;

/// A try at a blob that moved so many bytes was worth it: the count of tries begins again. Without
/// a least number, a registry that gives a byte a time would be asked for ever.
const MIN_PROGRESS: u64 = 64 * 1024;
const DOCKER_HUB: &str = "docker.io";
/// Docker Hub's API has another name than its images.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// How a [`Client`] behaves.
#[derive(Clone)]
pub struct Config {
    /// Hosts, `host` or `host:port`, that are spoken to in plain HTTP. This machine needs no
    /// entry: at its own addresses TLS is tried first, then plain HTTP.
    pub plain_http: Vec<String>,
    /// Certificate authorities to trust, DER: the system's. No others are built in.
    pub ca_der: Vec<Vec<u8>>,
    /// More of them, each a PEM file's text.
    pub ca_pem: Vec<Vec<u8>>,
    /// What we show of ourselves to every registry that asks for a certificate.
    pub identity: Option<Arc<Identity>>,
    /// Directories whose directories `host:port` hold certificates for that registry; the first
    /// that has one counts.
    pub certs_d: Vec<PathBuf>,
    /// Through which proxies registries are reached.
    pub proxies: Proxies,
    /// Whom to be.
    pub credentials: Credentials,
    /// How often a request that failed in passing is tried again.
    pub retries: u32,
    /// The wait before the first further try; it doubles each time.
    pub backoff: Duration,
    /// The longest wait for a name, and for a connection with TLS.
    pub connect_timeout: Duration,
    /// The longest wait for a byte to move.
    pub idle_timeout: Duration,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Hears of retries and warnings.
    pub progress: Arc<dyn Progress>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            plain_http: Vec::new(),
            ca_der: Vec::new(),
            ca_pem: Vec::new(),
            identity: None,
            certs_d: Vec::new(),
            proxies: Proxies::default(),
            credentials: Credentials::default(),
            retries: 5,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            user_agent: concat!("gapferry/", env!("CARGO_PKG_VERSION")).to_owned(),
            progress: Arc::new(Silent),
        }
    }
}

/// Speaks with registries. Cheap to clone; used from many threads.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    auth: Auth,
    notes: Notes,
    /// Held while a fallback tag is read, changed and written: see `referrers`.
    fallback: Mutex<()>,
}

/// Under which name a document is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    /// What the tag names now.
    Tag(&'a Tag),
    /// These bytes.
    Digest(&'a Digest),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Tag(tag) => tag.fmt(f),
            Name::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client that behaves as `config` says. Asks nobody anything yet.
    ///
    /// # Errors
    /// [`RegistryError::Authority`], [`RegistryError::Proxy`].
    pub fn new(config: Config) -> Result<Client, RegistryError> {
        Ok(Client(Arc::new(Inner {
            transport: Transport::new(config)?,
            auth: Auth::default(),
            notes: Notes::default(),
            fallback: Mutex::default(),
        })))
    }

    /// A client that asks for the right to write when it reads: registries deny a repository that is
    /// not there yet to those who may only read.
    pub fn for_pushing(self) -> Client {
        self.0.notes.learn_writes();
        self
    }

    /// What reading `repository` needs.
    fn reading(&self, repository: &Repository) -> Scope {
        match self.0.notes.writes() {
            true => Scope::push(repository),
            false => Scope::pull(repository),
        }
    }

    /// The address of `rest` below `/v2/<name>/`.
    fn url(&self, repository: &Repository, rest: &str) -> Result<Uri, RegistryError> {
        let base = self.base(repository.host())?;
        let text = format!("{base}v2/{}/{rest}", repository.path());
        text.parse().map_err(|_| malformed_host(repository.host()))
    }

    /// `scheme://host/` of a registry.
    fn base(&self, host: &str) -> Result<Uri, RegistryError> {
        let at = |scheme: &str, host: &str| -> Result<Uri, RegistryError> {
            format!("{scheme}://{host}/").parse().map_err(|_| malformed_host(host))
        };
        if host == DOCKER_HUB {
            return at("https", DOCKER_HUB_API);
        }
        let plain = at("http", host)?;
        let origin = Origin::of(&plain).ok_or_else(|| malformed_host(host))?;
        let config = self.0.transport.config();
        if config.plain_http.iter().any(|entry| origin.is_named_by(entry)) {
            return Ok(plain);
        }
        let secure = at("https", host)?;
        if let Some(registry) = Origin::of(&secure) {
            self.0.transport.add_registry(&registry);
        }
        if !origin.is_loopback() {
            return Ok(secure);
        }
        if let Some(base) = self.0.notes.base(host) {
            return Ok(base);
        }
        let base = if self.speaks_tls(&secure)? { secure } else { plain };
        self.0.notes.learn_base(host, base.clone());
        Ok(base)
    }

    /// Whether a registry on this machine answers a TLS greeting in kind.
    fn speaks_tls(&self, base: &Uri) -> Result<bool, RegistryError> {
        let url = format!("{base}v2/").parse().map_err(|_| malformed_host(&base.to_string()))?;
        let mut call = Call::new(Method::GET, url);
        (call.retries, call.stay) = (0, true);
        match self.0.transport.send(&call) {
            Ok(_) => Ok(true),
            // TLS it is, with a certificate that is not to be trusted, or that asks for ours.
            Err(error @ RegistryError::Tls { .. })
                if ["certificate", "alert"]
                    .iter()
                    .any(|word| error.to_string().to_ascii_lowercase().contains(word)) =>
            {
                Err(error)
            }
            Err(RegistryError::Unreachable { .. } | RegistryError::Tls { .. }) => Ok(false),
            Err(RegistryError::Malformed { .. } | RegistryError::TimedOut { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends `call` as whoever `scope` needs. Asks for a token anew, once, when the registry does
    /// not take the one it has. An answer of 401 is left for the caller to name.
    fn send(&self, scope: &Scope, mut call: Call<'_>) -> Result<Response, RegistryError> {
        let Inner { transport, auth, .. } = &*self.0;
        let registry = Origin::of(&self.base(scope.repository.host())?)
            .ok_or_else(|| malformed_host(scope.repository.host()))?;
        let is_ours = Origin::of(&call.url).as_ref() == Some(&registry);
        let mut learned = false;
        loop {
            if is_ours {
                call.authorization = auth.header(transport, &registry, scope)?;
            }
            let answer = transport.send(&call)?;
            let asked_by_us = is_ours && Origin::of(&answer.url).as_ref() == Some(&registry);
            if answer.status != 401 || learned || !asked_by_us {
                return Ok(answer);
            }
            learned = true;
            if !auth.learn(transport, &registry, scope, &answer)? {
                return Ok(answer);
            }
        }
    }

    /// The error that an answer is.
    fn refusal(&self, scope: &Scope, answer: Response, what: &str) -> RegistryError {
        self.0.auth.unauthorised(&self.0.transport, scope, answer, what)
    }
}

fn malformed_host(host: &str) -> RegistryError {
    RegistryError::Unreachable { host: error::words(host), why: "it is not a host".into() }
}
