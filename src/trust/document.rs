//! A trust document: whose keys may seal which streams, and whose keys may say so.
//!
//! Withstands: CRLF, byte-order mark, unknown, duplicate, missing, reordered, unsorted and trailing
//! lines, numbers with signs or leading zeros, keys under ids that are not theirs, weak keys, keys of
//! unknown schemes, a stream with keys that are not listed, thresholds that are zero or that the
//! distinct keys cannot meet, files over 64 KiB. A text is taken only if writing its meaning again
//! gives the same bytes, so each document has one spelling. Normative text: `formats/trust.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::TrustError;
use super::key::{KeyId, PublicKey};
use super::keyring::Keyring;
use super::lines::{Lines, MalformedLine};
use super::name::Name;
use super::paper::MAX_NUMBER;
use super::timestamp::Timestamp;
use crate::oci::Digest;

/// The largest trust document, in bytes.
pub const MAX_DOCUMENT_SIZE: u64 = 64 * 1024;
const FIRST_LINE: &str = "gapferry trust v1";
const NOT_AFTER: &str = "not-after=";

/// Whom a site is to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The line of documents that this one continues.
    pub name: Name,
    /// From 1 up, without a gap.
    pub number: u32,
    /// The digest of the document before this one; `None` for the first.
    pub previous: Option<Digest>,
    /// When it was made.
    pub created: Timestamp,
    /// How many root keys must sign a document.
    pub root_threshold: usize,
    /// The keys that sign documents.
    pub roots: BTreeMap<KeyId, DatedKey>,
    /// The keys that seal bundles.
    pub keys: BTreeMap<KeyId, DatedKey>,
    /// Which of them may seal what.
    pub streams: BTreeMap<Name, Stream>,
}

/// A key, and until when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedKey {
    /// The key.
    pub key: PublicKey,
    /// It counts until then, and no longer; `None` for no end.
    pub not_after: Option<Timestamp>,
}

/// Who may seal the bundles of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The epoch that its bundles must state.
    pub epoch: u64,
    /// How many of the keys must have signed.
    pub threshold: usize,
    /// The keys, all of them in the document's list.
    pub keys: BTreeSet<KeyId>,
}

/// Why a text is no trust document. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Over the cap.
    #[error("the trust document is larger than {MAX_DOCUMENT_SIZE} bytes")]
    TooLarge,
    /// It does not begin as a trust document of version 1 does.
    #[error("the trust document does not begin with the line `{FIRST_LINE}`")]
    Version,
    /// A line is missing, out of place or malformed.
    #[error("line {line} of the trust document is not a well-formed `{field}:` line")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The field that belongs there.
        field: &'static str,
    },
    /// A key is listed under an id that is not its own.
    #[error("line {line} of the trust document gives a key an id that is not its own")]
    KeyId {
        /// Counted from 1.
        line: usize,
    },
    /// The first document has one before it, or another has none.
    #[error("trust document {number} must say `previous: none` if it is the first, and only then")]
    Previous {
        /// Its number.
        number: u32,
    },
    /// A threshold of 0, or one that the distinct root keys cannot meet.
    #[error("the root keys: {0}")]
    Roots(TrustError),
    /// A threshold of 0, or one that the distinct keys of a stream cannot meet.
    #[error("the keys of stream `{}`: {error}", stream.as_str())]
    Stream {
        /// The stream.
        stream: Name,
        /// What is wrong.
        error: TrustError,
    },
    /// A stream has a key that the document does not list.
    #[error("stream `{}` has the key {key_id}, which the document does not list", stream.as_str())]
    UnknownKey {
        /// The stream.
        stream: Name,
        /// The key.
        key_id: KeyId,
    },
    /// Something stands where nothing should, or is spelled in another way than the one.
    #[error("the trust document is not in its one canonical spelling")]
    NotCanonical,
}

impl From<MalformedLine> for DocumentError {
    fn from(MalformedLine { line, field }: MalformedLine) -> DocumentError {
        DocumentError::Line { line, field }
    }
}

impl DatedKey {
    /// Whether the key counts at that time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|not_after| now < not_after)
    }
}

impl Document {
    /// The document's bytes: the one spelling of its meaning.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\nname: {}\n", self.name.as_str());
        let mut line = |field: &str, value: String| {
            writeln!(text, "{field}: {value}").expect("writing to a string does not fail");
        };
        let previous = self.previous.map(|digest| digest.to_string());
        line("number", self.number.to_string());
        line("previous", previous.unwrap_or_else(|| "none".to_owned()));
        line("created", self.created.to_string());
        line("root-threshold", self.root_threshold.to_string());
        self.roots.iter().for_each(|(id, key)| line("root", key_words(id, key)));
        self.keys.iter().for_each(|(id, key)| line("key", key_words(id, key)));
        self.streams.iter().for_each(|(name, stream)| line("stream", stream_words(name, stream)));
        text.into_bytes()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Every [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
        if bytes.len() as u64 > MAX_DOCUMENT_SIZE {
            return Err(DocumentError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotCanonical)?;
        let mut lines = Lines::of(text);
        if lines.take() != Some(FIRST_LINE) {
            return Err(DocumentError::Version);
        }
        let document = read(&mut lines)?;
        document.check()?;
        match document.to_bytes() == bytes {
            true => Ok(document),
            false => Err(DocumentError::NotCanonical),
        }
    }

    /// The root keys, and how many of them must sign; with a time, those that count then.
    ///
    /// # Errors
    /// [`TrustError::InvalidThreshold`] when too few count.
    pub fn root_keyring(&self, now: Option<Timestamp>) -> Result<Keyring, TrustError> {
        let counts = |key: &&DatedKey| now.is_none_or(|now| key.is_valid_at(now));
        let keys = self.roots.values().filter(counts).map(|root| root.key.clone());
        Keyring::new(keys.collect(), self.root_threshold)
    }

    /// Every key that seals bundles and counts at `now`; one signature is enough.
    ///
    /// # Errors
    /// [`TrustError::InvalidThreshold`] when none counts.
    pub fn sealers(&self, now: Timestamp) -> Result<Keyring, TrustError> {
        let keys = self.keys.values().filter(|key| key.is_valid_at(now));
        Keyring::new(keys.map(|key| key.key.clone()).collect(), 1)
    }

    /// The keys of a stream that count at `now`, and how many of them must sign.
    ///
    /// # Errors
    /// [`TrustError::InvalidThreshold`] when too few count.
    pub fn stream_keyring(&self, stream: &Stream, now: Timestamp) -> Result<Keyring, TrustError> {
        let keys = stream.keys.iter().filter_map(|id| self.keys.get(id));
        let keys = keys.filter(|key| key.is_valid_at(now)).map(|key| key.key.clone());
        Keyring::new(keys.collect(), stream.threshold)
    }

    /// What the lines say together.
    fn check(&self) -> Result<(), DocumentError> {
        if (self.number == 1) != self.previous.is_none() {
            return Err(DocumentError::Previous { number: self.number });
        }
        self.root_keyring(None).map_err(DocumentError::Roots)?;
        for (name, stream) in &self.streams {
            let unlisted = stream.keys.iter().find(|id| !self.keys.contains_key(id));
            if let Some(key_id) = unlisted.copied() {
                return Err(DocumentError::UnknownKey { stream: name.clone(), key_id });
            }
            let keys = stream.keys.iter().map(|id| self.keys[id].key.clone());
            Keyring::new(keys.collect(), stream.threshold)
                .map_err(|error| DocumentError::Stream { stream: name.clone(), error })?;
        }
        Ok(())
    }
}

fn key_words(id: &KeyId, dated: &DatedKey) -> String {
    let key = &dated.key;
    let mut words = format!("{id} {} {}", key.scheme(), BASE64.encode(key.raw()));
    let not_after = dated.not_after.map(|time| format!("{NOT_AFTER}{time}"));
    for word in key.options().into_iter().map(str::to_owned).chain(not_after) {
        words += &format!(" {word}");
    }
    words
}

fn stream_words(name: &Name, stream: &Stream) -> String {
    let Stream { epoch, threshold, keys } = stream;
    let ids: String = keys.iter().map(|id| format!(" {id}")).collect();
    format!("{} epoch={epoch} threshold={threshold}{ids}", name.as_str())
}

fn read(lines: &mut Lines<'_>) -> Result<Document, DocumentError> {
    let number = |text: &str| text.parse().ok().filter(|it| (1..=MAX_NUMBER).contains(it));
    Ok(Document {
        name: lines.field("name", |text| text.parse().ok())?,
        number: lines.field("number", number)?,
        previous: lines.field("previous", previous)?,
        created: lines.field("created", |text| text.parse().ok())?,
        root_threshold: lines.field("root-threshold", |text| text.parse().ok())?,
        roots: keys(lines, "root")?,
        keys: keys(lines, "key")?,
        streams: streams(lines)?,
    })
}

/// The keys of the lines that follow. A key that stands twice is one key fewer when it is written
/// again, so that is found there, as is any other order.
fn keys(
    lines: &mut Lines<'_>,
    field: &'static str,
) -> Result<BTreeMap<KeyId, DatedKey>, DocumentError> {
    let mut keys = BTreeMap::new();
    while lines.is_next(field) {
        let (id, key) = lines.field(field, key)?;
        if key.key.key_id() != id {
            return Err(DocumentError::KeyId { line: lines.taken() });
        }
        keys.insert(id, key);
    }
    Ok(keys)
}

fn streams(lines: &mut Lines<'_>) -> Result<BTreeMap<Name, Stream>, MalformedLine> {
    let mut streams = BTreeMap::new();
    while lines.is_next("stream") {
        streams.extend([lines.field("stream", stream)?]);
    }
    Ok(streams)
}

fn previous(text: &str) -> Option<Option<Digest>> {
    match text {
        "none" => Some(None),
        text => text.parse().ok().filter(|it| matches!(it, Digest::Sha256(_))).map(Some),
    }
}

/// `<key id> <scheme> <base64> [<option>…] [not-after=<time>]`
fn key(text: &str) -> Option<(KeyId, DatedKey)> {
    let words: Vec<&str> = text.split(' ').collect();
    let (id, scheme, raw) = (words.first()?, words.get(1)?, words.get(2)?);
    let mut options = &words[3..];
    let mut not_after = None;
    if let Some(time) = options.last().and_then(|word| word.strip_prefix(NOT_AFTER)) {
        not_after = Some(time.parse().ok()?);
        options = &options[..options.len() - 1];
    }
    let raw = BASE64.decode(raw).ok()?;
    let key = PublicKey::from_raw(scheme.parse().ok()?, &raw, options).ok()?;
    Some((id.parse().ok()?, DatedKey { key, not_after }))
}

/// `<name> epoch=<n> threshold=<m> <key id>…`
fn stream(text: &str) -> Option<(Name, Stream)> {
    let mut words = text.split(' ');
    let name = words.next()?.parse().ok()?;
    let epoch = words.next()?.strip_prefix("epoch=")?.parse().ok().filter(|epoch| *epoch > 0)?;
    let threshold = words.next()?.strip_prefix("threshold=")?.parse().ok()?;
    let keys = words.map(|id| id.parse().ok()).collect::<Option<_>>()?;
    Some((name, Stream { epoch, threshold, keys }))
}

#[cfg(test)]
mod tests;
