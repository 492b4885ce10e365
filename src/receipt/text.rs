//! The lines of a receipt, written and read in one spelling.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::{Became, Check, ImageLine, Override, Receipt, ReceiptError};
use crate::audit::{Checkpoint, ascii};
use crate::oci::Digest;
use crate::trust::{Lines, MalformedLine};

pub(super) const FIRST_LINE: &str = "gapferry import receipt v1\n";
/// How many lines of one kind there may be.
const MAX_LINES: usize = 100_000;
const OVERRIDES: [(&str, Override); 3] =
    [("keep-going", Override::KeepGoing), ("only", Override::Only), ("restore", Override::Restore)];
const CHECKS: [(&str, Check); 3] =
    [("passed", Check::Passed), ("not-needed", Check::NotNeeded), ("partly", Check::Partly)];
const BECAME: [(&str, Became); 3] =
    [("new", Became::New), ("present", Became::Present), ("refused", Became::Refused)];

impl From<MalformedLine> for ReceiptError {
    fn from(error: MalformedLine) -> ReceiptError {
        ReceiptError::Malformed(error.line)
    }
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, it)| it == value).map(|(word, _)| *word).expect("all have a word")
}

fn meaning<T: Copy>(words: &[(&'static str, T)], word: &str) -> Option<T> {
    words.iter().find(|(it, _)| *it == word).map(|(_, value)| *value)
}

/// A text in quotes, of printable ASCII, as JSON has it.
fn quoted(text: &str) -> String {
    ascii(&serde_json::to_string(text).expect("a text is plain data"))
}

fn unquoted(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

impl Receipt {
    /// The receipt's bytes: the one spelling of its meaning.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = FIRST_LINE.to_owned();
        let mut line = |field: &str, value: &dyn fmt::Display| {
            writeln!(text, "{field}: {value}").expect("writing to a string does not fail");
        };
        let quoted_or_none = |text: &Option<String>| match text {
            Some(text) => quoted(text),
            None => "none".to_owned(),
        };
        line("tool", &quoted(&self.tool));
        line("host", &quoted(&self.host));
        line("operator", &quoted(&self.operator));
        line("second-person", &quoted_or_none(&self.second_person));
        line("started", &self.started);
        line("finished", &self.finished);
        line("seal", &self.seal);
        line("stream", &self.stream.as_str());
        line("epoch", &self.epoch);
        line("sequence", &self.sequence);
        line("created", &self.created);
        self.signers.iter().for_each(|signer| line("signer", signer));
        line("threshold", &self.threshold);
        line("trust", &self.trust);
        line("target", &self.target);
        match &self.previous {
            Some((epoch, sequence, seal)) => {
                line("previous", &format!("{epoch} {sequence} {seal}"));
            }
            None => line("previous", &"none"),
        }
        self.overrides.iter().for_each(|it| line("override", &word(&OVERRIDES, it)));
        line("reason", &quoted_or_none(&self.reason));
        for (step, check) in (1..).zip(&self.checks) {
            line("check", &format!("{step} {}", word(&CHECKS, check)));
        }
        for ImageLine { outcome, digest, name, target } in &self.images {
            line("image", &format!("{} {digest} {name} {target}", word(&BECAME, outcome)));
        }
        line("blobs", &self.blobs);
        line("bytes", &self.bytes);
        match &self.log {
            Some(Checkpoint { origin, size, root }) => {
                line("log", &format!("{origin} {size} {root}"));
            }
            None => line("log", &"none"),
        }
        text.into_bytes()
    }

    /// Reads a receipt. Whether its signatures hold is not asked here.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Receipt, ReceiptError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ReceiptError::Malformed(1))?;
        let rest = text.strip_prefix(FIRST_LINE).ok_or(ReceiptError::Malformed(1))?;
        let receipt = read(&mut Lines::of(rest)).map_err(|error| match error {
            // Counted from 1, with the first line.
            ReceiptError::Malformed(line) => ReceiptError::Malformed(line + 1),
            error => error,
        })?;
        let written = receipt.to_bytes();
        let first_other = || {
            let mut pairs = text.split('\n').zip(written.split(|byte| *byte == b'\n'));
            pairs.position(|(read, own)| read.as_bytes() != own).unwrap_or(0) + 1
        };
        match written == bytes {
            true => Ok(receipt),
            false => Err(ReceiptError::Malformed(first_other())),
        }
    }
}

fn read(lines: &mut Lines<'_>) -> Result<Receipt, ReceiptError> {
    let text = |lines: &mut Lines<'_>, field| lines.field(field, unquoted);
    Ok(Receipt {
        tool: text(lines, "tool")?,
        host: text(lines, "host")?,
        operator: text(lines, "operator")?,
        second_person: lines.field("second-person", |text| optional(text, unquoted))?,
        started: value(lines, "started")?,
        finished: value(lines, "finished")?,
        seal: value(lines, "seal")?,
        stream: value(lines, "stream")?,
        epoch: value(lines, "epoch")?,
        sequence: value(lines, "sequence")?,
        created: value(lines, "created")?,
        signers: repeated(lines, "signer", |text| text.parse().ok())?,
        threshold: value(lines, "threshold")?,
        trust: value(lines, "trust")?,
        target: value(lines, "target")?,
        previous: lines.field("previous", |text| optional(text, previous))?,
        overrides: repeated(lines, "override", |text| meaning(&OVERRIDES, text))?,
        reason: lines.field("reason", |text| optional(text, unquoted))?,
        checks: checks(lines)?,
        images: repeated(lines, "image", image)?,
        blobs: value(lines, "blobs")?,
        bytes: value(lines, "bytes")?,
        log: lines.field("log", |text| optional(text, log))?,
    })
}

fn value<T: FromStr>(lines: &mut Lines<'_>, field: &'static str) -> Result<T, MalformedLine> {
    lines.field(field, |text| text.parse().ok())
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        "none" => Some(None),
        text => read(text).map(Some),
    }
}

fn repeated<T>(
    lines: &mut Lines<'_>,
    field: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ReceiptError> {
    let mut values = Vec::new();
    while lines.is_next(field) {
        values.push(lines.field(field, &read)?);
        if values.len() > MAX_LINES {
            return Err(ReceiptError::TooLarge);
        }
    }
    Ok(values)
}

fn previous(text: &str) -> Option<(u64, u64, Digest)> {
    let (epoch, rest) = text.split_once(' ')?;
    let (sequence, seal) = rest.split_once(' ')?;
    Some((epoch.parse().ok()?, sequence.parse().ok()?, seal.parse().ok()?))
}

fn checks(lines: &mut Lines<'_>) -> Result<[Check; 11], MalformedLine> {
    let mut checks = [Check::Passed; 11];
    for (at, check) in checks.iter_mut().enumerate() {
        *check = lines.field("check", |text| {
            let (step, word) = text.split_once(' ')?;
            (step.parse() == Ok(at + 1)).then(|| meaning(&CHECKS, word)).flatten()
        })?;
    }
    Ok(checks)
}

fn image(text: &str) -> Option<ImageLine> {
    let mut words = text.split(' ');
    let outcome = meaning(&BECAME, words.next()?)?;
    let (digest, name) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(ImageLine { outcome, digest, name, target: words.next()?.parse().ok()? })
}

fn log(text: &str) -> Option<Checkpoint> {
    let mut words = text.split(' ');
    let (origin, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    let root: Digest = words.next()?.parse().ok()?;
    let plain = !origin.is_empty() && origin.bytes().all(|byte| byte.is_ascii_graphic());
    let log = Checkpoint { origin, size, root };
    (plain && matches!(root, Digest::Sha256(_))).then_some(log)
}
