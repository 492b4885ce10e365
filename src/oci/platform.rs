//! Platforms, `os/architecture[/variant]`, as users write them and as descriptors hold them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a manifest of an index is made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    /// Operating system, as Go's `GOOS`.
    pub os: String,
    /// Architecture, as Go's `GOARCH`.
    pub architecture: String,
    /// Variant of the architecture, such as `v7`.
    pub variant: Option<String>,
}

/// A text that is not `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a platform (os/architecture[/variant]): {}", .0.escape_debug())]
pub struct InvalidPlatform(pub String);

impl Platform {
    /// True when an image for `self` is what somebody who asks for `wanted` means: a wish without
    /// a variant takes every variant, and what is left out is the [usual](Platform::usual) one.
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.usual().variant == wanted.usual().variant)
    }

    /// The same with the variant that is meant where none is given: `arm/v7`, `arm64/v8`, `amd64/v1`,
    /// as containerd and docker have it.
    pub fn usual(&self) -> Platform {
        let variant = match self.architecture.as_str() {
            "arm" => Some("v7"),
            "arm64" => Some("v8"),
            "amd64" => Some("v1"),
            _ => None,
        };
        let variant = self.variant.clone().or(variant.map(str::to_owned));
        Platform { variant, ..self.clone() }
    }

    /// Buildkit marks attestations that ride in an index as `unknown/unknown`.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Platform, InvalidPlatform> {
        let plain = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part.len() <= 64 && part.chars().all(known)
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| plain(part)) {
            return Err(InvalidPlatform(text.chars().take(200).collect()));
        }
        Ok(Platform {
            os: parts[0].to_owned(),
            architecture: parts[1].to_owned(),
            variant: parts.get(2).map(|&part| part.to_owned()),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Platform, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn a_wish_without_variant_takes_every_variant() {
        assert!(platform("linux/arm/v7").satisfies(&platform("linux/arm")));
        assert!(platform("linux/arm64").satisfies(&platform("linux/arm64/v8")));
        assert!(platform("linux/arm").satisfies(&platform("linux/arm/v7")));
        assert!(platform("linux/arm/v8").satisfies(&platform("linux/arm")));
        assert!(platform("linux/amd64").satisfies(&platform("linux/amd64/v1")));
        assert!(!platform("linux/amd64/v3").satisfies(&platform("linux/amd64/v1")));
        assert!(!platform("linux/arm").satisfies(&platform("linux/arm/v6")));
        assert!(!platform("linux/riscv64").satisfies(&platform("linux/riscv64/v1")));
        assert!(!platform("linux/arm/v6").satisfies(&platform("linux/arm/v7")));
        assert!(!platform("linux/amd64").satisfies(&platform("windows/amd64")));
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/am d64", "linux/\u{1b}"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }
}
