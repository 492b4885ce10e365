//! `lading.json`: the bill of lading. What is aboard, from where and why, for people and tools.
//!
//! Withstands: duplicate keys and names, unknown fields, unbounded counts, images without a root.
//! It is parsed only after its digest is proven; the caps are for makers that err. Normative text:
//! `formats/lading.md`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::record::TransferRecord;
use crate::oci::{PinnedImage, json};

/// The largest lading, in bytes.
pub const MAX_LADING_SIZE: u64 = 256 * 1024 * 1024;
const FORMAT: &str = "lading v1";

/// What is aboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lading {
    gapferry: String,
    /// What made the bundle: `gapferry <version>`.
    pub tool: String,
    /// Every image, sorted by name.
    pub images: Vec<PinnedImage>,
    /// The transfer record as it stands there, of whatever version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<serde_json::Map<String, serde_json::Value>>,
    /// The same, read, if it is of a version that is known.
    #[serde(skip)]
    transfer: Option<TransferRecord>,
}

/// Why a lading is refused. Always the input's fault.
#[derive(Debug, thiserror::Error)]
pub enum LadingError {
    /// Not JSON of the right form.
    #[error("lading.json is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format than this gapferry reads.
    #[error("lading.json has the format {}, not `{FORMAT}`", .0.escape_debug())]
    Format(String),
    /// The images are not sorted by name, or a name stands twice.
    #[error("lading.json lists {0} out of order or twice")]
    Order(String),
    /// The first document of an image is not its root.
    #[error("lading.json gives {0} no root document")]
    Root(String),
    /// The transfer record is malformed.
    #[error("the transfer record in lading.json is malformed: {}", .0.escape_debug())]
    Record(String),
}

impl Lading {
    /// A lading of `images`, which it sorts by name.
    pub fn new(tool: &str, mut images: Vec<PinnedImage>) -> Lading {
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Lading {
            gapferry: FORMAT.to_owned(),
            tool: tool.to_owned(),
            images,
            record: None,
            transfer: None,
        }
    }

    /// The same with a transfer record.
    pub fn with_record(self, record: Option<TransferRecord>) -> Lading {
        Lading { record: record.as_ref().map(TransferRecord::to_map), transfer: record, ..self }
    }

    /// The transfer record, if there is one of a version that is known.
    pub fn record(&self) -> Option<&TransferRecord> {
        self.transfer.as_ref()
    }

    /// The file's bytes: JSON with two spaces of indentation and a last line feed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a lading is plain data");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Every [`LadingError`].
    pub fn parse(bytes: &[u8]) -> Result<Lading, LadingError> {
        let mut lading: Lading = json::parse(bytes)?;
        if lading.gapferry != FORMAT {
            return Err(LadingError::Format(lading.gapferry.chars().take(100).collect()));
        }
        let mut names = BTreeSet::new();
        for image in &lading.images {
            if names.last().is_some_and(|last| *last >= &image.name) {
                return Err(LadingError::Order(image.name.to_string()));
            }
            if image.root().is_none() {
                return Err(LadingError::Root(image.name.to_string()));
            }
            names.insert(&image.name);
        }
        let read = |map| TransferRecord::parse(map, &lading.images).map_err(LadingError::Record);
        lading.transfer = lading.record.as_ref().map(read).transpose()?.flatten();
        Ok(lading)
    }
}

#[cfg(test)]
mod tests;
