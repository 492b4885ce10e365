//! Where images come from, as a policy allows it and as a lock or lading states it.
//!
//! Withstands: places that nobody can read (no pattern allows them).

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::pattern::Pattern;
use crate::oci::{Reference, Repository};

/// What a place that is no registry begins with.
const LOCAL: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "chart:"];
const DOCKER: &str = "docker://";

/// Places that a policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Repositories at registries.
    Repositories(Pattern),
    /// Files on the machine: `oci:`, `oci-archive:`, `docker-archive:` or `chart:`.
    Local(&'static str),
}

impl Place {
    /// True when an image whose source is `source` comes from here.
    pub fn holds(&self, source: &str) -> bool {
        match self {
            Place::Local(kind) => local(source) == Some(kind),
            Place::Repositories(pattern) => {
                repository(source).is_some_and(|repository| pattern.matches(&repository))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Repositories(pattern) => pattern.fmt(f),
            Place::Local(kind) => f.write_str(kind),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        let text = String::deserialize(deserializer)?;
        match LOCAL.iter().find(|kind| **kind == text) {
            Some(kind) => Ok(Place::Local(kind)),
            None => text.parse().map(Place::Repositories).map_err(serde::de::Error::custom),
        }
    }
}

/// The repository that an image's source names, if it is at a registry.
pub fn repository(source: &str) -> Option<Repository> {
    reference(source).map(|reference| reference.repository)
}

/// Whether what was asked for had a digest.
pub fn has_digest(source: &str) -> bool {
    reference(source).is_some_and(|reference| reference.digest.is_some())
}

fn reference(source: &str) -> Option<Reference> {
    match local(source) {
        Some(_) => None,
        None => source.strip_prefix(DOCKER).unwrap_or(source).parse().ok(),
    }
}

fn local(source: &str) -> Option<&'static str> {
    LOCAL.into_iter().find(|kind| source.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(place: &str, source: &str) -> bool {
        #[derive(Deserialize)]
        struct Line {
            place: Place,
        }
        let line: Line = toml::from_str(&format!("place = {place:?}")).unwrap();
        line.place.holds(source)
    }

    #[test]
    fn a_place_is_a_registry_or_files() {
        assert!(holds("docker.io/library/*", "docker://docker.io/library/busybox:1"));
        assert!(holds("docker.io/library/*", "busybox:1"));
        assert!(holds("oci:", "oci:/a/b:c") && holds("oci-archive:", "oci-archive:x.tar"));
        assert!(!holds("oci:", "oci-archive:x.tar") && !holds("oci:", "docker://oci:5000/a:b"));
        assert!(holds("chart:", "chart:app-1.0.tgz") && !holds("docker.io/**", "chart:app"));
        assert!(!holds("**", "oci:/a/b:c") && !holds("**", "no place at all"));
    }

    #[test]
    fn a_digest_is_one_of_a_registry() {
        let digest = crate::oci::Digest::of(b"");
        assert!(has_digest(&format!("docker://quay.io/a@{digest}")));
        assert!(!has_digest("docker://quay.io/a:1"));
        assert!(!has_digest(&format!("oci:a@{digest}")));
    }
}
