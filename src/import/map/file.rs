//! A file of rules: TOML. `docs/guides/mirrors.md` describes it.
//!
//! Withstands: fields and versions that nobody knows (a rule that is misspelt must not be a rule
//! that is not there), files of any size, deep nesting.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Affix, InvalidMapping, Rule};

/// The largest file of rules, in bytes.
pub const MAX_RULES_SIZE: u64 = 1024 * 1024;
const VERSION: &str = "map v1";

/// What a file of rules says.
#[derive(Debug, Clone, Default)]
pub struct RuleFile {
    /// The rules, in its order.
    pub rules: Vec<Rule>,
    /// Whether names that no rule fits keep their host.
    pub keep_host: bool,
    /// What stands around the tags of which no rule says anything.
    pub affix: Option<Affix>,
}

#[derive(Deserialize)]
struct Head {
    gapferry: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// Read before, as [`Head`].
    #[serde(rename = "gapferry")]
    _version: IgnoredAny,
    #[serde(default)]
    keep_host: bool,
    tag_prefix: Option<String>,
    tag_suffix: Option<String>,
    #[serde(default)]
    rule: Vec<toml::Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawRule {
    from: Option<String>,
    regex: Option<String>,
    to: String,
    tag_prefix: Option<String>,
    tag_suffix: Option<String>,
}

impl RuleFile {
    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`InvalidMapping::File`].
    pub fn parse(bytes: &[u8]) -> Result<RuleFile, InvalidMapping> {
        let line = |at: usize| {
            1 + bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count()
        };
        let toml = |error: toml::de::Error| {
            let line = line(error.span().map_or(0, |span| span.start));
            InvalidMapping::File { line, what: error.message().chars().take(300).collect() }
        };
        if bytes.len() as u64 > MAX_RULES_SIZE {
            let what = format!("the file is larger than {MAX_RULES_SIZE} bytes");
            return Err(InvalidMapping::File { line: 1, what });
        }
        let head: Head = toml::from_slice(bytes).map_err(toml)?;
        if head.gapferry != VERSION {
            let what = format!("the file does not begin with gapferry = \"{VERSION}\"");
            return Err(InvalidMapping::File { line: 1, what });
        }
        let file: File = toml::from_slice(bytes).map_err(toml)?;
        let rules = file.rule.into_iter().map(|raw| {
            let line = line(raw.span().start);
            let wrong = |what: String| InvalidMapping::File { line, what };
            rule(raw.into_inner()).map_err(wrong)
        });
        Ok(RuleFile {
            rules: rules.collect::<Result<_, _>>()?,
            keep_host: file.keep_host,
            affix: affix(file.tag_prefix, file.tag_suffix),
        })
    }
}

fn rule(raw: RawRule) -> Result<Rule, String> {
    let rule = match (&raw.from, &raw.regex) {
        (Some(from), None) => Rule::prefix(from, &raw.to).ok_or("`from` is empty")?,
        (None, Some(regex)) => Rule::pattern(regex, &raw.to).map_err(|error| error.to_string())?,
        _ => return Err("a rule has either `from` or `regex`".to_owned()),
    };
    Ok(rule.with_affix(affix(raw.tag_prefix, raw.tag_suffix)))
}

fn affix(prefix: Option<String>, suffix: Option<String>) -> Option<Affix> {
    (prefix.is_some() || suffix.is_some())
        .then(|| Affix { prefix: prefix.unwrap_or_default(), suffix: suffix.unwrap_or_default() })
}
