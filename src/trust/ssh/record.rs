//! What a site writes down of the keys that it trusts: a PEM file, or lines as OpenSSH knows them.
//!
//! Two kinds of lines are read, alone or in files: that of a public key file (`ssh-ed25519 AAAA…
//! comment`), also with options before it; and that of `allowed_signers` (`names options ssh-ed25519
//! AAAA…`).
//!
//! Withstands: lines that mean something else, options that are unknown or said twice, times that
//! are none or hang on a time zone, keys for other purposes, certificate authorities. Sources:
//! ssh-keygen(1), "ALLOWED SIGNERS"; sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::key::PublicKey;
use super::super::purpose::Purpose;
use super::super::{TrustError, not_a_key};
use super::{Demands, Kind, SshKey, unsupported};

/// The most keys of one file.
const MAX_KEYS: usize = 1024;

/// A public key, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// It counts from then on, in seconds since 1970.
    pub valid_after: Option<u64>,
    /// It counts until then, in seconds since 1970.
    pub valid_before: Option<u64>,
}

impl KeyRecord {
    /// Reads the keys of a file: one PEM block, or lines.
    ///
    /// # Errors
    /// [`TrustError::NotAKey`], [`TrustError::UnsupportedAlgorithm`], [`TrustError::WeakKey`].
    pub fn parse(text: &str) -> Result<Vec<KeyRecord>, TrustError> {
        if text.contains("-----BEGIN ") {
            let key = PublicKey::from_pem(text)?;
            return Ok(vec![KeyRecord { key, valid_after: None, valid_before: None }]);
        }
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let records = lines.take(MAX_KEYS + 1).map(|(number, line)| record(number, line));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        match records.len() {
            0 => Err(not_a_key("public key", "no proper PEM block and no line of OpenSSH's")),
            count if count > MAX_KEYS => Err(not_a_key("public key", "too many lines")),
            _ => Ok(records),
        }
    }

    /// Whether the key counts at a time, in seconds since 1970.
    pub fn is_valid_at(&self, now: u64) -> bool {
        self.valid_after.is_none_or(|after| now >= after)
            && self.valid_before.is_none_or(|before| now <= before)
    }
}

/// What a line says besides the key.
#[derive(Default)]
struct Options {
    seen: Vec<&'static str>,
    valid_after: Option<u64>,
    valid_before: Option<u64>,
}

pub(super) const NO_TOUCH: &str = "no-touch-required";
pub(super) const VERIFY: &str = "verify-required";
const NAMESPACES: &str = "namespaces";
const AFTER: &str = "valid-after";
const BEFORE: &str = "valid-before";

fn record(number: usize, line: &str) -> Result<KeyRecord, TrustError> {
    let wrong = |what: &str| not_a_key("public key", &format!("line {number}: {what}"));
    let words = split(line, char::is_whitespace).ok_or_else(|| wrong("a quote is not closed"))?;
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    // Only the first words may be something else: a comment may hold anything.
    let is_kind = |word: &&str| Kind::named(word.as_bytes()).is_some();
    let Some(at) = words.iter().take(3).position(is_kind) else {
        return Err(no_kind(&words).unwrap_or_else(|| wrong("there is no key")));
    };
    let options = match &words[..at] {
        // One word alone is options, or names of signers, which are for other users of the file.
        [word] if !is_options(word) => Ok(Options::default()),
        before => Options::parse(before.last().unwrap_or(&"")),
    };
    let options = options.map_err(wrong)?;
    let blob = words.get(at + 1).and_then(|word| BASE64.decode(word).ok());
    let mut key = SshKey::parse(&blob.ok_or_else(|| wrong("the key is not base64"))?)?;
    if key.kind.name() != words[at] {
        return Err(wrong("the key is of another kind than the line says"));
    }
    let says = |option| options.seen.contains(&option);
    key.demands = Demands { presence: !says(NO_TOUCH), verification: says(VERIFY) };
    let Options { valid_after, valid_before, .. } = options;
    Ok(KeyRecord { key: PublicKey::ssh(key), valid_after, valid_before })
}

/// The error of a line with a key of another kind; `None` when nothing in it looks like one.
fn no_kind(words: &[&str]) -> Option<TrustError> {
    // Every key begins with the length of its kind's name, which makes these letters.
    let key = words.iter().position(|word| word.starts_with("AAAA"))?;
    let kind = words.get(key.checked_sub(1)?)?;
    Kind::named(kind.as_bytes()).is_none().then(|| unsupported(kind.as_bytes()))
}

fn is_options(word: &str) -> bool {
    let known = [NO_TOUCH, VERIFY, NAMESPACES, AFTER, BEFORE, "cert-authority"];
    let name = word.split([',', '=']).next().unwrap_or_default();
    // Names may stand in quotes; what has a value can be nothing but an option.
    let has_value = word.contains('=') && !word.starts_with('"');
    has_value || known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl Options {
    fn parse(text: &str) -> Result<Options, &'static str> {
        let mut options = Options::default();
        let parts = split(text, |c| c == ',').ok_or("a quote is not closed")?;
        for part in parts.into_iter().filter(|_| !text.is_empty()) {
            options.add(part)?;
        }
        Ok(options)
    }

    fn add(&mut self, option: &str) -> Result<(), &'static str> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value).ok_or("a value has no quotes")?)),
            None => (option, None),
        };
        let known = match (name.to_ascii_lowercase().as_str(), value) {
            (NO_TOUCH, None) => NO_TOUCH,
            (VERIFY, None) => VERIFY,
            (NAMESPACES, Some(names)) => {
                let own =
                    names.split(',').any(|name| name == Purpose::Seal.namespace() || name == "*");
                own.then_some(NAMESPACES).ok_or("the key is for other namespaces")?
            }
            (AFTER, Some(time)) => {
                self.valid_after = Some(seconds(time)?);
                AFTER
            }
            (BEFORE, Some(time)) => {
                self.valid_before = Some(seconds(time)?);
                BEFORE
            }
            _ => return Err("an option that is not known here"),
        };
        if self.seen.contains(&known) {
            return Err("an option stands there twice");
        }
        self.seen.push(known);
        Ok(())
    }
}

fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// The parts between separators that are not within quotes; `None` when a quote is not closed.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && is_separator(c) {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// `YYYYMMDDZ`, `YYYYMMDDhhmmZ` or `YYYYMMDDhhmmssZ`, in seconds since 1970. OpenSSH takes a time
/// without `Z` for local time, which is not the same everywhere.
fn seconds(text: &str) -> Result<u64, &'static str> {
    let digits = text.strip_suffix('Z').ok_or("a time without a Z, which stands for UTC")?;
    let wrong = "a time that is not YYYYMMDD[hhmm[ss]]Z";
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong);
    }
    let part = |from: usize, to: usize| -> u64 {
        digits.get(from..to).and_then(|part| part.parse().ok()).unwrap_or(0)
    };
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    let days = days(year, month, day).ok_or(wrong)?;
    match hour < 24 && minute < 60 && second < 60 {
        true => Ok(((days * 24 + hour) * 60 + minute) * 60 + second),
        false => Err(wrong),
    }
}

/// Days from 1970 to a date of the Gregorian calendar; `None` for what is no date from then on.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let february = 28 + leaps(year) - leaps(year.checked_sub(1)?);
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || !(1..=*lengths.get(before)?).contains(&day) {
        return None;
    }
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + lengths[..before].iter().sum::<u64>() + day - 1)
}
