//! Configuration that is there already: which registry would be asked for an image, under which name.
//!
//! Follows what the tools do with their files, as far as that decides where a pull goes; what has no
//! part in that is passed over. Withstands: files of any size, duplicate keys, deep nesting, YAML
//! that grows by its aliases, regular expressions of any size.

mod containerd;
mod containers;
mod k3s;

use serde::Serialize;

use super::Form;
use crate::oci::{Digest, Reference, Repository, Tag};

/// The largest file of configuration, in bytes.
pub const MAX_CONFIG_SIZE: u64 = 1024 * 1024;

/// A file of configuration that makes no sense. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.escape_debug())]
pub struct ConfigError(String);

impl ConfigError {
    fn new(what: impl ToString) -> ConfigError {
        ConfigError(what.to_string().chars().take(300).collect())
    }
}

/// What the machines of one form are configured with.
#[derive(Debug)]
pub enum Config {
    /// Each host's `hosts.toml`.
    Containerd(containerd::Hosts),
    /// `registries.conf` and its drop-ins.
    Containers(containers::Registries),
    /// `registries.yaml`.
    K3s(k3s::Mirrors),
}

/// A file of configuration, not yet read.
#[derive(Debug, Clone)]
pub struct ConfigFile<'a> {
    /// The form that it is of; OpenShift's are held by a cluster and not by files.
    pub form: Form,
    /// For `hosts.toml` the name of its directory.
    pub directory: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// One place that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// The name that is asked for: host and path, then a tag or a digest.
    pub name: String,
    /// Whether TLS may be left out.
    pub insecure: bool,
}

/// How the places that are asked stand to where an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is asked for where it is, and nowhere else.
    Ok,
    /// It is asked for where it is first, and elsewhere when that fails.
    Fallback,
    /// It is asked for elsewhere first.
    Later,
    /// It is not asked for where it is.
    Elsewhere,
    /// Nobody is asked.
    Nobody,
}

impl Config {
    /// Reads files of one form, in the order in which the tools do.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the file that is wrong.
    pub fn parse(form: Form, files: &[ConfigFile<'_>]) -> Result<Config, (usize, ConfigError)> {
        let texts = files.iter().enumerate().map(|(at, file)| {
            let text = std::str::from_utf8(file.bytes).ok();
            let text = text.filter(|text| text.len() as u64 <= MAX_CONFIG_SIZE);
            let text = text.ok_or((at, ConfigError::new("not text, or too large")))?;
            Ok((at, file.directory, text))
        });
        let texts: Vec<(usize, &str, &str)> = texts.collect::<Result<_, _>>()?;
        match form {
            Form::Containerd => containerd::Hosts::parse(&texts).map(Config::Containerd),
            Form::Containers => containers::Registries::parse(&texts).map(Config::Containers),
            Form::K3s => k3s::Mirrors::parse(&texts).map(Config::K3s),
            Form::Openshift => Err((0, ConfigError::new("a cluster holds it, and not files"))),
        }
    }

    /// Its form.
    pub fn form(&self) -> Form {
        match self {
            Config::Containerd(_) => Form::Containerd,
            Config::Containers(_) => Form::Containers,
            Config::K3s(_) => Form::K3s,
        }
    }

    /// The places that are asked for `name`, in their order. A digest counts more than a tag.
    pub fn asks(&self, name: &Reference) -> Vec<Ask> {
        let wanted = Wanted::of(name);
        let mut asks = match self {
            Config::Containerd(hosts) => hosts.asks(&wanted),
            Config::Containers(registries) => registries.asks(&wanted),
            Config::K3s(mirrors) => mirrors.asks(&wanted),
        };
        asks.dedup_by(|next, before| next.name == before.name);
        asks
    }
}

impl Verdict {
    /// How `asks` stand to an image that is called `target` where it is.
    pub fn of(asks: &[Ask], target: &Reference) -> Verdict {
        let there = Wanted::of(target).ask_as_it_is(false).name;
        let at = asks.iter().position(|ask| ask.name == there);
        match (at, asks.len()) {
            (_, 0) => Verdict::Nobody,
            (Some(0), 1) => Verdict::Ok,
            (Some(0), _) => Verdict::Fallback,
            (Some(_), _) => Verdict::Later,
            (None, _) => Verdict::Elsewhere,
        }
    }
}

/// What is to be pulled.
struct Wanted<'a> {
    repository: &'a Repository,
    tag: Option<&'a Tag>,
    digest: Option<&'a Digest>,
}

impl Wanted<'_> {
    fn of(name: &Reference) -> Wanted<'_> {
        let (tag, digest) = (name.tag.as_ref(), name.digest.as_ref());
        Wanted { repository: &name.repository, tag: tag.filter(|_| digest.is_none()), digest }
    }

    /// `place` (host and path) with the tag or digest.
    fn ask(&self, place: &str, insecure: bool) -> Ask {
        let name = match (self.digest, self.tag) {
            (Some(digest), _) => format!("{place}@{digest}"),
            (None, Some(tag)) => format!("{place}:{}", tag.as_str()),
            (None, None) => place.to_owned(),
        };
        Ask { name, insecure }
    }

    /// Where it came from.
    fn ask_as_it_is(&self, insecure: bool) -> Ask {
        self.ask(&self.repository.to_string(), insecure)
    }
}

/// Scheme, host and path of an endpoint; without a scheme it is https.
fn endpoint(url: &str) -> Option<(bool, &str, &str)> {
    let (plain, rest) = match url.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(("https", rest)) => (false, rest),
        Some(_) => return None,
        None => (false, url),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!host.is_empty()).then(|| (plain, host, path.trim_end_matches('/')))
}

/// The name under which a registry knows `path` that is asked for below the URL path `base`.
fn place(host: &str, base: &str, path: &str) -> String {
    match base.strip_prefix("/v2") {
        Some("") => format!("{host}/{path}"),
        Some(below) if below.starts_with('/') => format!("{host}{below}/{path}"),
        // Not the root of a registry: no name of an image is like that.
        _ => format!("{host}{base}//{path}"),
    }
}

#[cfg(test)]
mod tests;
