//! The transfer record: who lets what across, in the words of the organisation, and what is known of
//! the images besides. A part of the lading, and so signed with it.
//!
//! Withstands: what the lading does; empty texts, control characters in them, texts over 500
//! characters, images that are not aboard. A record of another version is passed over. Normative text:
//! `formats/lading.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::oci::{Digest, PinnedImage, Reference};

const FORMAT: &str = "record v1";
const MAX_WORDS: usize = 500;

/// A text of 1 to 500 characters, none of which is a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Words(String);

/// Not such a text. The input's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_WORDS} characters, and no control characters")]
pub struct InvalidWords;

impl Words {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Words {
    type Error = InvalidWords;

    fn try_from(text: String) -> Result<Words, InvalidWords> {
        let fits = (1..=MAX_WORDS).contains(&text.chars().count());
        match fits && !text.contains(char::is_control) {
            true => Ok(Words(text)),
            false => Err(InvalidWords),
        }
    }
}

impl std::str::FromStr for Words {
    type Err = InvalidWords;

    fn from_str(text: &str) -> Result<Words, InvalidWords> {
        Words::try_from(text.to_owned())
    }
}

impl From<Words> for String {
    fn from(words: Words) -> String {
        words.0
    }
}

/// Who lets what across.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TransferRecord {
    gapferry: String,
    /// The name of the record.
    pub id: Words,
    /// What people say of the transfer.
    #[serde(flatten)]
    pub said: Said,
    /// The SHA-256 of the program that wrote the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_digest: Option<Digest>,
    /// The SHA-256 of the policy file that the images met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// What the maker's audit log was when the bundle was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogState>,
    /// What is known of images besides what the lading says; sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageRecord>,
}

/// What people say of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The request or change that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Words>,
    /// Who prepared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparer: Option<Words>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Words>,
    /// From where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Words>,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Words>,
    /// How the medium is to be handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Words>,
}

/// What an audit log was at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogState {
    /// Its name.
    pub origin: Words,
    /// How many records it had.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    /// Its name, as in the lading.
    pub name: Reference,
    /// Signatures of cosign that the policy asked for, and that were verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<CheckedSignatures>,
    /// SBOMs and scan results that travel with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<Attached>,
}

/// At least `threshold` of these keys signed the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckedSignatures {
    /// How many had to sign.
    pub threshold: usize,
    /// The keys, by the names of their files in the policy.
    pub keys: Vec<Words>,
}

/// An SBOM or a scan result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// The manifest that holds it.
    pub document: Digest,
    /// The blob that it is.
    pub blob: Digest,
    /// What it is.
    pub kind: AttachedKind,
    /// How many packages or components it lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<u64>,
    /// How many packages have each licence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub licences: BTreeMap<String, u64>,
    /// How many findings there are of each severity, in the words of the scanner, in capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<BTreeMap<String, u64>>,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachedKind {
    /// An SBOM: SPDX in JSON.
    Spdx,
    /// An SBOM, maybe with findings: CycloneDX in JSON.
    Cyclonedx,
    /// Findings: SARIF.
    Sarif,
    /// Findings: the JSON of Trivy.
    Trivy,
    /// Findings: the JSON of Grype.
    Grype,
}

impl TransferRecord {
    /// A record with this name, and nothing else yet.
    pub fn new(id: Words, said: Said) -> TransferRecord {
        let (tool_digest, policy, log) = (None, None, None);
        let (gapferry, images) = (FORMAT.to_owned(), Vec::new());
        TransferRecord { gapferry, id, said, tool_digest, policy, log, images }
    }

    /// The same without what another run of the same export would have otherwise.
    pub fn lasting(&self) -> TransferRecord {
        TransferRecord { log: None, ..self.clone() }
    }

    /// Reads a record of this version; `None` for another one.
    pub(super) fn parse(
        map: &Map<String, Value>,
        images: &[PinnedImage],
    ) -> Result<Option<TransferRecord>, String> {
        if map.get("gapferry").and_then(Value::as_str) != Some(FORMAT) {
            return Ok(None);
        }
        let record: TransferRecord =
            serde_json::from_value(Value::Object(map.clone())).map_err(|it| it.to_string())?;
        if !record.images.is_sorted_by(|a, b| a.name < b.name) {
            return Err("its images are not sorted, or one is there twice".to_owned());
        }
        let aboard = |name: &Reference| images.iter().any(|image| image.name == *name);
        match record.images.iter().find(|it| !aboard(&it.name)) {
            Some(ImageRecord { name, .. }) => Err(format!("{name} is not aboard")),
            None => Ok(Some(record)),
        }
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self).expect("a record is plain data") {
            Value::Object(map) => map,
            _ => unreachable!("a record is an object"),
        }
    }
}
