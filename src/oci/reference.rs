//! Image references: `[host[:port]/]path[:tag][@digest]`, with docker's normalisation.
//!
//! Withstands: path tricks (`..`, empty components), control characters, over-long names, hosts
//! that are not hosts. Source: distribution's reference grammar and the distribution-spec's
//! `<name>` and `<reference>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::digest::Digest;

const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;
const DOCKER_HUB: &str = "docker.io";

/// A text that is not a reference, repository or tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {}", .text.escape_debug())]
pub struct InvalidReference {
    /// `image reference`, `repository` or `tag`.
    pub what: &'static str,
    /// The text, cut to 200 characters.
    pub text: String,
}

fn invalid(what: &'static str, text: &str) -> InvalidReference {
    InvalidReference { what, text: text.chars().take(200).collect() }
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Tag, InvalidReference> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let fits = (1..=MAX_TAG).contains(&text.len())
            && text.starts_with(word)
            && text.chars().all(|c| word(c) || c == '.' || c == '-');
        if fits { Ok(Tag(text.to_owned())) } else { Err(invalid("tag", text)) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tag, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A repository at a registry: `host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// A repository of exactly these parts; no normalisation.
    ///
    /// # Errors
    /// [`InvalidReference`] when one of them is malformed.
    pub fn new(host: &str, path: &str) -> Result<Repository, InvalidReference> {
        let text = format!("{host}/{path}");
        let fits =
            is_host(host) && path.split('/').all(is_component) && text.len() <= MAX_REPOSITORY;
        if !fits {
            return Err(invalid("repository", &text));
        }
        Ok(Repository { host: host.to_owned(), path: path.to_owned() })
    }

    /// The registry: host and, if given, port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path at the registry: the distribution-spec's `<name>`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// A name of an image: a repository and a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Where.
    pub repository: Repository,
    /// Under which tag, if any.
    pub tag: Option<Tag>,
    /// Which content, if pinned.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same repository with another tag and no digest.
    pub fn with_tag(&self, tag: Tag) -> Reference {
        Reference { repository: self.repository.clone(), tag: Some(tag), digest: None }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    /// Reads a reference as docker does: `busybox` is `docker.io/library/busybox:latest`.
    fn from_str(text: &str) -> Result<Reference, InvalidReference> {
        let bad = || invalid("image reference", text);
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (host, rest) = split_host(rest);
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag.parse().map_err(|_| bad())?)),
            None => (rest, None),
        };
        let path = match host == DOCKER_HUB && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        let tag = match (tag, digest) {
            (None, None) => Some(Tag("latest".to_owned())),
            (tag, _) => tag,
        };
        let repository = Repository::new(host, &path).map_err(|_| bad())?;
        Ok(Reference { repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The first component is a host if it has a dot, a colon or an upper-case letter, or is
/// `localhost`; else the image is on Docker Hub.
fn split_host(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.contains(|c: char| c.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, text),
    }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let (name, port) = match text.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or(""))),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let name_fits = match text.starts_with('[') {
        true => name.parse::<std::net::Ipv6Addr>().is_ok(),
        false => name.split('.').all(label),
    };
    let port_fits = port
        .is_none_or(|port| port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok());
    name_fits && port_fits
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-');
    text.starts_with(plain) && text.ends_with(plain) && text.split(plain).all(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_as_docker_does() {
        for (text, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.35", "docker.io/library/busybox:1.35"),
            ("a/b", "docker.io/a/b:latest"),
            ("index.docker.io/a:1", "docker.io/library/a:1"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:b", "localhost:5000/a:b"),
            ("ghcr.io/a/b__c/d-e.f:V1", "ghcr.io/a/b__c/d-e.f:V1"),
            ("[::1]:5000/x:y", "[::1]:5000/x:y"),
            ("Host/x", "Host/x:latest"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), full, "{text}");
        }
        let pinned = format!("quay.io/a@{}", Digest::of(b""));
        assert_eq!(pinned.parse::<Reference>().unwrap().to_string(), pinned);
    }

    #[test]
    fn refuses_what_is_no_reference() {
        let long = format!("quay.io/{}", "a/".repeat(150) + "a");
        for text in [
            "",
            "/",
            "a//b",
            "a/../b",
            "UPPER",
            "quay.io/Upper",
            "a:",
            "a:b:c",
            "a@sha256:1",
            "quay.io/a b",
            "quay.io/a\n",
            "-x/a",
            "a.-b/c",
            "host:99999/a",
            "host:/a:b",
            "a/b_.c",
            "[::1/x",
            "[x]/y",
            "quay.io/a:\u{1b}[0m",
            "quay.io/",
            &long,
            "a:.b",
            ".",
            "..",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
