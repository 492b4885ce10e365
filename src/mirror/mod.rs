//! Configuration for a site's machines, so that images are pulled by the names that they had and
//! come from where the import put them.
//!
//! [`Site`] holds which repository of the world is which at the site; [`Site::files`] says it in the
//! forms of containerd, podman and skopeo (containers), k3s, and OpenShift. Not every form can say
//! everything: what one cannot say is a [`Limit`], told to the user and in a comment, and never
//! said wrongly. Pure: what is written depends on nothing but names and rules.

mod config;
mod containerd;
mod containers;
mod k3s;
mod openshift;
mod references;

pub use config::{Ask, Config, ConfigError, ConfigFile, MAX_CONFIG_SIZE, Verdict};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::import::{Base, Mapping, Plan};
use crate::oci::{Digest, Reference};

/// Where what was imported is, seen from the machines that pull.
#[derive(Debug)]
pub struct Site<'a> {
    /// Host and, if given, port.
    endpoint: &'a str,
    manner: Manner,
    /// Where names come from, in words: a line of a comment each.
    origin: Vec<String>,
    hosts: BTreeMap<&'a str, Host<'a>>,
}

/// How the site's registry is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// Without TLS.
    pub plain_http: bool,
    /// Whether the registry that an image came from may be asked when the site's has it not.
    pub fallback: bool,
}

/// A registry that images came from.
#[derive(Debug)]
struct Host<'a> {
    /// The path at the site below which all of it lies as it did there, whatever may come later,
    /// and nothing else.
    whole: Option<String>,
    /// By their paths there.
    repositories: BTreeMap<&'a str, Repository<'a>>,
}

/// A repository that images came from.
#[derive(Debug)]
struct Repository<'a> {
    /// Its path at the site.
    to: &'a str,
    images: Vec<Image<'a>>,
}

#[derive(Debug)]
struct Image<'a> {
    name: &'a Reference,
    target: &'a Reference,
    digest: Digest,
    rule: &'a str,
}

/// A file for the site, by its path below the directory that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// With `/` between components.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Something that a form cannot say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Limit {
    /// The form.
    pub form: Form,
    /// The host, repository or image.
    pub name: String,
    /// What is not said, or not as it should be.
    pub why: String,
}

/// A form of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `certs.d/<host>/hosts.toml`.
    Containerd,
    /// `registries.conf`, of podman, skopeo, buildah and CRI-O.
    Containers,
    /// `registries.yaml`, of k3s and RKE2.
    K3s,
    /// `ImageDigestMirrorSet` and `ImageTagMirrorSet`.
    Openshift,
}

impl Limit {
    /// Tags are others at the site, and the form can only say where digests are.
    fn tags(form: Form, name: String) -> Limit {
        let why = "tags are others at the site: only digests are pulled from there, tags are not";
        Limit { form, name, why: why.to_owned() }
    }

    /// Names of a host that nobody imported, and that would be answered with images of others.
    fn wider<'s>(
        form: Form,
        host: &str,
        mut strangers: impl Iterator<Item = (String, &'s str)>,
    ) -> Option<Limit> {
        let (stranger, path) = strangers.next()?;
        let why = match strangers.count() {
            0 => format!("{host}/{path} would be answered with {stranger}"),
            more => {
                format!("{host}/{path} would be answered with {stranger}; {more} more like that")
            }
        };
        Some(Limit { form, name: host.to_owned(), why })
    }
}

impl Form {
    /// The name, as output has it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Containerd => "containerd",
            Form::Containers => "containers",
            Form::K3s => "k3s",
            Form::Openshift => "openshift",
        }
    }
}

impl<'a> Site<'a> {
    /// What `plan` says, which was made with `mapping`; `None` when the target is a layout, from which
    /// nobody pulls. `origin` says where the names come from, a line each.
    pub fn new(
        plan: &'a Plan<'_>,
        mapping: &'a Mapping,
        manner: Manner,
        origin: Vec<String>,
    ) -> Option<Site<'a>> {
        let Base::Registry { host: endpoint, .. } = mapping.base() else { return None };
        let mut hosts: BTreeMap<&str, Host<'_>> = BTreeMap::new();
        for planned in &plan.images {
            let (name, target) = (&planned.image.name, &planned.target);
            let host = hosts.entry(name.repository.host()).or_insert_with(|| Host {
                whole: mapping.whole_host(name.repository.host()),
                repositories: BTreeMap::new(),
            });
            let repository = host.repositories.entry(name.repository.path());
            let to = target.repository.path();
            let repository = repository.or_insert_with(|| Repository { to, images: Vec::new() });
            let (digest, rule) = (planned.image.digest, planned.rule.as_str());
            repository.images.push(Image { name, target, digest, rule });
        }
        let mut site = Site { endpoint, manner, origin, hosts };
        let alone = |host: &&str| {
            let whole = site.hosts[*host].whole.as_deref();
            whole.is_some_and(|below| site.strangers(host, below).next().is_none())
        };
        let mixed: Vec<&str> = site.hosts.keys().copied().filter(|host| !alone(host)).collect();
        for host in mixed {
            site.hosts.entry(host).and_modify(|it| it.whole = None);
        }
        Some(site)
    }

    /// Every file for the site, sorted by path, and what they cannot say.
    pub fn files(&self) -> (Vec<File>, Vec<Limit>) {
        let mut limits = Vec::new();
        let mut files = self.containerd(&mut limits);
        files.push(self.containers(&mut limits));
        files.push(self.k3s(&mut limits));
        files.extend(self.openshift(&mut limits));
        limits.sort();
        files.extend(self.references(&limits));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        (files, limits)
    }

    /// The repositories at the site below the path `below` that would be taken for ones of `host`
    /// and are none: `host/library/app` is not there, and `quay.io/library/app` has its place.
    fn strangers<'s>(
        &'s self,
        host: &'s str,
        below: &'s str,
    ) -> impl Iterator<Item = (String, &'s str)> + 's {
        let own = &self.hosts[host].repositories;
        let all = self.hosts.iter().flat_map(|(from, it)| {
            it.repositories.iter().map(move |(path, repository)| (*from, *path, repository.to))
        });
        all.filter_map(move |(from, path, to)| {
            let name = beneath(below, to)?;
            let is_own = own.get(name).is_some_and(|it| it.to == to);
            (!is_own).then(|| (format!("{from}/{path}"), name))
        })
    }

    /// Each prefix of names of a host, its place at the site, and whether tags are others there.
    fn places(&self, name: &str, host: &Host<'_>) -> Vec<(String, String, bool)> {
        let at = |path: &str| join(self.endpoint, path);
        let mut places: Vec<_> = match &host.whole {
            Some(whole) => vec![(name.to_owned(), at(whole), host.changes_tags())],
            None => host
                .repositories
                .iter()
                .map(|(path, it)| (format!("{name}/{path}"), at(it.to), it.changes_tags()))
                .collect(),
        };
        places.retain(|(source, place, _)| source != place);
        places
    }

    /// The head of a file in comments, and what the form cannot say of it.
    fn head(&self, limits: &[Limit]) -> String {
        let mut lines = vec![format!("Made by gapferry {} mirrors.", env!("CARGO_PKG_VERSION"))];
        lines.extend(self.origin.iter().cloned());
        let source = match self.manner.fallback {
            true => "The registry that an image came from is asked when it is not there.",
            false => "No other registry is asked, as far as this form can say that.",
        };
        lines.push(format!("Images are pulled from {}. {source}", self.endpoint));
        if !limits.is_empty() {
            lines.push("What this form cannot say:".to_owned());
            lines.extend(limits.iter().map(|limit| format!("  {}: {}", limit.name, limit.why)));
        }
        lines.iter().map(|line| format!("# {}\n", line.replace(char::is_control, "?"))).collect()
    }

    fn scheme(&self) -> &'static str {
        if self.manner.plain_http { "http" } else { "https" }
    }
}

impl Host<'_> {
    /// True when some tag is another at the site.
    fn changes_tags(&self) -> bool {
        self.repositories.values().any(Repository::changes_tags)
    }

    /// The path at the site below which all the repositories that are known lie as they did there.
    fn common(&self) -> Option<&str> {
        if let Some(whole) = &self.whole {
            return Some(whole);
        }
        let mut fronts = self.repositories.iter().map(|(path, it)| front(it.to, path));
        let first = fronts.next()??;
        fronts.all(|other| other == Some(first)).then_some(first)
    }
}

impl Repository<'_> {
    fn changes_tags(&self) -> bool {
        self.images.iter().any(Image::changes_tag)
    }
}

impl Image<'_> {
    fn changes_tag(&self) -> bool {
        self.name.tag != self.target.tag
    }
}

/// What stands before `path` in `to`.
fn front<'a>(to: &'a str, path: &str) -> Option<&'a str> {
    match to.strip_suffix(path)? {
        "" => Some(""),
        front => front.strip_suffix('/'),
    }
}

/// What stands behind `front` in `to`.
fn beneath<'a>(front: &str, to: &'a str) -> Option<&'a str> {
    match front {
        "" => Some(to),
        front => to.strip_prefix(front)?.strip_prefix('/'),
    }
}

/// `front/back`, or one of them when the other is empty.
fn join(front: &str, back: &str) -> String {
    match (front, back) {
        ("", path) | (path, "") => path.to_owned(),
        (front, back) => format!("{front}/{back}"),
    }
}

/// A text in quotes, as JSON, YAML and TOML read it alike. Names and rules that are held hold
/// nothing that needs an escape; what does gets JSON's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
