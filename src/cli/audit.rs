//! Writing the audit log: the intent before the work, the outcome after it.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::bundles::timestamp;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::state::StateArgs;
use crate::audit::{AuditError, Checkpoint, Event, Facts, Log};
use crate::bundle::{HeadFile, MAX_SEAL_SIZE, Medium};
use crate::files;
use crate::oci::Digest;
use crate::trust::Signer;
use crate::verify::VerifiedBundle;

/// The log below the state directory.
const DIRECTORY: &str = "log";
const FILE: &str = "audit.jsonl";
/// The most characters of one fact, as they stand in the log.
const MAX_FACT: usize = 8 * 1024;

/// Where what is done is written down, and who does it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Audit log")]
pub struct LogArgs {
    /// Write down what is done in this file [default: log/audit.jsonl in the state directory]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Write down nothing
    #[arg(long, conflicts_with = "log")]
    pub no_log: bool,
    /// Who does this, in the words of the site [default: $GAPFERRY_OPERATOR, or $USER]
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
}

impl LogArgs {
    /// No log: for what changes nothing.
    pub fn none() -> LogArgs {
        LogArgs { no_log: true, ..LogArgs::default() }
    }

    /// Who does this, as far as it is known.
    pub fn operator(&self, context: &Context) -> String {
        let variable = |name| context.variable(name).map(|it| it.to_string_lossy().into_owned());
        let named = self.operator.clone().or_else(|| variable("GAPFERRY_OPERATOR"));
        named.or_else(|| variable("USER")).unwrap_or_else(|| "unknown".to_owned())
    }

    /// Writes down that `command` is about to do what `facts` say. Without a log nothing is begun.
    ///
    /// # Errors
    /// When there is no place for a log, it cannot be written, or it is not what was written there.
    pub fn begin<'a>(
        &self,
        state: &StateArgs,
        command: &str,
        mut facts: Facts,
        context: &'a Context,
    ) -> Result<Run<'a>, Failure> {
        if self.no_log {
            return Ok(Run { log: None, facts: Facts::new(), context });
        }
        facts.insert("host".to_owned(), fact(&host()));
        facts.insert("operator".to_owned(), fact(&self.operator(context)));
        facts.insert("tool".to_owned(), fact(concat!("gapferry ", env!("CARGO_PKG_VERSION"))));
        let path = place(self.log.as_ref(), state, context)?;
        if self.log.is_none() {
            let above = files::parent(&path);
            files::create_private_directory(&files::parent(&above))
                .and_then(|()| files::create_private_directory(&above))
                .map_err(|error| unwritten(error.into()))?;
        }
        let now = timestamp(context.now())?;
        let mut log = Log::open(&path, now).map_err(unwritten)?;
        let event = Event::Intent { command: command.to_owned(), facts };
        let of = log.add(event, now).map_err(unwritten)?;
        Ok(Run { log: Some((log, of)), facts: Facts::new(), context })
    }
}

/// The log that is meant.
///
/// # Errors
/// When nothing says where it is.
pub fn place(
    log: Option<&PathBuf>,
    state: &StateArgs,
    context: &Context,
) -> Result<PathBuf, Failure> {
    if let Some(path) = log {
        return Ok(path.clone());
    }
    let state = state.directory(context);
    let hint = "name a log with --log FILE, or a directory with --state DIR; --no-log does without";
    Ok(state.map_err(|failure| failure.hint(hint))?.join(DIRECTORY).join(FILE))
}

/// Nothing is done that cannot be written down.
fn unwritten(error: AuditError) -> Failure {
    match error {
        AuditError::File(error) => Failure::new(Exit::Failed, "log-not-written", error).hint(
            "nothing was done; make room for the log, or name another: --log FILE; --no-log does \
             without",
        ),
        error => Failure::from(error).and_hint("nothing was done"),
    }
}

/// A command that is under way, and what is to be written down of it.
pub struct Run<'a> {
    log: Option<(Log, u64)>,
    facts: Facts,
    context: &'a Context,
}

impl Run<'_> {
    /// Notes something for the outcome.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Notes which bundle it is.
    pub fn note_bundle(&mut self, bundle: &VerifiedBundle) {
        let (seal, signers) = (bundle.get().seal(), bundle.get().signers());
        self.note("seal", bundle.get().seal_digest().to_string());
        self.note("stream", seal.stream.as_str());
        self.note("epoch", seal.epoch);
        self.note("sequence", seal.sequence);
        self.note("signed-by", facts(signers.iter().map(ToString::to_string)));
    }

    /// Notes which bundle lay there, when it could not be told what it is. Nothing of it is proven.
    pub fn note_found(&mut self, places: &[PathBuf]) {
        if !self.facts.contains_key("seal") {
            self.facts.extend(found(places).map(|seal| ("found".to_owned(), json!(seal))));
        }
    }

    /// What the log is now: with the intent, without the outcome.
    pub fn state(&self) -> Option<Checkpoint> {
        self.log.as_ref().and_then(|(log, _)| log.state())
    }

    /// Writes down how it ended, and signs a checkpoint with those of `signers` whose keys are at hand.
    ///
    /// # Errors
    /// The failure of the command; else when the log cannot be written.
    pub fn end(
        mut self,
        done: Result<(), Failure>,
        signers: &[Box<dyn Signer>],
    ) -> Result<(), Failure> {
        let facts = std::mem::take(&mut self.facts);
        let written = self.close(&done, facts, signers).map_err(|failure| {
            let message = format!("what came of it is not in the log: {}", failure.message);
            let failure = Failure::new(Exit::Failed, "outcome-not-logged", message);
            failure.hint("the log has what was to be done; make room and run it again")
        });
        match (done, written) {
            (Err(failure), Err(unwritten)) => {
                unwritten.warn("also", self.context);
                Err(failure)
            }
            (done, written) => done.and(written),
        }
    }

    fn close(
        &mut self,
        done: &Result<(), Failure>,
        facts: Facts,
        signers: &[Box<dyn Signer>],
    ) -> Result<(), Failure> {
        let Some((log, of)) = &mut self.log else { return Ok(()) };
        // Messages may hold the words of a registry; the code says enough, and holds no secret.
        let (exit, code) = match done {
            Ok(()) => (0, "done"),
            Err(failure) => (failure.exit as u8, failure.code),
        };
        let now = timestamp(self.context.now())?;
        log.add(Event::Outcome { of: *of, exit, code: code.to_owned(), facts }, now)?;
        let at_hand = signers.iter().filter(|signer| signer.is_at_hand());
        let at_hand: Vec<&dyn Signer> = at_hand.map(AsRef::as_ref).collect();
        if !at_hand.is_empty() {
            log.checkpoint(&at_hand, now)?;
        }
        Ok(())
    }
}

/// The digest of the seal that lies there.
fn found(places: &[PathBuf]) -> Option<Digest> {
    let medium = Medium::gather(places).ok()?;
    let seal = medium.get(&HeadFile::Seal.into())?.read(MAX_SEAL_SIZE).ok()??;
    Some(Digest::of(&seal))
}

/// A text as a fact, cut where it is longer than any that makes sense.
pub fn fact(text: &str) -> Value {
    let mut room = MAX_FACT;
    let fits = |c: &char| {
        // What is not printable ASCII is written as one or two escapes.
        let size = if (' '..='~').contains(c) { 2 } else { 6 * c.len_utf16() };
        room.checked_sub(size).map(|left| room = left).is_some()
    };
    let cut: String = text.chars().take_while(fits).collect();
    if cut.len() == text.len() { json!(cut) } else { json!(cut + "...") }
}

/// Texts as a fact: as many as there is room for, and how many more there are.
pub fn facts(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    let mut room = MAX_FACT;
    let (mut listed, mut more) = (Vec::new(), 0_u64);
    for text in texts {
        let value = fact(text.as_ref());
        match room.checked_sub(6 * value.as_str().map_or(0, str::len) + 3) {
            Some(left) if more == 0 => {
                room = left;
                listed.push(value);
            }
            _ => more += 1,
        }
    }
    if more > 0 {
        listed.push(json!(format!("and {more} more")));
    }
    Value::Array(listed)
}

/// What somebody said, or nothing.
pub fn said(text: &Option<String>) -> Value {
    text.as_deref().map_or(Value::Null, fact)
}

/// Paths as a fact.
pub fn paths<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Value {
    facts(paths.into_iter().map(|path| path.to_string_lossy()))
}

/// The keys of signers as a fact.
pub fn keys(signers: &[Box<dyn Signer>]) -> Value {
    facts(signers.iter().map(|signer| signer.public().key_id().to_string()))
}

/// What the machine calls itself.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_fit_a_line_whatever_they_are() {
        assert_eq!(fact("a\u{1b}"), json!("a\u{1b}"));
        let long = fact(&"\u{1b}".repeat(100_000));
        assert!(long.as_str().is_some_and(|it| it.len() * 6 <= MAX_FACT + 100));
        let list = facts((0..10_000).map(|number| format!("image-{number}")));
        let list = list.as_array().unwrap();
        assert!(list.len() < 1_000 && list.last().unwrap().as_str().unwrap().ends_with(" more"));
        assert_eq!(facts(["a", "b"]), json!(["a", "b"]));
    }
}
