//! The policy file: TOML, read into rules that can be followed as they are.
//!
//! Withstands: fields, kinds and versions that nobody knows (a rule that is misspelt must not be a
//! rule that is not there), files of any size, deep nesting, keys given twice, thresholds that
//! cannot be met. Normative text: `formats/policy.md`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cosign::{Key, KeyError};
use super::pattern::Pattern;
use super::place::Place;
use super::record::RecordRule;
use crate::oci::{Digest, Platform};

/// The largest policy, in bytes.
pub const MAX_POLICY_SIZE: u64 = 1024 * 1024;
const VERSION: &str = "policy v1";

/// What a site lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where images may come from; `None` for anywhere.
    pub allow: Option<Vec<Place>>,
    /// What must not be in any image.
    pub block: BTreeSet<Digest>,
    /// What images must be and have.
    pub rules: Vec<Rule>,
    /// Who must have signed.
    pub signatures: Vec<SignatureRule>,
    /// What the transfer record must say.
    pub record: Option<RecordRule>,
}

/// What the images that match must be and have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Which images; all of them unless given.
    #[serde(default = "Pattern::all", rename = "match")]
    pub pattern: Pattern,
    /// Each must be aboard.
    #[serde(default)]
    pub platforms: Vec<Platform>,
    /// Each must refer to the image.
    #[serde(default)]
    pub require: Vec<Kind>,
    /// A scan result that must refer to the image.
    pub scan: Option<ScanRule>,
    /// Whether a tag alone does not do.
    #[serde(default)]
    pub require_digest: bool,
    /// How many days ago the image may have been made.
    pub max_age_days: Option<u64>,
    /// How many bytes its configs, layers and other blobs may have together.
    pub max_bytes: Option<u64>,
}

/// A scan result that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScanRule {
    /// The artifact types that are scan results.
    pub types: Vec<String>,
    /// How many days ago it may have been made.
    pub max_age_days: Option<u64>,
}

/// Keys of cosign, and how many of them must have signed the images that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRule {
    /// Which images.
    pub pattern: Pattern,
    /// The keys, with the names of their files.
    pub keys: Vec<(String, Key)>,
    /// How many of them must have signed.
    pub threshold: usize,
}

/// Something that refers to an image, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A list of what is in it: SPDX or CycloneDX.
    Sbom,
    /// A signature of cosign's. That it is there; a [`SignatureRule`] says whose it must be.
    CosignSignature,
    /// A signature of notation's. That it is there.
    NotationSignature,
}

impl Kind {
    /// The name, as a policy has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sbom => "sbom",
            Kind::CosignSignature => "cosign-signature",
            Kind::NotationSignature => "notation-signature",
        }
    }
}

/// Why a policy is refused. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Larger than any policy.
    #[error("the policy is larger than {MAX_POLICY_SIZE} bytes")]
    TooLarge,
    /// Not TOML of the policy's form.
    #[error("line {line}: {}", .what.escape_debug())]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A policy of another version.
    #[error("a policy of another version: {}", .0.escape_debug())]
    Version(String),
    /// It demands nothing of any image.
    #[error("the policy, or a rule of it, demands nothing")]
    Empty,
    /// A key file holds no key that is known.
    #[error("{}: {error}", .file.escape_debug())]
    Key {
        /// The file, as the policy names it.
        file: String,
        /// What is wrong.
        error: KeyError,
    },
    /// One key stands twice in a list, and would count twice.
    #[error("the key in {} stands in its list twice", .0.escape_debug())]
    SameKey(String),
    /// No threshold that the keys can meet, or one that needs no key.
    #[error("a threshold of {threshold} makes no sense with {keys} keys")]
    Threshold {
        /// How many keys must sign.
        threshold: usize,
        /// How many there are.
        keys: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Read before, as [`Head`].
    #[serde(rename = "gapferry")]
    _version: IgnoredAny,
    allow: Option<Vec<Place>>,
    #[serde(default)]
    block: BTreeSet<Digest>,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    signature: Vec<FileSignature>,
    record: Option<RecordRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSignature {
    #[serde(default = "Pattern::all", rename = "match")]
    pattern: Pattern,
    keys: Vec<String>,
    #[serde(default = "one")]
    threshold: usize,
}

fn one() -> usize {
    1
}

/// What a file says before the rest of it can be understood.
#[derive(Deserialize)]
struct Head {
    gapferry: String,
}

impl Policy {
    /// Reads a policy; `read_key` gives the text of the key files that it names.
    ///
    /// # Errors
    /// Every [`PolicyError`], and whatever `read_key` gives.
    pub fn parse<E: From<PolicyError>>(
        bytes: &[u8],
        read_key: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Policy, E> {
        let file = read(bytes)?;
        let read_signature = |raw: FileSignature| signature(raw, &read_key);
        let signatures: Vec<SignatureRule> =
            file.signature.into_iter().map(read_signature).collect::<Result<_, E>>()?;
        let (allow, block, rules, record) = (file.allow, file.block, file.rule, file.record);
        let policy = Policy { allow, block, rules, signatures, record };
        match policy.demands() {
            true => Ok(policy),
            false => Err(PolicyError::Empty.into()),
        }
    }

    fn demands(&self) -> bool {
        let any = self.allow.is_some()
            || !self.block.is_empty()
            || !self.rules.is_empty()
            || !self.signatures.is_empty()
            || self.record.is_some();
        let record = self.record.as_ref().is_none_or(RecordRule::demands);
        any && record && self.rules.iter().all(Rule::demands)
    }
}

impl Rule {
    fn demands(&self) -> bool {
        self.require_digest
            || !self.platforms.is_empty()
            || !self.require.is_empty()
            || self.max_age_days.is_some()
            || self.max_bytes.is_some()
            || self.scan.as_ref().is_some_and(|scan| !scan.types.is_empty())
    }
}

fn read(bytes: &[u8]) -> Result<File, PolicyError> {
    if bytes.len() as u64 > MAX_POLICY_SIZE {
        return Err(PolicyError::TooLarge);
    }
    let toml = |error: toml::de::Error| {
        let before = error.span().map_or(0, |span| span.start.min(bytes.len()));
        let line = 1 + bytes[..before].iter().filter(|byte| **byte == b'\n').count();
        PolicyError::Toml { line, what: error.message().chars().take(300).collect() }
    };
    let head: Head = toml::from_slice(bytes).map_err(toml)?;
    if head.gapferry != VERSION {
        return Err(PolicyError::Version(head.gapferry.chars().take(100).collect()));
    }
    toml::from_slice(bytes).map_err(toml)
}

fn signature<E: From<PolicyError>>(
    raw: FileSignature,
    read_key: &impl Fn(&str) -> Result<String, E>,
) -> Result<SignatureRule, E> {
    let FileSignature { pattern, keys: files, threshold } = raw;
    let mut keys: Vec<(String, Key)> = Vec::new();
    for file in files {
        let key = Key::from_pem(&read_key(&file)?);
        let key = key.map_err(|error| PolicyError::Key { file: file.clone(), error })?;
        if keys.iter().any(|(_, known)| *known == key) {
            return Err(PolicyError::SameKey(file).into());
        }
        keys.push((file, key));
    }
    match (1..=keys.len()).contains(&threshold) {
        true => Ok(SignatureRule { pattern, keys, threshold }),
        false => Err(PolicyError::Threshold { threshold, keys: keys.len() }.into()),
    }
}
