//! Who asks: challenges, tokens, and where they may go.
//!
//! Withstands: a challenge that is malformed, without end, or that names a token server in plain
//! http (which would see the password); a token answer that is large, or holds no token or one
//! with control characters. Credentials go to the registry that they are for, or to the realm that
//! it named itself, and a token to the registry that it is for. Source: distribution-spec 1.1;
//! distribution's token authentication; RFC 9110, section 11.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use ureq::http::{HeaderValue, Method, Uri};

use super::RegistryError;
use super::answer::Response;
use super::credentials::{Hidden, Known, Secret};
use super::error::words;
use super::helper::Helpers;
use super::transport::{Body, Call, Transport};
use super::url::{Origin, encode, resolve, with_query};
use crate::oci::{Repository, json};

const MAX_TOKEN_ANSWER: u64 = 64 * 1024;
/// A token without a stated life has this one (distribution's token authentication).
const DEFAULT_LIFE: u64 = 60;
/// A token is replaced this long before it ends: the request that carries it takes time.
const MARGIN: Duration = Duration::from_secs(10);

/// What a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) repository: Repository,
    pub(super) push: bool,
    /// A repository at the same registry that is read from as well.
    pub(super) from: Option<String>,
    /// The list of repositories, and none of them.
    pub(super) catalog: bool,
}

impl Scope {
    pub(super) fn pull(repository: &Repository) -> Scope {
        Scope { repository: repository.clone(), push: false, from: None, catalog: false }
    }

    pub(super) fn push(repository: &Repository) -> Scope {
        Scope { push: true, ..Scope::pull(repository) }
    }

    /// The list of repositories at the registry of `repository`.
    pub(super) fn catalog(repository: &Repository) -> Scope {
        Scope { catalog: true, ..Scope::pull(repository) }
    }

    fn parameters(&self) -> Vec<String> {
        if self.catalog {
            return vec!["registry:catalog:*".to_owned()];
        }
        let actions = if self.push { "pull,push" } else { "pull" };
        let mut scopes = vec![format!("repository:{}:{actions}", self.repository.path())];
        scopes.extend(self.from.as_ref().map(|from| format!("repository:{from}:pull")));
        scopes
    }
}

/// How a registry wants to be shown who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

struct Token {
    header: HeaderValue,
    until: Instant,
}

/// One token for each scope: tokens for many repositories outgrow what registries take in a header.
#[derive(Default)]
pub(super) struct Auth {
    challenges: Mutex<HashMap<Origin, Challenge>>,
    tokens: Mutex<HashMap<(Origin, Scope), Token>>,
    helpers: Helpers,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    /// What to send to `registry` for `scope`: nothing before it asked.
    pub(super) fn header(
        &self,
        transport: &Transport,
        registry: &Origin,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let challenge = lock(&self.challenges).get(registry).cloned();
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(match self.secret(transport, scope)? {
                Some(Secret::Basic { user, password }) => Some(basic(&user, &password)),
                _ => None,
            }),
            Some(Challenge::Bearer { realm, service }) => {
                let key = (registry.clone(), scope.clone());
                if let Some(token) = lock(&self.tokens).get(&key) {
                    if Instant::now() < token.until {
                        return Ok(Some(token.header.clone()));
                    }
                }
                let secret = self.secret(transport, scope)?;
                let asked = Asked { registry, scope, service: service.as_deref(), secret };
                let token = fetch(transport, &realm, &asked)?;
                let header = token.header.clone();
                lock(&self.tokens).insert(key, token);
                Ok(Some(header))
            }
        }
    }

    /// What proves who asks; `None` for anybody.
    fn secret(
        &self,
        transport: &Transport,
        scope: &Scope,
    ) -> Result<Option<Secret>, RegistryError> {
        match transport.config().credentials.find(&scope.repository) {
            Known::Nothing => Ok(None),
            Known::Secret(secret) => Ok(Some(secret)),
            Known::Helper(helper) => self.helpers.ask(&helper).map_err(|why| {
                let (host, helper) = (scope.repository.host().to_owned(), words(&helper.name));
                RegistryError::CredentialHelper { host, helper, why }
            }),
        }
    }

    /// The error of an answer that says "not you", told from what we could show.
    pub(super) fn unauthorised(
        &self,
        transport: &Transport,
        scope: &Scope,
        answer: Response,
        what: &str,
    ) -> RegistryError {
        let secret = || self.secret(transport, scope);
        // A helper that failed was there; its failure was told when it was needed.
        let credentials = answer.status == 401 && secret().map_or(true, |it| it.is_some());
        told(answer, what, credentials)
    }

    /// Takes the challenge out of a 401. False when nothing can be done about it.
    pub(super) fn learn(
        &self,
        transport: &Transport,
        registry: &Origin,
        scope: &Scope,
        answer: &Response,
    ) -> Result<bool, RegistryError> {
        lock(&self.tokens).remove(&(registry.clone(), scope.clone()));
        let is_new = !lock(&self.challenges).contains_key(registry);
        if let (Known::Helper(helper), false) =
            (transport.config().credentials.find(&scope.repository), is_new)
        {
            self.helpers.forget(&helper);
        }
        let found: Vec<Challenge> = answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenges)
            .collect();
        let bearer = found.iter().find(|one| matches!(one, Challenge::Bearer { .. }));
        let Some(challenge) = bearer.or(found.first()) else { return Ok(false) };
        if *challenge == Challenge::Basic
            && !matches!(self.secret(transport, scope)?, Some(Secret::Basic { .. }))
        {
            return Ok(false);
        }
        lock(&self.challenges).insert(registry.clone(), challenge.clone());
        Ok(true)
    }
}

/// The error that `answer` is, where it was known whether there are credentials.
fn told(answer: Response, what: &str, credentials: bool) -> RegistryError {
    match answer.refusal(what) {
        RegistryError::Unauthorised { host, what, why, .. } => {
            RegistryError::Unauthorised { host, what, why, credentials }
        }
        error => error,
    }
}

/// Who asks for a token, and for what.
struct Asked<'a> {
    registry: &'a Origin,
    scope: &'a Scope,
    service: Option<&'a str>,
    secret: Option<Secret>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn basic(user: &str, password: &str) -> HeaderValue {
    let text = Hidden::new(format!("{user}:{password}"));
    secret(&format!("Basic {}", BASE64.encode(text.as_bytes())))
        .expect("base64 is made of characters that a header may hold")
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Asks the realm for a token: as whoever the credentials say, or as nobody.
fn fetch(transport: &Transport, realm: &str, by: &Asked<'_>) -> Result<Token, RegistryError> {
    let Asked { registry, scope, service, secret } = by;
    let malformed = |why: &str| RegistryError::Malformed {
        host: registry.to_string(),
        what: "its challenge".into(),
        why: why.into(),
    };
    let realm = realm_url(transport, registry, realm)
        .ok_or_else(|| malformed("the realm is no address that a password may go to"))?;
    let asked = Instant::now();
    let form;
    let mut call = match secret {
        Some(Secret::Identity(token)) => {
            form = refresh_form(scope, *service, token);
            refresh(realm, &form)
        }
        _ => {
            let url = token_url(realm, scope, *service);
            Call::new(Method::GET, url.ok_or_else(|| malformed("the realm is too long"))?)
        }
    };
    if let Some(Secret::Basic { user, password }) = secret {
        call.authorization = Some(basic(user, password));
    }
    let (answer, body) = transport.whole(MAX_TOKEN_ANSWER, || transport.send(&call))?;
    let what = format!("a token for {}", scope.repository);
    if !answer.is_success() {
        return Err(told(answer, &what, secret.is_some()));
    }
    read_token(&body, asked).ok_or_else(|| {
        let why = "it holds no token".into();
        RegistryError::Malformed { host: answer.host, what, why }
    })
}

fn token_url(realm: Uri, scope: &Scope, service: Option<&str>) -> Option<Uri> {
    let service = service.map(|service| ("service", service.to_owned()));
    let scopes = scope.parameters().into_iter().map(|scope| ("scope", scope));
    service
        .into_iter()
        .chain(scopes)
        .try_fold(realm, |url, (name, value)| with_query(&url, name, &value))
}

/// https; or plain http where the registry itself is spoken to so, and the realm may be too.
fn realm_url(transport: &Transport, registry: &Origin, realm: &str) -> Option<Uri> {
    let url: Uri = realm.parse().ok()?;
    let origin = Origin::of(&url)?;
    let fits = origin.secure || (!registry.secure && transport.allows_plain(&origin));
    // `resolve` cuts a fragment off and applies the cap on length.
    resolve(&url, realm).filter(|_| fits)
}

/// OAuth2, as registries with identity tokens speak it.
fn refresh_form(scope: &Scope, service: Option<&str>, token: &str) -> Hidden {
    Hidden::new(format!(
        "grant_type=refresh_token&client_id=gapferry&service={}&scope={}&refresh_token={}",
        encode(service.unwrap_or_default()),
        encode(&scope.parameters().join(" ")),
        encode(token),
    ))
}

fn refresh(realm: Uri, form: &Hidden) -> Call<'_> {
    let mut call = Call::new(Method::POST, realm);
    call.headers.push(("content-type", "application/x-www-form-urlencoded".into()));
    call.body = Body::Bytes(form.as_bytes());
    // The token is in the body, which a redirect would carry elsewhere.
    call.stay = true;
    call
}

fn read_token(body: &[u8], asked: Instant) -> Option<Token> {
    if body.len() as u64 > MAX_TOKEN_ANSWER {
        return None;
    }
    let answer: Answer = json::parse(body).ok()?;
    let both =
        [answer.token, answer.access_token].map(|token| Hidden::new(token.unwrap_or_default()));
    let token = both.iter().find(|token| !token.is_empty())?;
    let header = secret(&Hidden::new(format!("Bearer {}", token.as_str())))?;
    let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(1, 86_400));
    // A token with a short life is used for at least half of it.
    let until = asked + life.saturating_sub(MARGIN).max(life / 2);
    Some(Token { header, until })
}

/// The challenges of one header: `Bearer realm="…",service="…", Basic realm="…"`.
fn challenges(text: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in split_quoted(text) {
        // A part begins a challenge when a word stands before the parameter, or alone.
        let (scheme, parameter) = match part.split_once([' ', '=']) {
            Some((scheme, rest)) if part.as_bytes().get(scheme.len()) == Some(&b' ') => {
                (Some(scheme), rest.trim())
            }
            Some(_) => (None, part),
            None => (Some(part), ""),
        };
        if let Some(scheme) = scheme {
            found.push((scheme.to_ascii_lowercase(), Vec::new()));
        }
        if let (Some((_, parameters)), Some((name, value))) =
            (found.last_mut(), parameter.split_once('='))
        {
            parameters.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    found.into_iter().filter_map(|(scheme, parameters)| challenge(&scheme, parameters)).collect()
}

fn challenge(scheme: &str, mut parameters: Vec<(String, String)>) -> Option<Challenge> {
    let mut take = |name: &str| {
        let at = parameters.iter().position(|(found, value)| found == name && !value.is_empty())?;
        Some(parameters.swap_remove(at).1)
    };
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: take("realm")?, service: take("service") }),
        _ => None,
    }
}

/// The parts between commas that are not in quotes.
fn split_quoted(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let was_escaped = escaped;
        escaped = quoted && !was_escaped && c == '\\';
        quoted ^= c == '"' && !was_escaped;
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = !escaped && *c == '\\';
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[test]
    fn reads_challenges() {
        for (text, found) in [
            ("Basic realm=\"x\"", vec![Challenge::Basic]),
            ("BASIC", vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://a.test/t?x=1,2",service="s p",scope="repository:a:pull,push""#,
                vec![bearer("https://a.test/t?x=1,2", Some("s p"))],
            ),
            (
                r#"Negotiate, Basic realm="q\"uo,ted", bearer  Realm = "https://b" , error=x"#,
                vec![Challenge::Basic, bearer("https://b", None)],
            ),
            ("bearer realm=https://b,service=\"\"", vec![bearer("https://b", None)]),
            ("Bearer service=\"s\"", vec![]),
            ("Bearer realm=\"", vec![]),
            ("", vec![]),
            (",=,\",\\", vec![]),
        ] {
            assert_eq!(challenges(text), found, "{text}");
        }
    }

    #[test]
    fn reads_tokens() {
        let now = Instant::now();
        let read = |text: &str| read_token(text.as_bytes(), now);
        let token = read(r#"{"token":"a","access_token":"b","expires_in":300}"#).unwrap();
        assert_eq!(token.header, "Bearer a");
        assert_eq!(token.until, now + Duration::from_secs(290));
        let token = read(r#"{"token":"","access_token":"b"}"#).unwrap();
        assert_eq!(token.header, "Bearer b");
        assert!(!format!("{:?}", token.header).contains('b'));
        for bad in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":5}"#] {
            assert!(read(bad).is_none(), "{bad}");
        }
        let large = format!(r#"{{"token":"{}"}}"#, "a".repeat(64 * 1024));
        assert!(read(&large).is_none());
    }
}
