//! Why a registry does not do what was asked of it.

use std::io;

use crate::oci::{Digest, ManifestError};

/// How much of a registry's own words gets into a message, in characters.
const MAX_WORDS: usize = 300;

/// Why a registry does not do what was asked of it.
///
/// No variant holds a password, a token or an address with a query: signed addresses are secrets.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be reached, or cuts the connection. The environment's fault.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// The registry.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// It is silent, or crawls. The environment's fault.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// The registry.
        host: String,
    },
    /// No encrypted connection: an unknown authority, another name, no TLS. The environment's
    /// fault.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// The registry.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// Something led to plain HTTP at a host for which that is not allowed. The environment's
    /// fault; nothing was sent.
    #[error("{host} would be spoken to in plain http, which is not allowed for it")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A certificate authority that was given is not one. The environment's fault.
    #[error("a certificate authority is malformed: {0}")]
    Authority(String),
    /// A certificate or key to show to registries is malformed or cannot be read. The environment's
    /// fault.
    #[error("a client certificate cannot be used: {0}")]
    ClientCertificate(String),
    /// The address of a proxy is none. The environment's fault.
    #[error("the address of a proxy cannot be used: {0}")]
    Proxy(String),
    /// The proxy does not connect us. The environment's fault.
    #[error("the proxy does not connect to {host}: {why}")]
    Tunnel {
        /// The registry.
        host: String,
        /// The proxy's answer.
        why: String,
    },
    /// It wants to know who asks, and does not take the answer. The environment's fault.
    #[error("{host} does not let us in for {what}{}: {why}", anonymous(*.credentials))]
    Unauthorised {
        /// The registry, or the place that gives its tokens.
        host: String,
        /// What was asked for.
        what: String,
        /// The registry's words.
        why: String,
        /// Whether credentials for it were at hand.
        credentials: bool,
    },
    /// It wants credentials; these are kept by a program, which does not give them. The
    /// environment's fault.
    #[error("the credential helper `{helper}` does not give what is for {host}: {why}")]
    CredentialHelper {
        /// The registry.
        host: String,
        /// The helper's short name.
        helper: String,
        /// What went wrong.
        why: String,
    },
    /// It knows who asks and does not allow it. The environment's fault.
    #[error("{host} denies {what}: {why}")]
    Denied {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The registry's words.
        why: String,
    },
    /// It still wants us to slow down after all tries. The environment's fault.
    #[error("{host} limits the rate of requests: {why}")]
    RateLimited {
        /// The registry.
        host: String,
        /// The registry's words.
        why: String,
    },
    /// It still fails after all tries. The environment's fault.
    #[error("{host} fails at {what} with status {status}: {why}")]
    Server {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status, 500 and above.
        status: u16,
        /// The registry's words.
        why: String,
    },
    /// It takes nothing of that size. The environment's fault.
    #[error("{host} finds {what} too large: {why}")]
    TooLarge {
        /// The registry.
        host: String,
        /// What was sent.
        what: String,
        /// The registry's words.
        why: String,
    },
    /// It is not there (any more). The input's fault.
    #[error("{host} does not hold {what}")]
    NotFound {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// It takes no documents of that kind; nothing is converted. The input's fault.
    #[error(
        "{host} refuses {what}: it takes no documents of type {media_type} (status {status}: {why}), and gapferry converts none"
    )]
    MediaType {
        /// The registry.
        host: String,
        /// What was sent.
        what: String,
        /// Its media type.
        media_type: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        why: String,
    },
    /// It refuses for a reason of its own. The input's fault.
    #[error("{host} refuses {what} with status {status}: {why}")]
    Refused {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        why: String,
    },
    /// Its answer is not one that the specification allows. The input's fault.
    #[error("{host} gives a malformed answer for {what}: {why}")]
    Malformed {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A redirect that is not followed. The input's fault.
    #[error("a redirect of {host} is refused: {why}")]
    Redirect {
        /// Who sent it.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The `Docker-Content-Digest` header names other bytes than came. The input's fault.
    #[error("{host} says {what} is {stated}, its bytes have the digest {found}")]
    StatedDigest {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// According to the header.
        stated: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The document is not what it should be. The input's fault.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The content to be sent could not be read, or proved wrong on the way. The input's fault.
    #[error("{0}")]
    Content(io::Error),
    /// The registry has forgotten an upload. The environment's fault.
    #[error("{host} has forgotten the upload of {digest}")]
    UploadExpired {
        /// The registry.
        host: String,
        /// The blob.
        digest: Digest,
    },
}

fn anonymous(credentials: bool) -> &'static str {
    if credentials { "" } else { ", asked without credentials" }
}

impl RegistryError {
    /// The registry error inside an [`io::Error`] that a blob's reader gave.
    pub fn inside(error: &io::Error) -> Option<&RegistryError> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// True for what may pass by itself: worth another try.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, RegistryError::Unreachable { .. } | RegistryError::TimedOut { .. })
    }
}

/// Text from outside, made fit for a message: escaped and cut.
pub(super) fn words(text: &str) -> String {
    let mut cut: String = text.trim().chars().take(MAX_WORDS).collect();
    if text.trim().chars().nth(MAX_WORDS).is_some() {
        cut.push('…');
    }
    // `escape_debug` would also escape quotes, which registries' messages are full of.
    cut.chars()
        .flat_map(|c| match c {
            '"' | '\'' | '\\' => vec![c],
            c => c.escape_debug().collect(),
        })
        .collect()
}
