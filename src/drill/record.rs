//! The drill record: the few lines that say what a drill was about and what came of it.
//!
//! Withstands: everything in the place of a record: unknown, duplicate, missing, reordered and
//! trailing lines, other spellings of numbers and times, files over 16 KiB. A text is taken only
//! if writing its meaning again gives the same bytes. Normative text: `formats/drill.md`.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::{DrillError, Tally, tally};
use crate::bundle::{Name, Timestamp};
use crate::files;
use crate::oci::Digest;
use crate::trust::{KeyId, Purpose, Signature, Signer};
use crate::verify::VerifiedBundle;

/// The largest record, in bytes.
pub const MAX_RECORD_SIZE: u64 = 16 * 1024;
const FIRST_LINE: &str = "gapferry drill record v1";

/// What is written down of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The version of gapferry that did it.
    pub version: Version,
    /// The digest of the seal that was found; `None` when none could be read.
    pub seal: Option<Digest>,
    /// What the bundle says of itself; `None` when that is not proven.
    pub sealed: Option<Sealed>,
    /// When the drill began.
    pub started: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// How long its phases took.
    pub times: Times,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a verified bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its stream.
    pub stream: Name,
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made.
    pub created: Timestamp,
    /// The trusted keys that signed it: sorted, enough of them.
    pub signers: Vec<KeyId>,
    /// What it restores to.
    pub tally: Tally,
}

/// How long each phase took; `None` for one that was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Verifying the bundle: the seal, and every byte of the medium.
    pub verify: Option<Seconds>,
    /// Bringing the images to the store, packed layers being made.
    pub restore: Option<Seconds>,
    /// Reading the store and proving it.
    pub read_back: Option<Seconds>,
}

/// A span of time to the millisecond: `12.345`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

/// A version of gapferry: 1 to 64 of `A-Z a-z 0-9 . + -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All that the lading names was restored and read back.
    Restored,
    /// It was not, for the reason that this code of the command line stands for.
    Failed(Code),
}

/// A stable code of an error: 1 to 64 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

/// A text that is no drill record in its one spelling. The input's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Over the cap.
    #[error("the drill record is larger than {MAX_RECORD_SIZE} bytes")]
    TooLarge,
    /// It does not begin as a record of version 1 does.
    #[error("the drill record does not begin with the line `{FIRST_LINE}`")]
    Version,
    /// A line is missing, out of place or malformed.
    #[error("the drill record has no well-formed line `{0}:` where it belongs")]
    Line(&'static str),
    /// Something stands where nothing should, or is spelled in another way than the one.
    #[error("the drill record is not in its one canonical spelling")]
    NotCanonical,
}

impl Sealed {
    /// What `bundle` says of itself.
    pub fn of(bundle: &VerifiedBundle) -> Sealed {
        let seal = bundle.get().seal();
        Sealed {
            stream: seal.stream.clone(),
            epoch: seal.epoch,
            sequence: seal.sequence,
            created: seal.created,
            signers: bundle.get().signers().to_vec(),
            tally: tally(bundle),
        }
    }
}

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Seconds {
        Seconds(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl FromStr for Seconds {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Seconds, InvalidRecord> {
        let read = || {
            let (whole, rest) = text.split_once('.')?;
            let whole: u64 = whole.parse().ok()?;
            whole.checked_mul(1000)?.checked_add(rest.parse().ok()?).map(Seconds)
        };
        // Writing it again refuses signs, other numbers of digits and leading zeros.
        read().filter(|it| it.to_string() == text).ok_or(InvalidRecord::NotCanonical)
    }
}

/// True for 1 to 64 characters that `plain` holds for.
fn is_word(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl FromStr for Version {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Version, InvalidRecord> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b".+-".contains(&c);
        let version = is_word(text, plain).then(|| Version(text.to_owned()));
        version.ok_or(InvalidRecord::NotCanonical)
    }
}

impl FromStr for Code {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Code, InvalidRecord> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        is_word(text, plain).then(|| Code(text.to_owned())).ok_or(InvalidRecord::NotCanonical)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Restored => f.write_str("restored"),
            Outcome::Failed(code) => write!(f, "failed: {}", code.0),
        }
    }
}

impl FromStr for Outcome {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Outcome, InvalidRecord> {
        match text.strip_prefix("failed: ") {
            Some(code) => code.parse().map(Outcome::Failed),
            None if text == "restored" => Ok(Outcome::Restored),
            None => Err(InvalidRecord::NotCanonical),
        }
    }
}

impl Record {
    /// The record's bytes: the one spelling of its meaning.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |field: &str, value: &dyn fmt::Display| {
            writeln!(text, "{field}: {value}").expect("writing to a string does not fail");
        };
        line("tool", &format!("gapferry {}", self.version.0));
        line("seal", &or_none(self.seal));
        if let Some(sealed) = &self.sealed {
            line("stream", &sealed.stream.as_str());
            line("epoch", &sealed.epoch);
            line("sequence", &sealed.sequence);
            line("created", &sealed.created);
            sealed.signers.iter().for_each(|signer| line("signer", signer));
            line("images", &sealed.tally.images);
            line("documents", &sealed.tally.documents);
            line("blobs", &sealed.tally.blobs);
            line("bytes", &sealed.tally.bytes);
        }
        line("started", &self.started);
        line("finished", &self.finished);
        line("verify", &or_none(self.times.verify));
        line("restore", &or_none(self.times.restore));
        line("read-back", &or_none(self.times.read_back));
        line("result", &self.outcome);
        text.into_bytes()
    }

    /// Reads a record. Whether its signatures hold is not asked here.
    ///
    /// # Errors
    /// Every [`InvalidRecord`].
    pub fn parse(bytes: &[u8]) -> Result<Record, InvalidRecord> {
        if bytes.len() as u64 > MAX_RECORD_SIZE {
            return Err(InvalidRecord::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidRecord::NotCanonical)?;
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let record = Lines(rest.ok_or(InvalidRecord::Version)?).record()?;
        Some(record).filter(|it| it.to_bytes() == bytes).ok_or(InvalidRecord::NotCanonical)
    }
}

fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

/// What is still to be read.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn record(&mut self) -> Result<Record, InvalidRecord> {
        Ok(Record {
            version: self.field("tool", |text| text.strip_prefix("gapferry ")?.parse().ok())?,
            seal: self.optional("seal")?,
            sealed: self.0.starts_with("stream: ").then(|| self.sealed()).transpose()?,
            started: self.value("started")?,
            finished: self.value("finished")?,
            times: Times {
                verify: self.optional("verify")?,
                restore: self.optional("restore")?,
                read_back: self.optional("read-back")?,
            },
            outcome: self.value("result")?,
        })
    }

    fn sealed(&mut self) -> Result<Sealed, InvalidRecord> {
        let (stream, epoch) = (self.value("stream")?, self.value("epoch")?);
        let (sequence, created) = (self.value("sequence")?, self.value("created")?);
        let mut signers = vec![self.value("signer")?];
        while self.0.starts_with("signer: ") {
            signers.push(self.value("signer")?);
        }
        let tally = Tally {
            images: self.value("images")?,
            documents: self.value("documents")?,
            blobs: self.value("blobs")?,
            bytes: self.value("bytes")?,
        };
        Ok(Sealed { stream, epoch, sequence, created, signers, tally })
    }

    fn value<T: FromStr>(&mut self, field: &'static str) -> Result<T, InvalidRecord> {
        self.field(field, |text| text.parse().ok())
    }

    fn optional<T: FromStr>(&mut self, field: &'static str) -> Result<Option<T>, InvalidRecord> {
        self.field(field, |text| match text {
            "none" => Some(None),
            text => text.parse().ok().map(Some),
        })
    }

    fn field<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, InvalidRecord> {
        let (line, rest) = self.0.split_once('\n').ok_or(InvalidRecord::Line(field))?;
        self.0 = rest;
        let value = line.strip_prefix(field).and_then(|value| value.strip_prefix(": "));
        value.and_then(read).ok_or(InvalidRecord::Line(field))
    }
}

/// Writes `record` to `path`, and beside it a signature `<path>.<key id>.sig` by each of `signers`;
/// gives the files of the signatures. All are made and verified before anything is written.
///
/// # Errors
/// [`DrillError::Sign`], [`DrillError::File`].
pub fn write(
    record: &Record,
    path: &Path,
    signers: &[Box<dyn Signer>],
) -> Result<Vec<PathBuf>, DrillError> {
    let bytes = record.to_bytes();
    let signers = signers.iter().map(AsRef::as_ref);
    let signatures = signers.map(|signer| Signature::by(signer, Purpose::Drill, &bytes));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
    files::write_atomic(path, &bytes)?;
    let mut written = Vec::new();
    for signature in signatures {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.sig", signature.key_id));
        let path = PathBuf::from(name);
        files::write_atomic(&path, &signature.bytes)?;
        written.push(path);
    }
    Ok(written)
}
