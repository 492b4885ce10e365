//! One request: its tries, its redirects, its limits.
//!
//! Withstands: a host that accepts and says nothing, an answer that crawls or never ends, headers
//! without end, redirects in a circle, to plain http, or to another host (which never sees the
//! `Authorization`), bodies of errors of any size, a request to plain http where that is not
//! allowed (refused before anything is sent). Source: RFC 9110; distribution-spec 1.1.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, Proxy, SendBody};

use super::answer::{Incoming, Response};
use super::error::words;
use super::pace::{MAX_AT_ONCE, Pace};
use super::proxy::Ways;
use super::tls::TlsConnector;
use super::url::Origin;
use super::{Config, RegistryError, retry};
use crate::report::Event;

const MAX_REDIRECTS: usize = 5;
const MAX_HEADERS: usize = 64 * 1024;
/// Warnings that are remembered so that each is passed on once.
const MAX_WARNINGS: usize = 100;
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

/// Sends requests. Knows nothing of registries.
pub(super) struct Transport {
    direct: Agent,
    https: Agent,
    http: Agent,
    ways: Ways,
    tls: TlsConnector,
    config: Config,
    pace: Pace,
    warned: Mutex<BTreeSet<(String, String)>>,
}

impl Transport {
    pub(super) fn new(config: Config) -> Result<Transport, RegistryError> {
        let (tls, ways) = (TlsConnector::new(&config)?, Ways::new(&config.proxies)?);
        let agent = |proxy: Option<&Proxy>| agent(&config, &tls, proxy.cloned());
        let direct = agent(None);
        let (https, http) = (agent(ways.https.as_ref()), agent(ways.http.as_ref()));
        let (pace, warned) = (Pace::default(), Mutex::default());
        Ok(Transport { direct, https, http, ways, tls, config, pace, warned })
    }

    /// From now on this is a registry, which may see our certificate.
    pub(super) fn add_registry(&self, origin: &Origin) {
        self.tls.add_registry(origin);
    }

    /// Who carries a request there: directly, or through a proxy.
    fn agent(&self, url: &Uri) -> &Agent {
        match url.scheme_str() {
            _ if self.ways.is_direct(url) => &self.direct,
            Some("https") => &self.https,
            _ => &self.http,
        }
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
                    let asked = retry::asked(&answer.headers);
                    if let Some(asked) = asked {
                        let wait = retry::wait(self.config.backoff, attempt, Some(asked));
                        self.pace.hold(&answer.host, wait);
                    }
                    (answer.host.clone(), format!("status {}", answer.status), asked)
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
        self.pace.wait(&host);
        // Content may itself come from this host while it is sent; it waits for no other's turn.
        let turn = (!matches!(call.body, Body::Content { .. })).then(|| self.pace.enter(&host));
        let agent = self.agent(url);
        let outcome = match call.body {
            Body::Empty => {
                request.body(()).map_err(Into::into).and_then(|request| agent.run(request))
            }
            _ => request
                .body(SendBody::from_reader(&mut sending))
                .map_err(Into::into)
                .and_then(|request| agent.run(request)),
        };
        drop(turn);
        if let Some(error) = sending.failed {
            return Err(RegistryError::Content(error));
        }
        let (head, body) = outcome.map_err(|error| failure(&host, error))?.into_parts();
        self.pass_warnings(&host, &head.headers);
        if let Some(words) = self.pace.hear(&host, &head.headers) {
            self.warn(&host, &words);
        }
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

    /// Passes on the registry's own warnings: `299 - "text"`.
    fn pass_warnings(&self, host: &str, headers: &HeaderMap) {
        for value in headers.get_all("warning") {
            let text = String::from_utf8_lossy(value.as_bytes());
            let quoted = text.split_once('"').map(|(_, rest)| rest.trim_end_matches('"'));
            self.warn(host, quoted.unwrap_or(&text));
        }
    }

    /// Says so, once for each host and text.
    pub(super) fn warn(&self, host: &str, text: &str) {
        let (host, text) = (host.to_owned(), words(text));
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNINGS && warned.insert((host.clone(), text.clone())) {
            self.config.progress.event(Event::Warning { host, text });
        }
    }
}

/// The HTTP library, set up so that all rules are ours.
fn agent(config: &Config, tls: &TlsConnector, proxy: Option<Proxy>) -> Agent {
    let limit = Some(config.idle_timeout);
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // The environment is the caller's to read, `HTTPS_PROXY` too.
        .proxy(proxy)
        .accept("")
        .accept_encoding("identity")
        .user_agent(&config.user_agent)
        .max_response_header_size(MAX_HEADERS)
        .max_idle_connections(MAX_AT_ONCE)
        .max_idle_connections_per_host(MAX_AT_ONCE)
        .timeout_resolve(Some(config.connect_timeout))
        .timeout_connect(Some(config.connect_timeout))
        // These two begin again with each read and write of the socket, so a body may take as long
        // as it likes while bytes move. The time-outs of whole bodies stay unset.
        .timeout_per_read(limit)
        .timeout_per_write(limit)
        // A head that comes byte by byte must end some time.
        .timeout_recv_response(Some(config.idle_timeout.saturating_mul(5)))
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(tls.clone());
    Agent::with_parts(agent, connector, DefaultResolver::default())
}

/// For messages: never the whole address, which may be signed.
pub(super) fn host(url: &Uri) -> String {
    Origin::of(url).map_or_else(|| "?".to_owned(), |origin| origin.to_string())
}

/// Where an answer sends us; `None` when it is the answer.
fn redirect(method: &Method, answer: &Response) -> Result<Option<Uri>, RegistryError> {
    next_address(method, answer.status, &answer.url, answer.location())
        .map_err(|why| RegistryError::Redirect { host: answer.host.clone(), why })
}

fn next_address(
    method: &Method,
    status: u16,
    from: &Uri,
    location: Option<Uri>,
) -> Result<Option<Uri>, &'static str> {
    let reading = *method == Method::GET || *method == Method::HEAD;
    match status {
        307 | 308 => {}
        301..=303 if reading => {}
        301..=303 => return Err("it would turn the request into another one"),
        _ => return Ok(None),
    }
    let next = location.ok_or("it leads nowhere")?;
    let is_secure = |url: &Uri| url.scheme_str() == Some("https");
    if is_secure(from) && !is_secure(&next) {
        return Err("it leads from https to http");
    }
    Ok(Some(next))
}

fn failure(host: &str, error: ureq::Error) -> RegistryError {
    let (host, why) = (host.to_owned(), words(&error.to_string()));
    match error {
        // Our own, out of the TLS connector.
        ureq::Error::Other(inner) => match inner.downcast::<RegistryError>() {
            Ok(own) => *own,
            Err(_) => RegistryError::Unreachable { host, why },
        },
        // One that is overloaded, or does not reach the registry, may do so next time.
        ureq::Error::ConnectProxyFailed(said) => match said.contains(" 5") {
            true => RegistryError::Unreachable { host, why: words(&said) },
            false => RegistryError::Tunnel { host, why: words(&said) },
        },
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
        if self.left == 0 && count > 0 {
            end(&mut self.inner)?;
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

/// Makes sure that nothing follows.
pub(super) fn end(reader: &mut dyn Read) -> io::Result<()> {
    match reader.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the content goes on")),
    }
}

/// Reads `count` bytes and forgets them.
pub(super) fn skip(reader: &mut dyn Read, count: u64) -> io::Result<()> {
    match io::copy(&mut reader.take(count), &mut io::sink())? {
        skipped if skipped == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_down_to_http() {
        let url = |text: &str| -> Uri { text.parse().unwrap() };
        let (secure, plain) = (url("https://a/"), url("http://a/"));
        let next = |from: &Uri, to: &Uri| next_address(&Method::GET, 302, from, Some(to.clone()));
        assert_eq!(next(&secure, &plain), Err("it leads from https to http"));
        assert_eq!(next(&plain, &secure), Ok(Some(secure.clone())));
        assert_eq!(next(&secure, &secure), Ok(Some(secure.clone())));
    }

    #[test]
    fn a_redirect_never_turns_a_request_into_another() {
        let there: Uri = "https://a/".parse().unwrap();
        let next = |status| next_address(&Method::PUT, status, &there, Some(there.clone()));
        assert_eq!(next(307), Ok(Some(there.clone())));
        assert!(next(302).is_err());
        assert_eq!(next(304), Ok(None));
    }
}
