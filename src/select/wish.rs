//! What somebody may ask for in one word: an image, tags of a repository, a whole registry, a
//! chart.
//!
//! ```text
//! [NAME=]name[:tag][@digest]  oci:DIR[:REF]  oci-archive:FILE[:REF]  docker-archive:FILE[:REF]
//! repository:GLOB   repository:~REGEX   repository:{KEY=VALUE; …}
//! registry/   registry/path/
//! oci://registry/chart[:version]   chart:FILE-OR-DIRECTORY
//! ```
//!
//! None of the marks of a pattern (`* ? ~ {`) and no slash at the end can be part of a reference, so
//! nothing means two things. Normative text: `docs/guides/selecting.md`.

use std::fmt;
use std::str::FromStr;

use super::pattern::{Filter, PatternError};
use crate::oci::{InvalidReference, Reference, Repository};
use crate::source::{InvalidLocation, Location};

const DOCKER: &str = "docker://";
const CHART_AT_REGISTRY: &str = "oci://";
const LOCAL: [&str; 5] = ["oci:", "oci-archive:", "docker-archive:", "chart:", DOCKER];

/// What somebody asks for.
#[derive(Debug, Clone)]
pub enum Wish {
    /// One image or artifact.
    Image {
        /// What it is to be called, if not as in its place.
        name: Option<Reference>,
        /// Where it is.
        location: Location,
    },
    /// Tags of a repository.
    Tags {
        /// Which repository.
        repository: Repository,
        /// Which tags.
        filter: Filter,
        /// The pattern, as it was written.
        pattern: String,
    },
    /// Every tag of every repository of a registry.
    Registry {
        /// A repository whose host it is.
        host: Repository,
        /// What the paths of the repositories begin with: empty, or with a slash at its end.
        below: String,
    },
    /// A Helm chart, and the images that it names.
    Chart {
        /// What it is to be called, if not as in its place.
        name: Option<Reference>,
        /// Where it is.
        location: Location,
        /// Whether the images that it names are asked for.
        images: bool,
    },
}

/// Why a text asks for nothing. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// Not a place of an image.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
    /// Not a name.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// Not a pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A pattern where there can be none.
    #[error("a pattern chooses tags of one repository (name:PATTERN), not {}", .0.escape_debug())]
    Misplaced(String),
}

impl Wish {
    /// One image at a registry, by its reference.
    ///
    /// # Errors
    /// [`WishError::Reference`].
    pub fn reference(text: &str) -> Result<Wish, WishError> {
        let reference = text.strip_prefix(DOCKER).unwrap_or(text).parse()?;
        Ok(Wish::Image { name: None, location: Location::Registry(reference) })
    }

    /// The tags of a repository that `filter` means; `pattern` is how that was written.
    ///
    /// # Errors
    /// [`WishError::Reference`].
    pub fn tags(repository: &str, filter: Filter, pattern: &str) -> Result<Wish, WishError> {
        let Reference { repository, digest, tag } = repository.parse()?;
        let is_bare = digest.is_none() && tag.is_some_and(|tag| tag.as_str() == "latest");
        match is_bare {
            true => Ok(Wish::Tags { repository, filter, pattern: pattern.to_owned() }),
            false => Err(WishError::Misplaced(cut(pattern))),
        }
    }
}

impl FromStr for Wish {
    type Err = WishError;

    fn from_str(text: &str) -> Result<Wish, WishError> {
        if let Some((name, place)) = text.split_once('=') {
            if let (false, Ok(name)) = (is_local(text), name.parse::<Reference>()) {
                return named(name, place);
            }
        }
        if let Some(reference) = text.strip_prefix(CHART_AT_REGISTRY) {
            let location = Location::Registry(reference.parse()?);
            return Ok(Wish::Chart { name: None, location, images: true });
        }
        let location = match is_local(text) && !text.starts_with(DOCKER) {
            true => text.parse()?,
            false => match at_registry(text.strip_prefix(DOCKER).unwrap_or(text))? {
                Some(wish) => return Ok(wish),
                None => text.parse()?,
            },
        };
        Ok(match location {
            Location::Chart { .. } => Wish::Chart { name: None, location, images: true },
            location => Wish::Image { name: None, location },
        })
    }
}

fn named(name: Reference, place: &str) -> Result<Wish, WishError> {
    match place.parse()? {
        Wish::Image { location, .. } => Ok(Wish::Image { name: Some(name), location }),
        Wish::Chart { location, images, .. } => {
            Ok(Wish::Chart { name: Some(name), location, images })
        }
        _ => Err(WishError::Misplaced(cut(place))),
    }
}

/// A pattern of tags or a registry; `None` when it is neither.
fn at_registry(text: &str) -> Result<Option<Wish>, WishError> {
    if let Some(place) = text.strip_suffix('/') {
        return registry(text, place).map(Some);
    }
    // Ports are digits, and no part of a path has a tilde or brace.
    let marked = [":~", ":{"].iter().filter_map(|mark| text.find(mark)).min();
    let at = marked.or_else(|| {
        let from = text.rfind('/').map_or(0, |at| at + 1);
        text[from..].find(':').map(|at| from + at)
    });
    if let Some(at) = at {
        if let Some(filter) = Filter::parse(&text[at + 1..])? {
            return Wish::tags(&text[..at], filter, text).map(Some);
        }
    }
    match text.contains(['*', '?', '{']) {
        true => Err(WishError::Misplaced(cut(text))),
        false => Ok(None),
    }
}

/// `host[:port]/[path/]`
fn registry(text: &str, place: &str) -> Result<Wish, WishError> {
    let bad = || InvalidReference { what: "registry", text: cut(text) };
    let (host, path) = place.split_once('/').unwrap_or((place, "x"));
    let found = Repository::new(host, path).map_err(|_| bad())?;
    // The rule that tells hosts from paths: `busybox/` is none.
    let reference: Reference = format!("{place}/x").parse().map_err(|_| bad())?;
    if reference.repository.host() != host {
        return Err(bad().into());
    }
    let below = place.split_once('/').map_or(String::new(), |(_, path)| format!("{path}/"));
    Ok(Wish::Registry { host: found, below })
}

fn is_local(text: &str) -> bool {
    LOCAL.iter().any(|kind| text.starts_with(kind))
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

impl fmt::Display for Wish {
    /// For messages and reports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Image { location, .. } | Wish::Chart { location, .. } => location.fmt(f),
            Wish::Tags { pattern, .. } => f.write_str(pattern),
            Wish::Registry { host, below } => write!(f, "{}/{below}", host.host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(text: &str) -> Wish {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Kind, name, and what is printed.
    fn read(text: &str) -> (&'static str, String, String) {
        let wish = wish(text);
        let (kind, name) = match &wish {
            Wish::Image { name, .. } => ("image", name.clone()),
            Wish::Chart { name, .. } => ("chart", name.clone()),
            Wish::Tags { .. } => ("tags", None),
            Wish::Registry { .. } => ("registry", None),
        };
        (kind, name.map_or(String::new(), |name| name.to_string()), wish.to_string())
    }

    #[test]
    fn each_form_means_one_thing() {
        for (text, kind, name, shown) in [
            ("busybox", "image", "", "docker://docker.io/library/busybox:latest"),
            ("docker://a/b:1", "image", "", "docker://docker.io/a/b:1"),
            ("oci:dir:1.0", "image", "", "oci:dir:1.0"),
            ("x=oci-archive:a.tar", "image", "docker.io/library/x:latest", "oci-archive:a.tar"),
            ("q.io/x:1=q.io/y:2", "image", "q.io/x:1", "docker://q.io/y:2"),
            ("oci://q.io/charts/a:1.0", "chart", "", "docker://q.io/charts/a:1.0"),
            ("chart:a-1.0.tgz", "chart", "", "chart:a-1.0.tgz"),
            ("q.io/c/a:1.0=chart:a.tgz", "chart", "q.io/c/a:1.0", "chart:a.tgz"),
            ("localhost:5000/", "registry", "", "localhost:5000/"),
            ("q.io/team/", "registry", "", "q.io/team/"),
        ] {
            let expected = (kind, name.to_owned(), shown.to_owned());
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn patterns_choose_tags_of_a_repository() {
        for (text, repository) in [
            ("busybox:*", "docker.io/library/busybox"),
            ("docker://localhost:5000/a/b:v1.?", "localhost:5000/a/b"),
            (r"localhost:5000/a:~v\d=x:{1}/", "localhost:5000/a"),
            ("q.io/a:{semver=>=1.2 <2; newest=3}", "q.io/a"),
            ("q.io/a:{regex=a:b}", "q.io/a"),
        ] {
            match text.parse::<Wish>() {
                Ok(Wish::Tags { repository: found, .. }) => {
                    assert_eq!(found.to_string(), repository);
                }
                // A slash at the end is a registry's, whatever stands before.
                other => assert!(text.ends_with('/') && other.is_err(), "{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        for text in ["q.io/*:1", "q.io/a*", "x=busybox:*", "q.io/a@sha256:*", "q.io/{a}"] {
            let found = text.parse::<Wish>();
            assert!(
                matches!(found, Err(WishError::Misplaced(_) | WishError::Reference(_))),
                "{text}: {found:?}"
            );
        }
        for text in ["", "/", "busybox/", "q.io//", "q.io/A/", "a b/", "oci://", "oci://q.io/x y"] {
            let found = text.parse::<Wish>();
            assert!(
                matches!(found, Err(WishError::Reference(_) | WishError::Location(_))),
                "{text}: {found:?}"
            );
        }
        assert!(matches!("q.io/a:1:*".parse::<Wish>(), Err(WishError::Pattern(_))));
        assert!(matches!("q.io/a:{x=1}".parse::<Wish>(), Err(WishError::Pattern(_))));
        assert!(matches!("chart:".parse::<Wish>(), Err(WishError::Location(_))));
    }
}
