//! The seal: the few lines that are signed. Everything else hangs on them by digest.
//!
//! Withstands: CRLF, byte-order mark, unknown, duplicate, missing, reordered and trailing lines,
//! numbers with signs or leading zeros, names with control characters, files over 16 KiB. A text
//! is taken only if writing its meaning again gives the same bytes, so each seal has one spelling.
//! Normative text: `formats/seal.md`.

use std::fmt::Write as _;

use crate::oci::Digest;
use crate::trust::{Lines, MalformedLine, Name, Timestamp};

/// The largest seal, in bytes.
pub const MAX_SEAL_SIZE: u64 = 16 * 1024;
const FIRST_LINE: &str = "gapferry bundle seal v1";

/// What is signed of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The line of bundles that this one continues.
    pub stream: Name,
    /// Which counting of sequence numbers.
    pub epoch: u64,
    /// Goes up from bundle to bundle.
    pub sequence: u64,
    /// The digest of the seal before this one.
    pub previous: Option<Digest>,
    /// When the bundle was made.
    pub created: Timestamp,
    /// When it is to be refused; `None` for never.
    pub expires: Option<Timestamp>,
    /// For whom; `None` for anybody.
    pub destination: Option<Name>,
    /// Seals of the bundles whose content this one builds upon.
    pub requires: Vec<Digest>,
    /// The number of the newest trust document that the maker knew; 0 for none.
    pub trust: u64,
    /// How many images are aboard.
    pub images: u64,
    /// How many files `SHA256SUMS` lists.
    pub files: u64,
    /// The sum of their sizes, in bytes.
    pub bytes: u64,
    /// The digest of `SHA256SUMS`.
    pub sums: Digest,
    /// The size of `SHA256SUMS`, in bytes.
    pub sums_size: u64,
}

/// Why a seal is refused. Always the input's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Over the cap.
    #[error("the seal is larger than {MAX_SEAL_SIZE} bytes")]
    TooLarge,
    /// It does not begin as a seal of version 1 does.
    #[error("the seal does not begin with the line `{FIRST_LINE}`")]
    Version,
    /// A line is missing, out of place or malformed.
    #[error("line {line} of the seal is not a well-formed `{field}:` line")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The field that belongs there.
        field: &'static str,
    },
    /// Something stands where nothing should, or is spelled in another way than the one.
    #[error("the seal is not in its one canonical spelling")]
    NotCanonical,
}

impl From<MalformedLine> for SealError {
    fn from(MalformedLine { line, field }: MalformedLine) -> SealError {
        SealError::Line { line, field }
    }
}

impl Seal {
    /// The seal's bytes: the one spelling of its meaning.
    pub fn to_bytes(&self) -> Vec<u8> {
        let or = |value: Option<String>, word: &str| value.unwrap_or_else(|| word.to_owned());
        let mut text = format!("{FIRST_LINE}\nstream: {}\n", self.stream.as_str());
        let mut line = |field: &str, value: String| {
            writeln!(text, "{field}: {value}").expect("writing to a string does not fail");
        };
        line("epoch", self.epoch.to_string());
        line("sequence", self.sequence.to_string());
        line("previous", or(self.previous.map(|digest| digest.to_string()), "none"));
        line("created", self.created.to_string());
        line("expires", or(self.expires.map(|time| time.to_string()), "never"));
        line(
            "destination",
            or(self.destination.as_ref().map(|name| name.as_str().to_owned()), "any"),
        );
        for base in &self.requires {
            line("requires", base.to_string());
        }
        line("trust", self.trust.to_string());
        line("images", self.images.to_string());
        line("files", self.files.to_string());
        line("bytes", self.bytes.to_string());
        line("sums", format!("{} {}", self.sums, self.sums_size));
        text.into_bytes()
    }

    /// Reads a seal.
    ///
    /// # Errors
    /// Every [`SealError`].
    pub fn parse(bytes: &[u8]) -> Result<Seal, SealError> {
        if bytes.len() as u64 > MAX_SEAL_SIZE {
            return Err(SealError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| SealError::NotCanonical)?;
        let mut lines = Lines::of(text);
        if lines.take() != Some(FIRST_LINE) {
            return Err(SealError::Version);
        }
        let seal = read(&mut lines)?;
        if seal.to_bytes() != bytes {
            return Err(SealError::NotCanonical);
        }
        Ok(seal)
    }
}

fn read(lines: &mut Lines<'_>) -> Result<Seal, MalformedLine> {
    let mut seal = Seal {
        stream: lines.field("stream", |text| text.parse().ok())?,
        epoch: lines.field("epoch", |text| text.parse().ok())?,
        sequence: lines.field("sequence", |text| text.parse().ok())?,
        previous: lines.field("previous", |text| or("none", text, sha256))?,
        created: lines.field("created", |text| text.parse().ok())?,
        expires: lines.field("expires", |text| or("never", text, |text| text.parse().ok()))?,
        destination: lines
            .field("destination", |text| or("any", text, |text| text.parse().ok()))?,
        requires: Vec::new(),
        trust: 0,
        images: 0,
        files: 0,
        bytes: 0,
        sums: Digest::of(b""),
        sums_size: 0,
    };
    while lines.is_next("requires") {
        seal.requires.push(lines.field("requires", sha256)?);
    }
    seal.trust = lines.field("trust", |text| text.parse().ok())?;
    seal.images = lines.field("images", |text| text.parse().ok())?;
    seal.files = lines.field("files", |text| text.parse().ok())?;
    seal.bytes = lines.field("bytes", |text| text.parse().ok())?;
    (seal.sums, seal.sums_size) = lines.field("sums", |text| {
        let (digest, size) = text.split_once(' ')?;
        Some((sha256(digest)?, size.parse().ok()?))
    })?;
    Ok(seal)
}

/// Version 1 names content by SHA-256 alone.
fn sha256(text: &str) -> Option<Digest> {
    text.parse().ok().filter(|digest| matches!(digest, Digest::Sha256(_)))
}

fn or<T>(word: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text == word { Some(None) } else { read(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal {
            stream: "prod-east".parse().unwrap(),
            epoch: 1,
            sequence: 42,
            previous: None,
            created: "2026-11-20T10:00:00Z".parse().unwrap(),
            expires: Some("2027-02-20T10:00:00Z".parse().unwrap()),
            destination: None,
            requires: vec![Digest::of(b"a"), Digest::of(b"b")],
            trust: 3,
            images: 12,
            files: 214,
            bytes: 5_368_709_120,
            sums: Digest::of(b"sums"),
            sums_size: 17_000,
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let full = seal();
        assert_eq!(Seal::parse(&full.to_bytes()), Ok(full.clone()));
        let bare = Seal { requires: vec![], expires: None, ..full.clone() };
        assert_eq!(Seal::parse(&bare.to_bytes()), Ok(bare));
        let named = Seal {
            previous: Some(Digest::of(b"p")),
            destination: Some("site-7".parse().unwrap()),
            ..full
        };
        assert_eq!(Seal::parse(&named.to_bytes()), Ok(named));
    }

    #[test]
    fn has_one_spelling() {
        let text = String::from_utf8(seal().to_bytes()).unwrap();
        let bad = [
            text.replace('\n', "\r\n"),
            format!("\u{feff}{text}"),
            format!("{text}\n"),
            format!("{text}extra: 1\n"),
            text.trim_end().to_owned(),
            text.replace("epoch: 1\n", ""),
            text.replace("epoch: 1\n", "epoch: 1\nepoch: 1\n"),
            text.replace("epoch: 1", "epoch: 01"),
            text.replace("epoch: 1", "epoch: +1"),
            text.replace("epoch: 1", "epoch:  1"),
            text.replace("epoch: 1", "epoch: 18446744073709551616"),
            text.replace("stream: prod-east", "stream: prod\u{1b}[0m"),
            text.replace("stream: prod-east", "stream: "),
            text.replace(" v1", " v2"),
            text.replace("previous: none", &format!("previous: sha512:{}", "0".repeat(128))),
            text.replace("expires: 2027-02-20", "expires: 2027-02-30"),
            text.to_uppercase(),
            String::new(),
        ];
        for text in bad {
            assert!(Seal::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(Seal::parse(&[b'x'; 16 * 1024 + 1]), Err(SealError::TooLarge));
        let line = SealError::Line { line: 3, field: "epoch" };
        assert_eq!(Seal::parse(text.replace("epoch: 1", "epoch: x").as_bytes()), Err(line));
    }
}
