//! What images are called at the target.
//!
//! For each name one rule counts, found in this order: the first regular expression that fits the
//! whole name; of the prefixes that fit, the longest, and of two that are equal the first; and where
//! no rule fits, the path that the image has, with or without the host that it came from.

mod file;
mod rule;

pub use file::{MAX_RULES_SIZE, RuleFile};
pub use rule::{Affix, Rule};

use crate::oci::{InvalidReference, Reference, Repository, Tag};

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

/// How a name in the bundle becomes a name at the target.
#[derive(Debug, Clone)]
pub struct Mapping {
    base: Base,
    /// In the order in which they are asked.
    rules: Vec<Rule>,
    keep_host: bool,
    affix: Affix,
}

/// A name at the target, and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The name.
    pub target: Reference,
    /// The rule that counted, as somebody wrote it; empty where none did.
    pub rule: String,
}

/// Rules that are none, or that make a name which is none. The input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMapping {
    /// Not `FROM=TO`.
    #[error("not a rule FROM=TO: {}", .0.escape_debug())]
    Rule(String),
    /// Not a regular expression, or one that is too large.
    #[error("not a regular expression: {}: {}", pattern.escape_debug(), why.escape_debug())]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rule takes a group that its expression does not have.
    #[error("{} takes the group `{}`, which is not there", rule.escape_debug(), group.escape_debug())]
    Group {
        /// The rule.
        rule: String,
        /// The group.
        group: String,
    },
    /// A file of rules is malformed.
    #[error("line {line}: {}", what.escape_debug())]
    File {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The name that comes out is malformed.
    #[error("{name} cannot be named at the target{}: {error}", by(rule))]
    Name {
        /// The name in the bundle.
        name: Reference,
        /// The rule that counted; empty where none did.
        rule: String,
        /// What is wrong with the name that comes out.
        error: InvalidReference,
    },
}

/// A rule in words, for messages.
pub(super) fn by(rule: &str) -> String {
    match rule {
        "" => String::new(),
        rule => format!(" (by {})", rule.escape_debug()),
    }
}

impl Mapping {
    /// Rules in the order in which they were given.
    pub fn new(base: Base, mut rules: Vec<Rule>) -> Mapping {
        rules.sort_by_key(Rule::turn);
        Mapping { base, rules, keep_host: false, affix: Affix::default() }
    }

    /// The same, where a name that no rule fits keeps the host that it came from as the first
    /// component of its path; the `:` before a port becomes `-`.
    pub fn keeping_hosts(self, keep_host: bool) -> Mapping {
        Mapping { keep_host, ..self }
    }

    /// The same with something around every tag, unless a rule says otherwise.
    pub fn with_affix(self, affix: Affix) -> Mapping {
        Mapping { affix, ..self }
    }

    /// Where names begin.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The name at the target. An image that has no tag gets none.
    ///
    /// # Errors
    /// [`InvalidMapping::Name`].
    pub fn map(&self, name: &Reference) -> Result<Mapped, InvalidMapping> {
        let whole = name.repository.to_string();
        let found = self.rules.iter().find_map(|rule| Some((rule, rule.apply(&whole)?)));
        let rule = match found {
            Some((rule, _)) => rule.to_string(),
            None if self.keep_host => "--keep-host".to_owned(),
            None => String::new(),
        };
        let affix = found.as_ref().and_then(|(rule, _)| rule.affix()).unwrap_or(&self.affix);
        let invalid =
            |error| InvalidMapping::Name { name: name.clone(), rule: rule.clone(), error };
        let repository = self.repository(name, found.as_ref().map(|(_, path)| path.as_str()));
        let repository = repository.map_err(invalid)?;
        let tag = name.tag.as_ref().map(|tag| affix.around(tag)).transpose().map_err(invalid)?;
        Ok(Mapped { target: Reference { repository, tag, digest: name.digest }, rule })
    }

    fn repository(
        &self,
        name: &Reference,
        mapped: Option<&str>,
    ) -> Result<Repository, InvalidReference> {
        match (&self.base, mapped) {
            (Base::Layout, None) => Ok(name.repository.clone()),
            (Base::Layout, Some(mapped)) => Ok(mapped.parse::<Reference>()?.repository),
            (Base::Registry { host, prefix }, Some(path)) => {
                Repository::new(host, &join(prefix, path))
            }
            (Base::Registry { host, prefix }, None) => {
                let from =
                    if self.keep_host { component(name.repository.host()) } else { String::new() };
                Repository::new(host, &join(prefix, &join(&from, name.repository.path())))
            }
        }
    }

    /// The path at the target's registry below which everything of `host` lies as it did there:
    /// `None` when rules tell its repositories apart, or the target is a layout. Whatever may come
    /// from there later goes there too.
    pub fn whole_host(&self, host: &str) -> Option<String> {
        let Base::Registry { prefix, .. } = &self.base else { return None };
        let mut to = if self.keep_host { component(host) } else { String::new() };
        // The rules are asked from the longest on; one for the whole host comes last.
        for rule in &self.rules {
            match rule.for_host(host) {
                rule::ForHost::Nothing => {}
                rule::ForHost::Part => return None,
                rule::ForHost::Whole(path) => {
                    to = path.to_owned();
                    break;
                }
            }
        }
        Some(join(prefix, &to))
    }
}

/// A host as a component of a path.
fn component(host: &str) -> String {
    host.replace(':', "-")
}

fn join(front: &str, back: &str) -> String {
    match (front, back) {
        ("", back) => back.to_owned(),
        (front, "") => front.to_owned(),
        (front, back) => format!("{front}/{back}"),
    }
}

#[cfg(test)]
mod tests;
