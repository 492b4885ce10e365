//! Where an image is, as users write it:
//! `[docker://]name[:tag][@digest]`, `oci:DIR[:REF]`, `oci-archive:FILE[:REF]` and
//! `docker-archive:FILE[:REF]`, `chart:FILE-OR-DIRECTORY`.
//!
//! As with skopeo, a path ends at the first colon: a path that has one cannot be written, but for
//! that of a chart, which has no name behind it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::oci::{InvalidReference, Reference};

const DOCKER: &str = "docker://";
const OCI: &str = "oci:";
const OCI_ARCHIVE: &str = "oci-archive:";
const DOCKER_ARCHIVE: &str = "docker-archive:";
const CHART: &str = "chart:";

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// At a registry.
    Registry(Reference),
    /// In an OCI layout in a directory.
    OciLayout {
        /// The directory.
        path: PathBuf,
        /// Which of its images; without it the only one.
        name: Option<String>,
    },
    /// In an OCI layout in a tar archive.
    OciArchive {
        /// The file.
        path: PathBuf,
        /// Which of its images; without it the only one.
        name: Option<String>,
    },
    /// In an archive as `docker save` writes it.
    DockerArchive {
        /// The file.
        path: PathBuf,
        /// Which of its images; without it the only one.
        name: Option<String>,
    },
    /// A Helm chart: an archive (`.tgz`) or a directory.
    Chart {
        /// The file or directory.
        path: PathBuf,
    },
}

/// A text that is no location. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// Not a reference of an image at a registry.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// A path or a name is wanted where there is none.
    #[error("not a location of an image, the {missing} is empty: {}", .text.escape_debug())]
    Empty {
        /// `path` or `name`.
        missing: &'static str,
        /// The text, cut to 200 characters.
        text: String,
    },
}

impl Location {
    /// The reference that the image has unless its place says another: that of a registry, or the
    /// name after the path if it is a reference with a repository (a bare tag is none).
    ///
    /// # Errors
    /// [`InvalidReference`] when the name has a `/` or `:` and is no reference.
    pub fn name(&self) -> Result<Option<Reference>, InvalidReference> {
        match self {
            Location::Registry(reference) => Ok(Some(reference.clone())),
            Location::Chart { .. } => Ok(None),
            Location::OciLayout { name, .. }
            | Location::OciArchive { name, .. }
            | Location::DockerArchive { name, .. } => {
                let name = name.as_deref().filter(|name| name.contains(['/', ':']));
                name.map(str::parse).transpose()
            }
        }
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Location, InvalidLocation> {
        if let Some(rest) = text.strip_prefix(OCI) {
            let (path, name) = split(text, rest)?;
            return Ok(Location::OciLayout { path, name });
        }
        if let Some(rest) = text.strip_prefix(OCI_ARCHIVE) {
            let (path, name) = split(text, rest)?;
            return Ok(Location::OciArchive { path, name });
        }
        if let Some(rest) = text.strip_prefix(DOCKER_ARCHIVE) {
            let (path, name) = split(text, rest)?;
            return Ok(Location::DockerArchive { path, name });
        }
        if let Some(path) = text.strip_prefix(CHART) {
            let empty = || InvalidLocation::Empty { missing: "path", text: text.to_owned() };
            return (!path.is_empty())
                .then(|| Location::Chart { path: path.into() })
                .ok_or_else(empty);
        }
        Ok(Location::Registry(text.strip_prefix(DOCKER).unwrap_or(text).parse()?))
    }
}

impl fmt::Display for Location {
    /// What [`FromStr`] reads back. A registry's location has its `docker://`, because a host may
    /// be called `oci`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, name) = match self {
            Location::Registry(reference) => return write!(f, "{DOCKER}{reference}"),
            Location::Chart { path } => return write!(f, "{CHART}{}", path.display()),
            Location::OciLayout { path, name } => (OCI, path, name),
            Location::OciArchive { path, name } => (OCI_ARCHIVE, path, name),
            Location::DockerArchive { path, name } => (DOCKER_ARCHIVE, path, name),
        };
        write!(f, "{kind}{}", path.display())?;
        match name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

fn split(text: &str, rest: &str) -> Result<(PathBuf, Option<String>), InvalidLocation> {
    let empty =
        |missing| InvalidLocation::Empty { missing, text: text.chars().take(200).collect() };
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(empty("path"));
    }
    if name == Some("") {
        return Err(empty("name"));
    }
    Ok((PathBuf::from(path), name.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        text.parse::<Location>().unwrap().name().unwrap().map(|name| name.to_string())
    }

    #[test]
    fn reads_what_it_writes() {
        for (text, full) in [
            ("busybox", "docker://docker.io/library/busybox:latest"),
            ("docker://busybox:1.35", "docker://docker.io/library/busybox:1.35"),
            ("docker://oci:5000/x:1", "docker://oci:5000/x:1"),
            ("oci:dir", "oci:dir"),
            ("oci:/a/dir:1.35", "oci:/a/dir:1.35"),
            ("oci:dir:library/busybox:1.35", "oci:dir:library/busybox:1.35"),
            ("oci-archive:a.tar:localhost:5000/x:1", "oci-archive:a.tar:localhost:5000/x:1"),
            ("docker-archive:a.tar", "docker-archive:a.tar"),
            ("chart:a:b/c-1.0.tgz", "chart:a:b/c-1.0.tgz"),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.to_string(), full);
            assert_eq!(full.parse::<Location>().unwrap(), location);
        }
    }

    #[test]
    fn a_name_with_a_repository_names_the_image() {
        assert_eq!(name("busybox").as_deref(), Some("docker.io/library/busybox:latest"));
        assert_eq!(name("oci:d:a/b:1").as_deref(), Some("docker.io/a/b:1"));
        assert_eq!(name("docker-archive:d:a:1").as_deref(), Some("docker.io/library/a:1"));
        assert_eq!(name("oci:d:1.35"), None);
        assert_eq!(name("oci-archive:d"), None);
        assert!("oci:d:a b/c".parse::<Location>().unwrap().name().is_err());
    }

    #[test]
    fn refuses_what_is_no_location() {
        for (text, what) in
            [("oci:", "path"), ("oci-archive::x", "path"), ("oci:d:", "name"), ("chart:", "path")]
        {
            let found = text.parse::<Location>();
            assert!(
                matches!(&found, Err(InvalidLocation::Empty { missing, .. }) if *missing == what),
                "{text}: {found:?}"
            );
        }
        for text in ["", "docker://", "dir:/x", "Docker://x"] {
            let found = text.parse::<Location>();
            assert!(matches!(found, Err(InvalidLocation::Reference(_))), "{text}: {found:?}");
        }
    }
}
