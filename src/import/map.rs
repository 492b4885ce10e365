//! What images are called at the target.

use crate::oci::{InvalidReference, Reference, Repository};

/// Where names at the target begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A registry, and a path in front of every repository (may be empty).
    Registry {
        /// Host and, if given, port.
        host: String,
        /// Without slashes at its ends.
        prefix: String,
    },
    /// A layout: names stay whole.
    Layout,
}

/// `FROM=TO`: names that begin with `from`, at the border of a component, begin with `to` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    from: String,
    to: String,
}

/// How a name in the bundle becomes a name at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    base: Base,
    rules: Vec<Rule>,
}

/// A rule that is none, or that makes a name which is none. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMapping {
    /// Not `FROM=TO`.
    #[error("not a rule FROM=TO: {}", .0.escape_debug())]
    Rule(String),
    /// The name that comes out is malformed.
    #[error("{name} cannot be named at the target: {error}")]
    Name {
        /// The name in the bundle.
        name: Reference,
        /// What is wrong with the name that comes out.
        error: InvalidReference,
    },
}

impl std::str::FromStr for Rule {
    type Err = InvalidMapping;

    fn from_str(text: &str) -> Result<Rule, InvalidMapping> {
        let trim = |part: &str| part.trim_matches('/').to_owned();
        match text.split_once('=') {
            Some((from, to)) if !trim(from).is_empty() => {
                Ok(Rule { from: trim(from), to: trim(to) })
            }
            _ => Err(InvalidMapping::Rule(text.chars().take(200).collect())),
        }
    }
}

impl Rule {
    /// The path at the target of `repository`; `None` when the rule is not about it.
    fn apply(&self, repository: &str) -> Option<String> {
        let rest = repository.strip_prefix(&self.from)?;
        match rest.strip_prefix('/') {
            Some(rest) => Some(join(&self.to, rest)),
            None => rest.is_empty().then(|| self.to.clone()),
        }
    }
}

impl Mapping {
    /// Of several rules that fit a name, the one with the longest `FROM` counts.
    pub fn new(base: Base, mut rules: Vec<Rule>) -> Mapping {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.len()));
        Mapping { base, rules }
    }

    /// The name at the target. Where no rule fits, a registry gets the path without the host it
    /// came from, below its prefix.
    ///
    /// # Errors
    /// [`InvalidMapping::Name`].
    pub fn target(&self, name: &Reference) -> Result<Reference, InvalidMapping> {
        let whole = name.repository.to_string();
        let mapped = self.rules.iter().find_map(|rule| rule.apply(&whole));
        let invalid = |error| InvalidMapping::Name { name: name.clone(), error };
        let repository = match (&self.base, mapped) {
            (Base::Layout, None) => name.repository.clone(),
            (Base::Layout, Some(mapped)) => {
                mapped.parse::<Reference>().map_err(invalid)?.repository
            }
            (Base::Registry { host, prefix }, mapped) => {
                let path = mapped.unwrap_or_else(|| name.repository.path().to_owned());
                Repository::new(host, &join(prefix, &path)).map_err(invalid)?
            }
        };
        Ok(Reference { repository, ..name.clone() })
    }
}

fn join(front: &str, back: &str) -> String {
    if front.is_empty() { back.to_owned() } else { format!("{front}/{back}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: Base, rules: &[&str], name: &str) -> String {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Mapping::new(base, rules).target(&name.parse().unwrap()).unwrap().to_string()
    }

    fn registry(prefix: &str) -> Base {
        Base::Registry { host: "site:5000".to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn hosts_fall_away_and_prefixes_come_on() {
        assert_eq!(target(registry(""), &[], "busybox:1"), "site:5000/library/busybox:1");
        assert_eq!(target(registry("a/b"), &[], "quay.io/x/y:1"), "site:5000/a/b/x/y:1");
        assert_eq!(target(Base::Layout, &[], "quay.io/x/y:1"), "quay.io/x/y:1");
    }

    #[test]
    fn the_longest_rule_counts_at_component_borders() {
        let rules = ["quay.io=q", "quay.io/x=short/", "docker.io/library/busybox=tools/box"];
        assert_eq!(target(registry("p"), &rules, "quay.io/x/y:1"), "site:5000/p/short/y:1");
        assert_eq!(target(registry("p"), &rules, "quay.io/xx/y:1"), "site:5000/p/q/xx/y:1");
        assert_eq!(target(registry(""), &rules, "busybox:1"), "site:5000/tools/box:1");
        assert_eq!(target(registry(""), &rules, "busyboxes:1"), "site:5000/library/busyboxes:1");
        assert_eq!(target(Base::Layout, &["quay.io=ghcr.io/m"], "quay.io/x:1"), "ghcr.io/m/x:1");
    }

    #[test]
    fn names_that_come_out_wrong_are_refused() {
        assert!("x".parse::<Rule>().is_err());
        assert!("=x".parse::<Rule>().is_err());
        let mapping = Mapping::new(registry(""), vec!["quay.io/x=UP".parse().unwrap()]);
        assert!(mapping.target(&"quay.io/x/y:1".parse().unwrap()).is_err());
    }
}
