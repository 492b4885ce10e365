//! Patterns of repositories: `host/path`, with `*` and `**`.
//!
//! `*` stands for any run of characters within a component, `**` for any number of components.
//! Withstands: patterns and names that would make a backtracking matcher slow (one star is
//! reconsidered at a time, so the steps are at most pattern times name); hosts in other letters.
//! Normative text: `formats/policy.md`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::oci::Repository;

/// Longer than any repository with a star between any two characters.
const MAX_LENGTH: usize = 512;
const ANY_COMPONENTS: &str = "**";

/// Which repositories are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    components: Vec<String>,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pattern of repositories (host/path, with * and **): {}", .0.escape_debug())]
pub struct InvalidPattern(pub String);

impl Pattern {
    /// The pattern of every repository.
    pub fn all() -> Pattern {
        let star = ANY_COMPONENTS.to_owned();
        Pattern { text: star.clone(), components: vec![star] }
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when `repository` is one of those meant. Letters of hosts have no case.
    pub fn matches(&self, repository: &Repository) -> bool {
        let host = repository.host().to_ascii_lowercase();
        let components: Vec<&str> =
            std::iter::once(host.as_str()).chain(repository.path().split('/')).collect();
        wild(
            &self.components,
            &components,
            |it| it == ANY_COMPONENTS,
            |it, text| wild(it.as_bytes(), text.as_bytes(), |byte| *byte == b'*', |a, b| a == b),
        )
    }
}

/// Whether `text` is as `pattern` says, in which a star stands for any run.
fn wild<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and where in the text its run ends for now. Earlier stars need no
    // second thought: whatever they could take more, the last one can take as well.
    let mut last = None;
    while t < text.len() {
        match (pattern.get(p), last) {
            (Some(it), _) if is_star(it) => {
                p += 1;
                last = Some((p, t));
            }
            (Some(it), _) if fits(it, &text[t]) => (p, t) = (p + 1, t + 1),
            (_, Some((after, end))) => {
                (p, t) = (after, end + 1);
                last = Some((after, end + 1));
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(is_star)
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Pattern, InvalidPattern> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
        let in_host = |c: char| plain(c) || ":[]".contains(c);
        let mut components: Vec<String> = text.split('/').map(str::to_owned).collect();
        let host = components[0].to_ascii_lowercase();
        let sound = |it: &String| !it.is_empty() && (it == "**" || !it.contains("**"));
        let fits = text.len() <= MAX_LENGTH
            && components.iter().all(sound)
            && host.chars().all(in_host)
            && components[1..].iter().all(|it| it.chars().all(plain))
            && (components.len() > 1 || host == ANY_COMPONENTS);
        components[0] = host;
        match fits {
            true => Ok(Pattern { text: text.to_owned(), components }),
            false => Err(InvalidPattern(text.chars().take(200).collect())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Reference;

    fn matches(pattern: &str, name: &str) -> bool {
        let name: Reference = name.parse().unwrap();
        pattern.parse::<Pattern>().unwrap().matches(&name.repository)
    }

    #[test]
    fn a_star_stays_within_its_component() {
        assert!(matches("docker.io/library/*", "busybox"));
        assert!(matches("docker.io/library/busy*x", "busybox:1.35"));
        assert!(matches("docker.io/*/*", "busybox"));
        assert!(matches("*.example/a", "registry.example/a"));
        assert!(matches("localhost:*/a", "localhost:5000/a"));
        assert!(matches("quay.io/a*b*c", "quay.io/aabbcbc"));
        assert!(!matches("docker.io/*", "busybox"));
        assert!(!matches("docker.io/library/busy", "busybox"));
        assert!(!matches("quay.io/a*b*c", "quay.io/aabbcb"));
        assert!(!matches("*.example/a", "example.org/a"));
    }

    #[test]
    fn two_stars_take_any_number_of_components() {
        for name in ["busybox", "quay.io/a/b/c/d", "localhost:5000/a"] {
            assert!(matches("**", name), "{name}");
        }
        assert!(matches("quay.io/**", "quay.io/a/b/c"));
        assert!(matches("quay.io/**/c", "quay.io/c"));
        assert!(matches("quay.io/**/c", "quay.io/c/b/c"));
        assert!(matches("**/app-*/**", "quay.io/x/app-1/y/z"));
        assert!(!matches("quay.io/**/c", "quay.io/c/b"));
        assert!(!matches("quay.io/**", "evil.example/quay.io/a"));
        assert!(!matches("quay.io/**", "quay.io.evil.example/a"));
    }

    #[test]
    fn a_host_in_other_letters_is_the_same_host() {
        assert!(matches("quay.io/**", "QUAY.IO/a"));
        assert!(matches("Quay.io/**", "quay.io/a"));
    }

    #[test]
    fn what_no_repository_can_have_is_refused() {
        let long = format!("quay.io/{}", "a".repeat(MAX_LENGTH));
        for text in [
            "",
            "*",
            "busybox",
            "quay.io/",
            "quay.io//a",
            "quay.io/a:1",
            "quay.io/a@b",
            "a**/b",
            "quay.io/a b",
            "quay.io/***",
            "/a",
            &long,
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn many_stars_are_no_trap() {
        let pattern = format!("quay.io/{}b", "*a".repeat(200));
        let name = format!("quay.io/{}", "a".repeat(240));
        assert!(!matches(&pattern, &name));
        let pattern = format!("quay.io/{}b", "**/a/".repeat(90));
        assert!(!matches(&pattern, &format!("quay.io/{}c", "a/".repeat(120))));
    }
}
