//! What comes back: status, headers, body, and the error that an answer may be.
//!
//! Withstands: bodies that crawl or never end, error texts of any size and kind, with control
//! characters in them. Source: distribution-spec 1.1, "Error Codes".

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::BodyReader;
use ureq::http::{HeaderMap, Uri};

use super::RegistryError;
use super::error::words;
use super::url::resolve;
use crate::oci::json;

/// The body of an error is words for people.
const MAX_ERROR_BODY: u64 = 64 * 1024;
/// Fewer bytes within the idle limit are a crawl, and as good as none.
const MIN_PACE: u64 = 4 * 1024;

/// The head of an answer, and the way to its body.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) host: String,
    pub(super) url: Uri,
    pub(super) body: Incoming,
}

impl Response {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Worth another try.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 500 | 502 | 503 | 504)
    }

    /// A header's text; `None` for what is not visible ASCII.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where `Location` leads.
    pub(super) fn location(&self) -> Option<Uri> {
        resolve(&self.url, self.header("location")?)
    }

    /// At most `cap` bytes of the body, one more when there are more.
    pub(super) fn read(&mut self, cap: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let host = || self.host.clone();
        match (&mut self.body).take(cap.saturating_add(1)).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(RegistryError::TimedOut { host: host() })
            }
            Err(error) => {
                Err(RegistryError::Unreachable { host: host(), why: words(&error.to_string()) })
            }
        }
    }

    /// The registry's own words, or the status.
    fn why(&mut self) -> String {
        let body = self.read(MAX_ERROR_BODY);
        let why = body.map_or_else(|_| String::new(), |body| own_words(&body));
        if why.is_empty() { format!("status {}", self.status) } else { why }
    }

    /// The error that this answer to something sent is: a status of 404 says that it is not taken.
    pub(super) fn rejection(mut self, what: &str) -> RegistryError {
        let why = self.why();
        let (status, host, what) = (self.status, self.host, what.to_owned());
        RegistryError::Refused { host, what, status, why }
    }

    /// The error that this answer to `what` is, with the registry's own words.
    pub(super) fn refusal(mut self, what: &str) -> RegistryError {
        let why = self.why();
        let (status, host, what) = (self.status, self.host, what.to_owned());
        match status {
            401 => RegistryError::Unauthorised { host, what, why, credentials: true },
            403 => RegistryError::Denied { host, what, why },
            404 => RegistryError::NotFound { host, what },
            413 => RegistryError::TooLarge { host, what, why },
            429 => RegistryError::RateLimited { host, why },
            500.. => RegistryError::Server { host, what, status, why },
            _ => RegistryError::Refused { host, what, status, why },
        }
    }
}

/// `errors[].code` and `errors[].message` (distribution-spec, "Error Codes"), or a token
/// server's `error_description`. Nothing for other bodies: web pages are no use in a message.
fn own_words(body: &[u8]) -> String {
    let Ok(body) = json::parse::<serde_json::Value>(body) else { return String::new() };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut parts = Vec::new();
    for error in body["errors"].as_array().into_iter().flatten().take(5) {
        parts.push(format!("{}: {}", text(&error["code"]), text(&error["message"])));
    }
    if parts.is_empty() {
        let fields = ["error_description", "details", "error", "message"];
        parts.extend(fields.iter().map(|field| text(&body[*field])).find(|text| !text.is_empty()));
    }
    words(&parts.join("; "))
}

/// The body of an answer. Fails when it crawls.
pub(super) struct Incoming {
    inner: BodyReader<'static>,
    limit: Duration,
    /// Time spent waiting, and bytes that came in it, since the last sign of progress. The time
    /// that our own side takes between two reads does not count.
    waited: Duration,
    came: u64,
}

impl Incoming {
    pub(super) fn new(inner: BodyReader<'static>, limit: Duration) -> Incoming {
        Incoming { inner, limit, waited: Duration::ZERO, came: 0 }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let count = self.inner.read(buffer).map_err(plain)?;
        self.waited += start.elapsed();
        self.came += count as u64;
        if self.came >= MIN_PACE {
            (self.waited, self.came) = (Duration::ZERO, 0);
        } else if self.waited > self.limit && count > 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the answer crawls"));
        }
        Ok(count)
    }
}

/// The HTTP library hides its time-outs inside an error of another kind.
fn plain(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::Timeout(_)) => {
            io::Error::new(io::ErrorKind::TimedOut, "no byte came in time")
        }
        _ => error,
    }
}
