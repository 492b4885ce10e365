//! One request: its tries, its redirects, its limits.
//!
//! Withstands: a host that accepts and says nothing, an answer that crawls or never ends, headers
//! without end, redirects in a circle, to plain http, or to another host (which never sees the
//! `Authorization`), bodies of errors of any size, a request to plain http where that is not
//! allowed (refused before anything is sent). Source: RFC 9110; distribution-spec 1.1.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, BodyReader, SendBody};

use super::error::words;
use super::url::{Origin, resolve};
use super::{Config, RegistryError, retry};
use crate::report::Event;

const MAX_REDIRECTS: usize = 5;
/// The body of an error is words for people.
const MAX_ERROR_BODY: u64 = 64 * 1024;
const MAX_HEADERS: usize = 64 * 1024;
/// Warnings that are remembered so that each is passed on once.
const MAX_WARNINGS: usize = 100;
/// Fewer bytes within the idle limit are a crawl, and as good as none.
const MIN_PROGRESS: u64 = 4 * 1024;
/// Bodies from this size on are sent only after the registry has said that it wants them: else
/// a refusal (no rights, too large) is lost with the connection that it closes.
const MIN_EXPECT: u64 = 1024 * 1024;

/// A way to open the content of a blob; each try opens it anew.
pub type Open<'a> = dyn Fn() -> io::Result<Box<dyn Read + 'a>> + 'a;

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Empty,
    Bytes(&'a [u8]),
    /// The content from `from` on, up to `size`.
    Content {
        open: &'a Open<'a>,
        from: u64,
        size: u64,
    },
}

/// A request, as often as it has to be sent.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body<'a>,
    /// For the origin of `url` alone.
    pub(super) authorization: Option<HeaderValue>,
    /// Further tries after the first.
    pub(super) retries: u32,
    /// A redirect to another origin is given back instead of followed.
    pub(super) stay: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, url: Uri) -> Call<'a> {
        let (headers, body) = (Vec::new(), Body::Empty);
        Call { method, url, headers, body, authorization: None, retries: u32::MAX, stay: false }
    }
}

/// The head of an answer, and the way to its body.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) host: String,
    pub(super) url: Uri,
    pub(super) body: Incoming,
}

/// Sends requests. Knows nothing of registries.
pub(super) struct Transport {
    agent: Agent,
    config: Config,
    warned: Mutex<BTreeSet<(String, String)>>,
}

impl Transport {
    pub(super) fn new(config: Config) -> Result<Transport, RegistryError> {
        let tls = TlsConfig::builder().root_certs(roots(&config)?).build();
        let limit = Some(config.idle_timeout);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The environment is the caller's to read, `HTTPS_PROXY` too.
            .proxy(None)
            .accept("")
            .accept_encoding("identity")
            .user_agent(&config.user_agent)
            .tls_config(tls)
            .max_response_header_size(MAX_HEADERS)
            .timeout_resolve(Some(config.connect_timeout))
            .timeout_connect(Some(config.connect_timeout))
            // These two begin again with each read and write of the socket, so a body may take
            // as long as it likes while bytes move. The time-outs of whole bodies stay unset.
            .timeout_per_read(limit)
            .timeout_per_write(limit)
            // A head that comes byte by byte must end some time.
            .timeout_recv_response(Some(config.idle_timeout.saturating_mul(5)))
            .build();
        Ok(Transport { agent: Agent::new_with_config(agent), config, warned: Mutex::default() })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Sends `call` until there is an answer that another try would not change.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let retries = call.retries.min(self.config.retries);
        let mut attempt = 0;
        loop {
            let outcome = self.follow(call);
            let (host, why, asked) = match &outcome {
                Ok(answer) if answer.is_passing() => {
                    let why = format!("status {}", answer.status);
                    (answer.host.clone(), why, retry::asked(&answer.headers))
                }
                Err(error) if error.is_passing() => (host(&call.url), error.to_string(), None),
                _ => return outcome,
            };
            if attempt >= retries {
                return outcome;
            }
            drop(outcome);
            self.pause(host, why, attempt, asked);
            attempt += 1;
        }
    }

    /// The answer that `ask` gets, and the body of a success: at most `cap` bytes, one more when
    /// there are more. Asks again when the body is cut.
    pub(super) fn whole(
        &self,
        cap: u64,
        ask: impl Fn() -> Result<Response, RegistryError>,
    ) -> Result<(Response, Vec<u8>), RegistryError> {
        let mut attempt = 0;
        loop {
            let mut answer = ask()?;
            if !answer.is_success() {
                return Ok((answer, Vec::new()));
            }
            match answer.read(cap) {
                Err(error) if error.is_passing() && attempt < self.config.retries => {
                    self.pause(answer.host, error.to_string(), attempt, None);
                    attempt += 1;
                }
                body => return Ok((answer, body?)),
            }
        }
    }

    /// Waits before another try, and says so.
    pub(super) fn pause(&self, host: String, why: String, attempt: u32, asked: Option<Duration>) {
        let wait = retry::wait(self.config.backoff, attempt, asked);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.config.progress.event(Event::Retry { host, why, wait_ms });
        std::thread::sleep(wait);
    }

    /// One try, with the redirects on its way. No other origin sees the `Authorization`.
    fn follow(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let home = Origin::of(&call.url);
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let at_home = Origin::of(&url) == home;
            let authorization = call.authorization.as_ref().filter(|_| at_home);
            let answer = self.exchange(call, &url, authorization)?;
            let Some(next) = redirect(&call.method, &answer)? else { return Ok(answer) };
            if call.stay && Origin::of(&next) != home {
                return Ok(answer);
            }
            url = next;
        }
        let why = "there are more than five in a row";
        Err(RegistryError::Redirect { host: host(&call.url), why })
    }

    fn exchange(
        &self,
        call: &Call<'_>,
        url: &Uri,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let host = self.allowed(url)?;
        let mut sending = Sending::start(&call.body)?;
        let mut request = Request::builder().method(&call.method).uri(url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if call.method != Method::GET && call.method != Method::HEAD {
            request = request.header("content-length", sending.left);
        }
        if sending.left >= MIN_EXPECT {
            request = request.header("expect", "100-continue");
        }
        let outcome = match call.body {
            Body::Empty => {
                request.body(()).map_err(Into::into).and_then(|request| self.agent.run(request))
            }
            _ => request
                .body(SendBody::from_reader(&mut sending))
                .map_err(Into::into)
                .and_then(|request| self.agent.run(request)),
        };
        if let Some(error) = sending.failed {
            return Err(RegistryError::Content(error));
        }
        let (head, body) = outcome.map_err(|error| failure(&host, &error))?.into_parts();
        self.warn(&host, &head.headers);
        let body = Incoming::new(body.into_reader(), self.config.idle_timeout);
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Response { status, headers, host, url: url.clone(), body })
    }

    /// The host of `url`, if it may be spoken to in that way.
    fn allowed(&self, url: &Uri) -> Result<String, RegistryError> {
        let host = host(url);
        match Origin::of(url) {
            Some(origin) if origin.secure || self.allows_plain(&origin) => Ok(host),
            _ => Err(RegistryError::PlainHttp { host }),
        }
    }

    /// True for this machine and for the hosts that the user named.
    pub(super) fn allows_plain(&self, origin: &Origin) -> bool {
        origin.is_loopback() || self.config.plain_http.iter().any(|entry| origin.is_named_by(entry))
    }

    /// Passes on each `Warning` of the registry once.
    fn warn(&self, host: &str, headers: &HeaderMap) {
        for value in headers.get_all("warning") {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // `299 - "text"`
            let text =
                words(text.split_once('"').map_or(&*text, |(_, rest)| rest.trim_end_matches('"')));
            let key = (host.to_owned(), text);
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() < MAX_WARNINGS && warned.insert(key.clone()) {
                self.config.progress.event(Event::Warning { host: key.0, text: key.1 });
            }
        }
    }
}

/// For messages: never the whole address, which may be signed.
pub(super) fn host(url: &Uri) -> String {
    Origin::of(url).map_or_else(|| "?".to_owned(), |origin| origin.to_string())
}

fn roots(config: &Config) -> Result<RootCerts, RegistryError> {
    let refused = |error: ureq::Error| RegistryError::Authority(words(&error.to_string()));
    let mut roots: Vec<Certificate<'static>> =
        config.ca_der.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    for pem in &config.ca_pem {
        let before = roots.len();
        for item in ureq::tls::parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.map_err(refused)? {
                roots.push(certificate);
            }
        }
        if roots.len() == before {
            return Err(RegistryError::Authority("there is no certificate in the file".into()));
        }
    }
    Ok(RootCerts::new_with_certs(&roots))
}

/// Where an answer sends us; `None` when it is the answer.
fn redirect(method: &Method, answer: &Response) -> Result<Option<Uri>, RegistryError> {
    let refused = |why| Err(RegistryError::Redirect { host: answer.host.clone(), why });
    let reading = *method == Method::GET || *method == Method::HEAD;
    match answer.status {
        307 | 308 => {}
        301..=303 if reading => {}
        301..=303 => return refused("it would turn the request into another one"),
        _ => return Ok(None),
    }
    let Some(next) = answer.location() else { return refused("it leads nowhere") };
    let is_secure = |url: &Uri| url.scheme_str() == Some("https");
    if is_secure(&answer.url) && !is_secure(&next) {
        return refused("it leads from https to http");
    }
    Ok(Some(next))
}

fn failure(host: &str, error: &ureq::Error) -> RegistryError {
    let (host, why) = (host.to_owned(), words(&error.to_string()));
    match error {
        ureq::Error::Timeout(_) => RegistryError::TimedOut { host },
        ureq::Error::Io(inner) if inner.kind() == io::ErrorKind::TimedOut => {
            RegistryError::TimedOut { host }
        }
        // The TLS library's errors come in this kind.
        ureq::Error::Io(inner) if inner.kind() == io::ErrorKind::InvalidData => {
            RegistryError::Tls { host, why: words(&inner.to_string()) }
        }
        ureq::Error::Io(inner) => {
            RegistryError::Unreachable { host, why: words(&inner.to_string()) }
        }
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => RegistryError::Tls { host, why },
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
            RegistryError::Malformed { host, what: "a request".into(), why }
        }
        _ => RegistryError::Unreachable { host, why },
    }
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
    fn read(&mut self, cap: u64) -> Result<Vec<u8>, RegistryError> {
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

    /// The error that this answer to `what` is, with the registry's own words.
    pub(super) fn refusal(mut self, what: &str) -> RegistryError {
        let (status, host, what) = (self.status, self.host.clone(), what.to_owned());
        let why = self.read(MAX_ERROR_BODY).map_or_else(|_| String::new(), |body| own_words(&body));
        let why = if why.is_empty() { format!("status {status}") } else { why };
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
    let Ok(body) = crate::oci::json::parse::<serde_json::Value>(body) else { return String::new() };
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
    fn new(inner: BodyReader<'static>, limit: Duration) -> Incoming {
        Incoming { inner, limit, waited: Duration::ZERO, came: 0 }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let count = self.inner.read(buffer).map_err(plain)?;
        self.waited += start.elapsed();
        self.came += count as u64;
        if self.came >= MIN_PROGRESS {
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

/// The body of a request. The library would wait forever for a body that ends early, and would
/// not tell a failure to read from one to send: both are caught here.
struct Sending<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    failed: Option<io::Error>,
}

impl<'a> Sending<'a> {
    fn start(body: &'a Body<'_>) -> Result<Sending<'a>, RegistryError> {
        let (inner, left): (Box<dyn Read + 'a>, u64) = match *body {
            Body::Empty => (Box::new(io::empty()), 0),
            Body::Bytes(bytes) => (Box::new(bytes), bytes.len() as u64),
            Body::Content { open, from, size } => {
                let mut content = open().map_err(RegistryError::Content)?;
                skip(&mut content, from).map_err(RegistryError::Content)?;
                (content, size.saturating_sub(from))
            }
        };
        Ok(Sending { inner, left, failed: None })
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 && room > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content ends early"));
        }
        self.left -= count as u64;
        // The end of the content is where a verifying reader speaks up: before the last bytes go.
        if self.left == 0 && count > 0 && self.inner.read(&mut [0])? > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the content goes on"));
        }
        Ok(count)
    }
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

/// Reads `count` bytes and forgets them.
pub(super) fn skip(reader: &mut dyn Read, count: u64) -> io::Result<()> {
    match io::copy(&mut reader.take(count), &mut io::sink())? {
        skipped if skipped == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
