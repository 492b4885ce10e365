//! Credentials: docker's `config.json` and the containers project's `auth.json`, as text.
//!
//! Withstands: files of other programs' making with unknown parts, bad base64, users without a
//! password. Secrets are wiped from memory when dropped and never shown. Source: docker's
//! `cli/config`, containers-auth.json(5).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::oci::Repository;

/// The user under which some registries' helpers hand out an identity token.
const TOKEN_USER: &str = "<token>";
const DOCKER_HUB: &str = "docker.io";
/// Under this name docker keeps what is for its Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What is known of whom to be, by host and by namespace.
#[derive(Clone, Default)]
pub struct Credentials {
    entries: BTreeMap<String, Secret>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Text that is wiped when dropped.
pub(super) type Hidden = Zeroizing<String>;

/// A proof of who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// A user and a password.
    Basic { user: String, password: Hidden },
    /// An OAuth2 refresh token.
    Identity(Hidden),
}

/// What is known for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Secret(Secret),
    /// A program knows.
    Helper(Helper),
}

/// A program that keeps credentials, and what it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Helper {
    /// Its short name: the program is `docker-credential-<name>`.
    pub(super) name: String,
    /// The registry, as the program knows it.
    pub(super) server: String,
}

/// Why a credential file is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Not JSON of that form. The position only: the text may hold secrets.
    #[error("the credential file is malformed at line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An `auth` that is not base64 of `user:password`.
    #[error("the credentials for {} are not base64 of user:password", .0.escape_debug())]
    Auth(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Credentials {
    /// Reads the text of a `config.json` or `auth.json`.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn parse(text: &[u8]) -> Result<Credentials, CredentialsError> {
        let file: File = serde_json::from_slice(text).map_err(|error| CredentialsError::Json {
            line: error.line(),
            column: error.column(),
        })?;
        let mut entries = BTreeMap::new();
        for (key, entry) in file.auths {
            if let Some(secret) = entry.secret().ok_or_else(|| bad_auth(&key))? {
                entries.insert(normal(&key), secret);
            }
        }
        let helpers = file.cred_helpers.into_iter().map(|(key, name)| (normal(&key), name));
        let store = file.creds_store.filter(|name| !name.is_empty());
        Ok(Credentials { entries, helpers: helpers.collect(), store })
    }

    /// Adds a user for `key`, a host or a namespace `host/path`; replaces what was known for it.
    pub fn insert(&mut self, key: &str, user: &str, password: &str) {
        self.entries.insert(normal(key), secret(user, password.to_owned().into()));
    }

    /// Takes from `other` what is not known yet.
    pub fn extend(&mut self, other: Credentials) {
        for (key, secret) in other.entries {
            self.entries.entry(key).or_insert(secret);
        }
        for (key, helper) in other.helpers {
            self.helpers.entry(key).or_insert(helper);
        }
        self.store = self.store.take().or(other.store);
    }

    /// The longest key that holds `repository` decides. A host's helper comes before an entry for
    /// the host, as docker has it; the store for all hosts comes last, for an entry that was
    /// written out is not in it.
    pub(super) fn find(&self, repository: &Repository) -> Known {
        let host = normal(repository.host());
        let full = format!("{host}/{}", repository.path());
        let mut key = full.as_str();
        loop {
            // An empty name says that no helper is to be asked.
            if let Some(name) = self.helpers.get(key).filter(|name| !name.is_empty()) {
                return Known::Helper(Helper::new(name, key));
            }
            if let Some(secret) = self.entries.get(key) {
                return Known::Secret(secret.clone());
            }
            match key.rsplit_once('/') {
                Some((shorter, _)) => key = shorter,
                None => break,
            }
        }
        let store = self.store.as_ref();
        store.map_or(Known::Nothing, |name| Known::Helper(Helper::new(name, &host)))
    }
}

impl Helper {
    fn new(name: &str, key: &str) -> Helper {
        let server = if key == DOCKER_HUB { DOCKER_HUB_KEY } else { key };
        Helper { name: name.to_owned(), server: server.to_owned() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.entries.keys().collect();
        f.debug_struct("Credentials").field("keys", &keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Entry {
    /// `Some(None)` for an entry that says nothing (docker writes these beside a store); `None`
    /// for one that cannot be read.
    fn secret(self) -> Option<Option<Secret>> {
        if let Some(token) = self.identitytoken.filter(|token| !token.is_empty()) {
            return Some(Some(Secret::Identity(token.into())));
        }
        if let Some(auth) = self.auth.filter(|auth| !auth.is_empty()).map(Hidden::new) {
            let decoded = Zeroizing::new(BASE64.decode(auth.trim()).ok()?);
            let text = std::str::from_utf8(&decoded).ok()?;
            let (user, password) = text.split_once(':')?;
            // Docker's own files have been seen to end in NUL.
            let password = password.trim_end_matches('\0').to_owned();
            return Some(Some(secret(user, password.into())));
        }
        let (Some(user), Some(password)) = (self.username, self.password) else {
            return Some(None);
        };
        Some(Some(secret(&user, password.into())))
    }
}

/// A user's proof; some users are none, but the mark of an OAuth2 refresh token.
pub(super) fn secret(user: &str, password: Hidden) -> Secret {
    match user {
        TOKEN_USER => Secret::Identity(password),
        _ => Secret::Basic { user: user.to_owned(), password },
    }
}

fn bad_auth(key: &str) -> CredentialsError {
    CredentialsError::Auth(key.chars().take(100).collect())
}

/// Keys are written as hosts, as namespaces and, by docker, as addresses with an API version.
fn normal(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = match bare.unwrap_or(key).split_once('/') {
        // The path of an address is that of the API, not a namespace.
        Some((host, path)) if bare.is_none() => (host, path.trim_matches('/')),
        Some((host, _)) => (host, ""),
        None => (bare.unwrap_or(key), ""),
    };
    let host = match host.to_ascii_lowercase() {
        host if ["index.docker.io", "registry-1.docker.io"].contains(&host.as_str()) => {
            DOCKER_HUB.to_owned()
        }
        host => host,
    };
    if path.is_empty() || path == "v1" || path == "v2" { host } else { format!("{host}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(credentials: &Credentials, host: &str, path: &str) -> Known {
        credentials.find(&Repository::new(host, path).unwrap())
    }

    fn user(name: &str, password: &str) -> Known {
        Known::Secret(secret(name, password.to_owned().into()))
    }

    #[test]
    fn reads_every_form_of_entry() {
        let text = format!(
            r#"{{"auths":{{
            "https://index.docker.io/v1/":{{"auth":"{}"}},
            "Ghcr.io":{{"username":"u","password":"p:q"}},
            "acr.test":{{"auth":"{}"}},
            "id.test":{{"auth":"{}","identitytoken":"tok"}},
            "empty.test":{{}}}},"HttpHeaders":{{"x":"y"}}}}"#,
            BASE64.encode("hub:secret"),
            BASE64.encode("<token>:refresh"),
            BASE64.encode("x:"),
        );
        let it = Credentials::parse(text.as_bytes()).unwrap();
        assert_eq!(find(&it, "docker.io", "library/a"), user("hub", "secret"));
        assert_eq!(find(&it, "ghcr.io", "a/b"), user("u", "p:q"));
        let identity = |token: &str| Known::Secret(Secret::Identity(token.to_owned().into()));
        assert_eq!(find(&it, "acr.test", "a"), identity("refresh"));
        assert_eq!(find(&it, "id.test", "a"), identity("tok"));
        assert_eq!(find(&it, "empty.test", "a"), Known::Nothing);
        assert_eq!(find(&it, "other.test", "a"), Known::Nothing);
    }

    #[test]
    fn the_longest_namespace_wins() {
        let mut it = Credentials::default();
        it.insert("quay.test:5000", "host", "1");
        it.insert("quay.test:5000/org", "org", "2");
        it.insert("quay.test:5000/org/app", "app", "3");
        assert_eq!(find(&it, "quay.test:5000", "org/app"), user("app", "3"));
        assert_eq!(find(&it, "quay.test:5000", "org/app/sub"), user("app", "3"));
        assert_eq!(find(&it, "quay.test:5000", "org/apple"), user("org", "2"));
        assert_eq!(find(&it, "quay.test:5000", "organ/app"), user("host", "1"));
        assert_eq!(find(&it, "quay.test", "org/app"), Known::Nothing);
    }

    #[test]
    fn helpers_are_named_and_written_entries_beat_the_store() {
        let text = r#"{"auths":{"a.test":{"username":"u","password":"p"},"b.test":{}},
            "credHelpers":{"c.test":"ecr-login"},"credsStore":"desktop"}"#;
        let it = Credentials::parse(text.as_bytes()).unwrap();
        assert_eq!(find(&it, "a.test", "x"), user("u", "p"));
        let helper = |name, key| Known::Helper(Helper::new(name, key));
        assert_eq!(find(&it, "b.test", "x"), helper("desktop", "b.test"));
        assert_eq!(find(&it, "c.test", "x"), helper("ecr-login", "c.test"));
        let hub = Known::Helper(Helper { name: "desktop".into(), server: DOCKER_HUB_KEY.into() });
        assert_eq!(find(&it, "docker.io", "library/x"), hub);
    }

    #[test]
    fn a_namespace_may_have_a_helper_or_none() {
        let text = r#"{"credHelpers":{"quay.io/org":"one","quay.io":"two","c.test":""},
            "auths":{"c.test":{"username":"u","password":"p"}}}"#;
        let it = Credentials::parse(text.as_bytes()).unwrap();
        let helper = |name, key| Known::Helper(Helper::new(name, key));
        assert_eq!(find(&it, "quay.io", "org/app"), helper("one", "quay.io/org"));
        assert_eq!(find(&it, "quay.io", "other/app"), helper("two", "quay.io"));
        assert_eq!(find(&it, "c.test", "x"), user("u", "p"));
    }

    #[test]
    fn what_is_known_first_stays() {
        let mut it = Credentials::default();
        it.insert("a.test", "first", "1");
        let mut other = Credentials::default();
        other.insert("a.test", "second", "2");
        other.insert("b.test", "second", "2");
        it.extend(other);
        assert_eq!(find(&it, "a.test", "x"), user("first", "1"));
        assert_eq!(find(&it, "b.test", "x"), user("second", "2"));
    }

    #[test]
    fn refuses_what_it_cannot_read_and_shows_no_secret() {
        let broken = Credentials::parse(br#"{"auths":{"a":{"password":hunter2}}}"#).unwrap_err();
        assert!(matches!(broken, CredentialsError::Json { line: 1, .. }));
        assert!(!format!("{broken} {broken:?}").contains("hunter2"));
        for auth in ["!!", "aHVudGVyMg=="] {
            let text = format!(r#"{{"auths":{{"a.test":{{"auth":"{auth}"}}}}}}"#);
            let error = Credentials::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(&error, CredentialsError::Auth(key) if key == "a.test"), "{error}");
        }
        let mut it = Credentials::default();
        it.insert("a.test", "someone", "hunter2");
        let shown = format!("{it:?} {:?}", find(&it, "a.test", "x"));
        assert!(!shown.contains("hunter2") && !shown.contains("someone"), "{shown}");
    }
}
