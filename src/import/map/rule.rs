//! One rule: which names it is about, and what becomes of them.
//!
//! Withstands: regular expressions that would take much memory (their size is bounded) or time (the
//! crate's matching is linear), expressions that fit a part of a name, groups that are not there.

use std::cmp::Reverse;
use std::fmt;

use regex::{Captures, Regex, RegexBuilder};

use super::{InvalidMapping, Tag, join};
use crate::oci::InvalidReference;

/// The longest regular expression, in bytes.
const MAX_PATTERN: usize = 1024;
/// The most memory that a compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;

/// `FROM=TO`, with a prefix or a regular expression as `FROM`.
#[derive(Debug, Clone)]
pub struct Rule {
    kind: Kind,
    affix: Option<Affix>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Names that begin with `from`, at the border of a component, begin with `to` instead.
    Prefix { from: String, to: String },
    /// Names that the expression fits from end to end become `to`.
    Pattern { from: Regex, to: Vec<Part>, text: String },
}

/// A piece of what a regular expression's names become.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Group(usize),
}

/// What stands before and behind a tag at the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affix {
    /// Before it.
    pub prefix: String,
    /// Behind it.
    pub suffix: String,
}

impl Affix {
    /// The tag with both.
    pub(super) fn around(&self, tag: &Tag) -> Result<Tag, InvalidReference> {
        format!("{}{}{}", self.prefix, tag.as_str(), self.suffix).parse()
    }
}

/// What a rule has to do with a host.
pub(super) enum ForHost<'a> {
    Nothing,
    /// It may be about some of its repositories.
    Part,
    /// It puts all of it below this path.
    Whole(&'a str),
}

impl std::str::FromStr for Rule {
    type Err = InvalidMapping;

    fn from_str(text: &str) -> Result<Rule, InvalidMapping> {
        let invalid = || InvalidMapping::Rule(text.chars().take(200).collect());
        let (from, to) = text.split_once('=').ok_or_else(invalid)?;
        Rule::prefix(from, to).ok_or_else(invalid)
    }
}

impl Rule {
    /// Names that begin with `from`, at the border of a component, begin with `to` instead; `None`
    /// when `from` is empty.
    pub fn prefix(from: &str, to: &str) -> Option<Rule> {
        let trim = |part: &str| part.trim_matches('/').to_owned();
        let (from, to) = (trim(from), trim(to));
        (!from.is_empty()).then_some(Rule { kind: Kind::Prefix { from, to }, affix: None })
    }

    /// `PATTERN=TO`, cut at the last `=`: no name holds one.
    ///
    /// # Errors
    /// [`InvalidMapping::Rule`], and as [`Rule::pattern`].
    pub fn parse_pattern(text: &str) -> Result<Rule, InvalidMapping> {
        match text.rsplit_once('=') {
            Some((pattern, to)) if !pattern.is_empty() => Rule::pattern(pattern, to),
            _ => Err(InvalidMapping::Rule(text.chars().take(200).collect())),
        }
    }

    /// Names (host and path, without tag and digest) that `pattern` fits from end to end become
    /// `to`, in which `$1`, `${1}` and `${name}` are groups of the pattern.
    ///
    /// # Errors
    /// [`InvalidMapping::Pattern`], [`InvalidMapping::Group`].
    pub fn pattern(pattern: &str, to: &str) -> Result<Rule, InvalidMapping> {
        let invalid = |why: String| {
            let pattern = pattern.chars().take(200).collect();
            InvalidMapping::Pattern { pattern, why: why.chars().take(300).collect() }
        };
        if pattern.len() > MAX_PATTERN || to.len() > MAX_PATTERN {
            return Err(invalid(format!("longer than {MAX_PATTERN} bytes")));
        }
        let build = |text: &str| {
            let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
            built.map_err(|error| invalid(last_line(&error.to_string())))
        };
        // By itself first: between brackets of ours it might mean something else.
        build(pattern)?;
        let from = build(&format!("^(?:{pattern})$"))?;
        let text = format!("{pattern}={to}");
        let to = parts(to.trim_matches('/'), &from).map_err(|group| {
            let rule = text.chars().take(200).collect();
            InvalidMapping::Group { rule, group }
        })?;
        Ok(Rule { kind: Kind::Pattern { from, to, text }, affix: None })
    }

    /// The same with something around the tags of its images.
    pub fn with_affix(self, affix: Option<Affix>) -> Rule {
        Rule { affix, ..self }
    }

    /// What it says of tags, if anything.
    pub(super) fn affix(&self) -> Option<&Affix> {
        self.affix.as_ref()
    }

    /// What rules are sorted by: expressions in their order, then prefixes from the longest on.
    pub(super) fn turn(&self) -> (bool, Reverse<usize>) {
        match &self.kind {
            Kind::Pattern { .. } => (false, Reverse(0)),
            Kind::Prefix { from, .. } => (true, Reverse(from.len())),
        }
    }

    /// The path at the target of `repository`; `None` when the rule is not about it.
    pub(super) fn apply(&self, repository: &str) -> Option<String> {
        match &self.kind {
            Kind::Prefix { from, to } => {
                let rest = repository.strip_prefix(from)?;
                match rest.strip_prefix('/') {
                    Some(rest) => Some(join(to, rest)),
                    None => rest.is_empty().then(|| to.clone()),
                }
            }
            Kind::Pattern { from, to, .. } => {
                let groups = from.captures(repository)?;
                Some(to.iter().map(|part| part.text(&groups)).collect())
            }
        }
    }

    pub(super) fn for_host(&self, host: &str) -> ForHost<'_> {
        match &self.kind {
            Kind::Pattern { .. } => ForHost::Part,
            Kind::Prefix { from, to } => match from.strip_prefix(host) {
                Some("") => ForHost::Whole(to),
                Some(rest) if rest.starts_with('/') => ForHost::Part,
                _ => ForHost::Nothing,
            },
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Prefix { from, to } => write!(f, "{from}={to}")?,
            Kind::Pattern { text, .. } => f.write_str(text)?,
        }
        match &self.affix {
            Some(Affix { prefix, suffix }) => write!(f, " with tags {prefix}TAG{suffix}"),
            None => Ok(()),
        }
    }
}

impl Part {
    fn text<'a>(&'a self, groups: &'a Captures<'_>) -> &'a str {
        match self {
            Part::Text(text) => text,
            Part::Group(at) => groups.get(*at).map_or("", |group| group.as_str()),
        }
    }
}

/// Cuts `to` at its groups; gives the name of one that `from` does not have.
fn parts(to: &str, from: &Regex) -> Result<Vec<Part>, String> {
    let mut pieces = to.split('$');
    let mut parts = vec![Part::Text(pieces.next().unwrap_or_default().to_owned())];
    for piece in pieces {
        let (name, rest) = match piece.strip_prefix('{').and_then(|piece| piece.split_once('}')) {
            Some(found) => found,
            None => {
                let digits =
                    piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                piece.split_at(digits)
            }
        };
        let number = match name.parse() {
            Ok(number) => Some(number).filter(|number| *number < from.captures_len()),
            Err(_) => from.capture_names().position(|known| known == Some(name)),
        };
        parts.push(Part::Group(number.ok_or_else(|| name.to_owned())?));
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The crate draws the place of an error in lines above its word.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
