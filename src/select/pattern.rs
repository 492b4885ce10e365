//! Which tags of a repository are meant: by glob, regular expression, version and time.
//!
//! Withstands: expressions that would make a backtracking matcher slow or large (the automaton is
//! bounded, matching is linear), versions of any length, conditions given twice. Pure: what a tag's
//! image says of its making is handed in. Normative text: `docs/guides/selecting.md`.

use regex::{Regex, RegexBuilder};
use semver::{Version, VersionReq};

use crate::oci::{Tag, date};

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1024;
/// The largest automaton of an expression, in bytes.
const MAX_AUTOMATON: usize = 1024 * 1024;

/// Why a text is no pattern of tags. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than any pattern.
    #[error("the pattern is longer than {MAX_PATTERN} bytes")]
    TooLong,
    /// No condition, or one without a value.
    #[error("not KEY=VALUE: {}", .0.escape_debug())]
    NoValue(String),
    /// A condition that there is not.
    #[error(
        "not a condition: {} (there are glob, regex, semver, newest, newest-created and created-since)",
        .0.escape_debug()
    )]
    Unknown(String),
    /// Two of a kind, or two that contradict each other.
    #[error("{0} is there twice, or beside its opposite")]
    Twice(&'static str),
    /// Not a glob.
    #[error("not a glob of names (with * and ?): {}", .0.escape_debug())]
    Glob(String),
    /// Not a regular expression.
    #[error("not a regular expression: {}", .0.escape_debug())]
    Regex(String),
    /// Not a range of versions.
    #[error("not a range of versions (such as >=1.2 <2, ^1.4 or 1.x || 2.x): {}", .0.escape_debug())]
    Versions(String),
    /// Not a number from 1 on.
    #[error("not a number from 1 on: {}", .0.escape_debug())]
    Count(String),
    /// Not a date.
    #[error("not a date (2026-05-01 or 2026-05-01T12:00:00Z): {}", .0.escape_debug())]
    Date(String),
}

/// Conditions on tags; all must hold. Without any, every tag is meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    all: bool,
    names: Vec<Regex>,
    versions: Option<Ranges>,
    since: Option<u64>,
    newest: Option<Newest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    Versions(usize),
    Created(usize),
}

/// Ranges of versions of which one must hold.
#[derive(Debug, Clone)]
struct Ranges {
    any: Vec<VersionReq>,
    /// `3.9` is a version too, as 3.9.0.
    short: bool,
}

impl Filter {
    /// The filter of the text behind a repository and its colon: `~REGEX`, `{KEY=VALUE; …}`, or a
    /// glob. `None` when it is none of these, but may be a tag.
    ///
    /// # Errors
    /// Every [`PatternError`].
    pub fn parse(text: &str) -> Result<Option<Filter>, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong);
        }
        let mut filter = Filter::default();
        if text == "*" {
            return Ok(Some(Filter::all()));
        }
        if let Some(expression) = text.strip_prefix('~') {
            filter.names.push(whole(expression)?);
        } else if let Some(inner) = text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
            filter.conditions(inner)?;
        } else if text.contains(['*', '?']) {
            filter.names.push(glob(text)?);
        } else {
            return Ok(None);
        }
        Ok(Some(filter))
    }

    /// Tags in which the expression is found anywhere, as skopeo has it.
    ///
    /// # Errors
    /// [`PatternError::Regex`].
    pub fn containing(expression: &str) -> Result<Filter, PatternError> {
        Ok(Filter { names: vec![compile(expression)?], ..Filter::default() })
    }

    /// Tags that are versions in a range, as skopeo has it: `3.9` is 3.9.0.
    ///
    /// # Errors
    /// [`PatternError::Versions`].
    pub fn versions(range: &str) -> Result<Filter, PatternError> {
        Ok(Filter { versions: Some(Ranges::parse(range, true)?), ..Filter::default() })
    }

    /// True when every tag is meant.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Every tag, also those that are made of digests and whose images are gone.
    pub fn all() -> Filter {
        Filter { all: true, ..Filter::default() }
    }

    /// True when it must be known when an image was made.
    pub fn needs_dates(&self) -> bool {
        self.since.is_some() || matches!(self.newest, Some(Newest::Created(_)))
    }

    /// Those of `tags` that are meant, sorted; `created` tells when the image of a tag was made, in
    /// seconds since 1970.
    ///
    /// Tags made of digests (`sha256-…`) are not counted: what lies under them belongs to other
    /// images, and travels with those.
    ///
    /// # Errors
    /// What `created` gives.
    pub fn select<E>(
        &self,
        tags: &[Tag],
        created: impl FnOnce(Vec<Tag>) -> Result<Vec<(u64, Tag)>, E>,
    ) -> Result<Vec<Tag>, E> {
        let named = |tag: &&Tag| self.names.iter().all(|name| name.is_match(tag.as_str()));
        let mut found: Vec<Tag> =
            tags.iter().filter(|tag| !is_attached(tag)).filter(named).cloned().collect();
        if let Some(ranges) = &self.versions {
            found.retain(|tag| ranges.hold(tag));
        }
        if self.needs_dates() {
            let mut dated = created(found)?;
            dated.retain(|(made, _)| self.since.is_none_or(|since| *made >= since));
            found = match self.newest {
                Some(Newest::Created(count)) => last(dated, count),
                _ => dated.into_iter().map(|(_, tag)| tag).collect(),
            };
        }
        if let Some(Newest::Versions(count)) = self.newest {
            let version = |tag: Tag| Some((version(&tag, false)?, tag));
            found = last(found.into_iter().filter_map(version).collect(), count);
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn conditions(&mut self, text: &str) -> Result<(), PatternError> {
        for condition in text.split(';') {
            let (key, value) = condition.split_once('=').unwrap_or((condition, ""));
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() {
                return Err(PatternError::NoValue(condition.trim().to_owned()));
            }
            match key {
                "glob" => self.names.push(glob(value)?),
                "regex" => self.names.push(whole(value)?),
                "semver" => once(&mut self.versions, "semver", Ranges::parse(value, false)?)?,
                "newest" => once(&mut self.newest, "newest", Newest::Versions(count(value)?))?,
                "newest-created" => {
                    once(&mut self.newest, "newest-created", Newest::Created(count(value)?))?;
                }
                "created-since" => once(&mut self.since, "created-since", day(value)?)?,
                _ => return Err(PatternError::Unknown(key.to_owned())),
            }
        }
        Ok(())
    }
}

/// True for tags made of a digest: `sha256-<hex>`, with or without an ending.
pub fn is_attached(tag: &Tag) -> bool {
    let hex = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let of = |prefix: &str| tag.as_str().strip_prefix(prefix).map(hex);
    of("sha256-") == Some(64) || of("sha512-").is_some_and(|count| count >= 64)
}

fn once<T>(place: &mut Option<T>, key: &'static str, value: T) -> Result<(), PatternError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(PatternError::Twice(key)),
    }
}

/// The tags of the highest `count`; among equals the later name is the higher.
fn last<T: Ord>(mut found: Vec<(T, Tag)>, count: usize) -> Vec<Tag> {
    found.sort();
    let from = found.len().saturating_sub(count);
    found.split_off(from).into_iter().map(|(_, tag)| tag).collect()
}

fn compile(expression: &str) -> Result<Regex, PatternError> {
    let mut builder = RegexBuilder::new(expression);
    builder.size_limit(MAX_AUTOMATON).dfa_size_limit(MAX_AUTOMATON);
    let short = |text: String| text.lines().last().unwrap_or_default().chars().take(200).collect();
    builder.build().map_err(|error| PatternError::Regex(short(error.to_string())))
}

/// An expression that must match all of a tag. It is compiled alone first: `a)(b` is none.
fn whole(expression: &str) -> Result<Regex, PatternError> {
    compile(expression)?;
    compile(&format!("^(?:{expression})$"))
}

/// Characters of tags, `*` and `?`.
fn glob(text: &str) -> Result<Regex, PatternError> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "._-*?".contains(c)) {
        return Err(PatternError::Glob(text.to_owned()));
    }
    Ok(wildcard(text))
}

/// A short text in which `*` is any run of characters, and `?` any one.
pub(super) fn wildcard(text: &str) -> Regex {
    let expression = |c: char| match c {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        c => regex::escape(c.encode_utf8(&mut [0; 4])),
    };
    let expression: String = text.chars().map(expression).collect();
    Regex::new(&format!("^{expression}$")).expect("escaped texts and dots are an expression")
}

fn count(text: &str) -> Result<usize, PatternError> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| PatternError::Count(text.to_owned()))
}

fn day(text: &str) -> Result<u64, PatternError> {
    let seconds = date::seconds(text).or_else(|| date::seconds(&format!("{text}T00:00:00Z")));
    seconds.ok_or_else(|| PatternError::Date(text.to_owned()))
}

/// The version that a tag is: three numbers, with or without `v` before and more behind. If `short`,
/// numbers at the end may be left out; they are 0.
fn version(tag: &Tag, short: bool) -> Option<Version> {
    let text = tag.as_str();
    let text = text.strip_prefix('v').unwrap_or(text);
    if !short {
        return Version::parse(text).ok();
    }
    let (numbers, rest) = text.split_at(text.find('-').unwrap_or(text.len()));
    let missing = 2_usize.checked_sub(numbers.matches('.').count())?;
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

impl Ranges {
    /// Comparisons, divided by spaces or commas, all of which must hold; `||` between two ranges
    /// means either. A bare version is itself and nothing higher.
    fn parse(text: &str, short: bool) -> Result<Ranges, PatternError> {
        let bad = || PatternError::Versions(text.to_owned());
        let range = |part: &str| -> Option<VersionReq> {
            let words = comparisons(part);
            (!words.is_empty()).then(|| VersionReq::parse(&words.join(", ")).ok()).flatten()
        };
        let any: Option<Vec<VersionReq>> = text.split("||").map(range).collect();
        Ok(Ranges { any: any.ok_or_else(bad)?, short })
    }

    fn hold(&self, tag: &Tag) -> bool {
        let version = version(tag, self.short);
        version.is_some_and(|version| self.any.iter().any(|range| range.matches(&version)))
    }
}

/// `>= 1.2 <2,!` as `>=1.2`, `<2`, …: an operator may stand apart from its version.
fn comparisons(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let operator = |text: &String| text.chars().all(|c| "<>=~^".contains(c));
        match words.last_mut().filter(|last| operator(last)) {
            Some(last) => last.push_str(word),
            None => words.push(word.to_owned()),
        }
    }
    // Go's libraries know `v1.2`, and take a bare version for that one.
    let plain = |word: String| {
        let at = word.find(|c: char| !"<>=~^".contains(c)).unwrap_or(word.len());
        let (operator, version) = word.split_at(at);
        let version = version.strip_prefix('v').unwrap_or(version);
        let is_bare = operator.is_empty() && version.starts_with(|c: char| c.is_ascii_digit());
        format!(
            "{}{version}",
            if is_bare && !version.contains(['x', '*']) { "=" } else { operator }
        )
    };
    words.into_iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [&str; 12] = [
        "1.2.0",
        "v1.10.0",
        "v1.9.3",
        "2.0.0-rc.1",
        "2.0.0",
        "2.1",
        "3",
        "latest",
        "nightly-1",
        "V9.9.9",
        "1.2.0-alpine",
        "stable",
    ];

    fn tags() -> Vec<Tag> {
        let attached = format!("sha256-{}.sig", "a".repeat(64));
        let all = TAGS.iter().copied().chain([attached.as_str()]);
        all.map(|tag| tag.parse().unwrap()).collect()
    }

    fn chosen(filter: &Filter) -> Vec<String> {
        // Made in the order in which they stand above.
        let tags = tags();
        let created = |asked: Vec<Tag>| -> Result<Vec<(u64, Tag)>, ()> {
            let at = |tag: &Tag| tags.iter().position(|it| it == tag).unwrap() as u64 * 86_400;
            Ok(asked.into_iter().map(|tag| (at(&tag), tag)).collect())
        };
        filter.select(&tags, created).unwrap().iter().map(ToString::to_string).collect()
    }

    fn of(text: &str) -> Vec<String> {
        chosen(&Filter::parse(text).unwrap().unwrap())
    }

    #[test]
    fn names_are_matched_as_a_whole() {
        assert_eq!(of("*").len(), TAGS.len());
        assert_eq!(of("v1.*"), ["v1.10.0", "v1.9.3"]);
        assert_eq!(of("?"), ["3"]);
        assert_eq!(of("*-*"), ["1.2.0-alpine", "2.0.0-rc.1", "nightly-1"]);
        assert_eq!(of(r"~v?1\.\d+\.\d+"), ["1.2.0", "v1.10.0", "v1.9.3"]);
        assert_eq!(of("~late"), [""; 0]);
        assert_eq!(of("~latest|stable"), ["latest", "stable"]);
        assert_eq!(of("{glob=*.*; regex=[0-9.]{3}}"), ["2.1"]);
        assert_eq!(chosen(&Filter::containing("able").unwrap()), ["stable"]);
    }

    #[test]
    fn versions_are_three_numbers_and_ordered_as_versions() {
        assert_eq!(of("{semver=>=1.2 <2}"), ["1.2.0", "v1.10.0", "v1.9.3"]);
        assert_eq!(of("{semver=>= 1.2, < 2}"), of("{semver=>=1.2 <2}"));
        assert_eq!(of("{semver=^1.9}"), ["v1.10.0", "v1.9.3"]);
        assert_eq!(of("{semver=1.2.0 || 2.x}"), ["1.2.0", "2.0.0"]);
        assert_eq!(of("{semver=2.0.0}"), ["2.0.0"]);
        assert_eq!(of("{semver=>=2.0.0-rc.0}"), ["2.0.0", "2.0.0-rc.1"]);
        assert_eq!(of("{newest=2}"), ["2.0.0", "2.0.0-rc.1"]);
        assert_eq!(of("{semver=<2; newest=1}"), ["v1.10.0"]);
        assert_eq!(of("{newest=99; regex=.*}").len(), 6);
        // As skopeo has it.
        assert_eq!(chosen(&Filter::versions(">= 2.0").unwrap()), ["2.0.0", "2.1", "3"]);
    }

    #[test]
    fn times_are_those_of_the_making() {
        assert_eq!(of("{newest-created=2}"), ["1.2.0-alpine", "stable"]);
        assert_eq!(of("{created-since=1970-01-09; newest-created=1; glob=*1}"), ["nightly-1"]);
        assert_eq!(of("{created-since=1970-01-11T12:00:00Z}"), ["stable"]);
        assert!(!Filter::parse("{newest=1}").unwrap().unwrap().needs_dates());
    }

    #[test]
    fn what_is_no_pattern_is_a_tag_or_refused() {
        assert!(Filter::parse("v1.2").unwrap().is_none());
        let refused = |text: &str| Filter::parse(text).unwrap_err();
        assert_eq!(refused("{}"), PatternError::NoValue(String::new()));
        assert_eq!(refused("{semver}"), PatternError::NoValue("semver".to_owned()));
        assert_eq!(refused("{latest=1}"), PatternError::Unknown("latest".to_owned()));
        assert_eq!(refused("{newest=1; newest-created=1}"), PatternError::Twice("newest-created"));
        assert_eq!(refused("{semver=1;semver=2}"), PatternError::Twice("semver"));
        for count in ["0", "-1", "x", "1.5"] {
            assert_eq!(refused(&format!("{{newest={count}}}")), PatternError::Count(count.into()));
        }
        assert_eq!(refused("{created-since=may}"), PatternError::Date("may".to_owned()));
        for range in ["latest", ">=1 || ", ">=", "1 - 2", "!=1"] {
            assert_eq!(
                refused(&format!("{{semver={range}}}")),
                PatternError::Versions(range.trim().into())
            );
        }
        for bad in ["~(", "~a)(b", r"~\p{Nope}", "~a{999}{999}{999}"] {
            assert!(matches!(refused(bad), PatternError::Regex(_)), "{bad}");
        }
        assert_eq!(refused("1:*"), PatternError::Glob("1:*".to_owned()));
        assert_eq!(refused(&"*".repeat(MAX_PATTERN + 1)), PatternError::TooLong);
    }

    #[test]
    fn an_expression_cannot_take_long() {
        let filter = Filter::parse("~(a*)*b").unwrap().unwrap();
        let tag: Tag = "a".repeat(128).parse().unwrap();
        assert!(filter.select(&[tag], |_| Ok::<_, ()>(vec![])).unwrap().is_empty());
    }
}
