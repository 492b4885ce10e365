//! `gapferry log`: shows, checks, proves and hands out the audit log.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::audit::place;
use super::bundles::timestamp;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::{count, escaped};
use super::signers::{SignerArgs, public_key};
use super::state::StateArgs;
use crate::audit::{
    self, Checkpoint, Event, InvalidProof, Log, MAX_CHECKPOINT_SIZE, MAX_PROOF_SIZE, Proof, Record,
    Tail, checkpoint_path,
};
use crate::files;
use crate::receipt;
use crate::trust::{Keyring, Note, PublicKey, Signer, Timestamp};
use crate::verify;

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry log show --last 20
  Is every record there, and does the log go on from the checkpoint that an auditor kept:
    gapferry log verify --checkpoint may.checkpoint --trust site.pub
  Sign what the log is now; then prove that record 17 is in it, to somebody who sees no other:
    gapferry log checkpoint --key site.key
    gapferry log prove 17 -o record-17.tlog-proof
    gapferry log check-proof record-17.tlog-proof --trust site.pub
  What was done this month, for the archive:
    gapferry log export --since 2026-11-01T00:00:00Z -o november.jsonl";

/// Show, check, prove and hand out what was written down of the work here
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: LogCommand,
}

/// Which log.
#[derive(Debug, Clone, ClapArgs)]
struct Place {
    /// The log [default: log/audit.jsonl in the state directory]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Show the records
    #[command(after_help = EXAMPLES)]
    Show {
        /// Only the last N
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// Only from this record, or this time, on
        #[arg(long, value_name = "N|TIME")]
        since: Option<Since>,
        #[command(flatten)]
        place: Place,
    },
    /// Find the first record that was changed, dropped or moved, and an end that was cut off
    #[command(after_help = EXAMPLES)]
    Verify {
        /// A checkpoint that was kept, or a receipt or a bundle that has one in it: the log must go on
        /// from there (repeatable). The one beside the log is looked at in any case
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// Each checkpoint, and each receipt, must be signed by one of these public keys (repeatable)
        #[arg(long, value_name = "PUBLIC-KEY")]
        trust: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Prove that a record is in the log, without showing any other
    #[command(after_help = EXAMPLES)]
    Prove {
        /// The record
        #[arg(value_name = "N")]
        number: u64,
        /// The signed checkpoint to prove it against [default: the one beside the log]
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Where to write the proof; standard output unless given
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Check a proof, and show the record
    #[command(after_help = EXAMPLES)]
    CheckProof {
        /// The proof
        #[arg(value_name = "PROOF")]
        proof: PathBuf,
        /// Who must have signed its checkpoint: one of these public keys (repeatable)
        #[arg(long, value_name = "PUBLIC-KEY", required = true)]
        trust: Vec<PathBuf>,
    },
    /// Write the records from some point on to a file, byte for byte
    #[command(after_help = EXAMPLES)]
    Export {
        /// From this record, or this time, on
        #[arg(long, value_name = "N|TIME")]
        since: Since,
        /// Where to
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Sign what the log is now
    #[command(after_help = EXAMPLES)]
    Checkpoint {
        /// Leave a copy here too
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        signers: SignerArgs,
        #[command(flatten)]
        place: Place,
    },
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum Since {
    Record(u64),
    Time(Timestamp),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Since, &'static str> {
        let time = || text.parse().map(Since::Time).ok();
        let since = text.parse().map(Since::Record).ok().or_else(time);
        since.ok_or("expected the number of a record, or a time such as 2026-11-01T00:00:00Z")
    }
}

impl Since {
    /// A clock may have been set back: what follows a record that counts counts too.
    fn begins_at(self, record: &Record) -> bool {
        match self {
            Since::Record(number) => record.number >= number,
            Since::Time(time) => record.time >= time,
        }
    }
}

/// Does it.
///
/// # Errors
/// When the log cannot be read, or is not what was written there.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        LogCommand::Show { last, since, place } => show(&place, last, since, context),
        LogCommand::Verify { checkpoint, trust, place } => {
            check(&place, &checkpoint, &trust, context)
        }
        LogCommand::Prove { number, checkpoint, out, place } => {
            prove(&place, number, checkpoint, out, context)
        }
        LogCommand::CheckProof { proof, trust } => check_proof(&proof, &trust, context),
        LogCommand::Export { since, out, place } => export(&place, since, &out, context),
        LogCommand::Checkpoint { out, signers, place } => {
            checkpoint(&place, &signers.signers(context)?, out, context)
        }
    }
}

impl Place {
    fn path(&self, context: &Context) -> Result<PathBuf, Failure> {
        place(self.log.as_ref(), &self.state, context)
    }
}

fn show(
    place: &Place,
    last: Option<usize>,
    since: Option<Since>,
    context: &Context,
) -> Result<(), Failure> {
    let (mut shown, mut begun) = (std::collections::VecDeque::new(), false);
    audit::read(&place.path(context)?, &[], &mut |record, line| {
        begun = begun || since.is_none_or(|since| since.begins_at(record));
        if begun {
            shown.push_back((record.clone(), line.to_vec()));
        }
        if last.is_some_and(|last| shown.len() > last) {
            shown.pop_front();
        }
    })?;
    if context.json() {
        let read = |(_, line): &(Record, Vec<u8>)| serde_json::from_slice(line);
        let records: Result<Vec<Value>, _> = shown.iter().map(read).collect();
        return context.print_json(&json!({"records": records.expect("they were just read")}));
    }
    context.print(&shown.iter().map(|(record, _)| row(record)).collect::<String>())
}

/// A record for people.
fn row(record: &Record) -> String {
    let (what, facts) = match &record.event {
        Event::Intent { command, facts } => (format!("{command}: begins"), Some(facts)),
        Event::Outcome { of, exit, code, facts } => {
            (format!("{code}, exit {exit}: outcome of record {of}"), Some(facts))
        }
        Event::Torn { bytes, .. } => {
            (format!("a line before was left unfinished: {bytes} bytes"), None)
        }
    };
    let mut text = format!("{}  {}  {}\n", record.number, record.time, escaped(&what));
    for (name, value) in facts.into_iter().flatten() {
        let items = match value {
            Value::Array(items) => items.clone(),
            value => vec![value.clone()],
        };
        for item in items {
            let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            text += &format!("    {}  {}\n", escaped(name), escaped(&item));
        }
    }
    text
}

/// A checkpoint, of which one of `keys` signed; nobody need have when there are none.
fn read_checkpoint(path: &Path, keys: &[PublicKey]) -> Result<(Checkpoint, Note), Failure> {
    let bytes = input::read(path, MAX_CHECKPOINT_SIZE)?;
    let read = Checkpoint::of_note(&bytes).map_err(|error| {
        Failure::from(audit::AuditError::Checkpoint { path: path.to_owned(), error })
    })?;
    signed(&read.1, &read.0.origin, keys).map_err(|failure| failure.at(path.display()))?;
    Ok(read)
}

/// What a file or a bundle that was kept says the log was: a checkpoint, a receipt of this site, or
/// the transfer record of a bundle that was made here. `None` when it says nothing.
fn kept(path: &Path, keys: &[PublicKey]) -> Result<Option<Checkpoint>, Failure> {
    if receipt::is_receipt(path) {
        let here = |error: receipt::ReceiptError| Failure::from(error).at(path.display());
        let receipt = match keys {
            [] => receipt::read(path).map_err(here)?,
            keys => receipt::verify(path, &Keyring::new(keys.to_vec(), 1)?).map_err(here)?.0,
        };
        return Ok(receipt.log);
    }
    match verify::claims(&[path.to_owned()]) {
        // The bundle is one's own copy; its signatures are for `gapferry verify`.
        Ok(claims) => Ok(claims.lading.record().and_then(|it| it.log.as_ref()).map(|it| {
            Checkpoint { origin: it.origin.as_str().to_owned(), size: it.size, root: it.root }
        })),
        Err(_) => read_checkpoint(path, keys).map(|(checkpoint, _)| Some(checkpoint)),
    }
}

fn signed(note: &Note, origin: &str, keys: &[PublicKey]) -> Result<(), Failure> {
    let tries = || keys.iter().map(|key| note.verify(origin, key));
    match tries().find(Result::is_ok).or_else(|| tries().next()) {
        None => Ok(()),
        Some(tried) => Ok(tried?),
    }
}

fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    paths.iter().map(|path| public_key(path)).collect()
}

fn check(
    place: &Place,
    files: &[PathBuf],
    trust: &[PathBuf],
    context: &Context,
) -> Result<(), Failure> {
    let (path, keys) = (place.path(context)?, public_keys(trust)?);
    let beside = Some(checkpoint_path(&path)).filter(|it| it.exists());
    let checkpoints = files.iter().map(|path| kept(path, &keys));
    let own = beside.iter().map(|path| Ok(Some(read_checkpoint(path, &keys)?.0)));
    let checkpoints: Vec<Checkpoint> =
        checkpoints.chain(own).filter_map(Result::transpose).collect::<Result<_, Failure>>()?;
    let (chain, tail) = audit::read(&path, &checkpoints, &mut |_, _| {})?;
    let torn = match tail {
        Tail::Whole => 0,
        Tail::Torn(bytes) => bytes.len(),
    };
    let newest = checkpoints.iter().map(|it| it.size).max();
    let open: Vec<_> = chain.open.keys().copied().collect();
    if context.json() {
        return context.print_json(&json!({
            "records": chain.size, "origin": chain.origin(), "root": chain.tree.root(),
            "head": chain.head, "unfinishedBytes": torn, "withoutOutcome": open,
            "checkpoint": newest, "signaturesChecked": !keys.is_empty() && newest.is_some(),
        }));
    }
    let mut text = format!("whole: {}\n", count(chain.size, "record"));
    text += &match (newest, keys.is_empty()) {
        (None, _) => "no checkpoint: a cut end would not show\n".to_owned(),
        (Some(size), true) => {
            format!("checkpoint at record {size}; its signature was not looked at (--trust)\n")
        }
        (Some(size), false) => format!("checkpoint at record {size}, signed by a trusted key\n"),
    };
    if torn > 0 {
        text += &format!("behind the last record: {torn} bytes of an unfinished line\n");
    }
    text += &open.iter().map(|of| format!("no outcome of record {of}\n")).collect::<String>();
    context.print(&text)
}

fn prove(
    place: &Place,
    number: u64,
    checkpoint: Option<PathBuf>,
    out: Option<PathBuf>,
    context: &Context,
) -> Result<(), Failure> {
    let path = place.path(context)?;
    let beside = checkpoint_path(&path);
    if checkpoint.is_none() && !beside.exists() {
        let message = "there is no signed checkpoint of this log";
        let failure = Failure::new(Exit::Usage, "no-checkpoint", message);
        return Err(failure.hint("make one: gapferry log checkpoint --key KEY"));
    }
    let (state, note) = read_checkpoint(&checkpoint.unwrap_or(beside), &[])?;
    let proof = audit::prove(&path, number, state, note)?;
    match out {
        None => context.print(&proof.to_text()),
        Some(out) => Ok(files::write_atomic(&out, proof.to_text().as_bytes())?),
    }
}

fn check_proof(path: &Path, trust: &[PathBuf], context: &Context) -> Result<(), Failure> {
    let keys = public_keys(trust)?;
    let bytes = input::read(path, MAX_PROOF_SIZE)?;
    let bad = |error: InvalidProof| {
        let failure = Failure::new(Exit::Damaged, "bad-proof", error).at(path.display());
        failure.hint("nothing of it is proven; ask for it anew")
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| bad(InvalidProof::Malformed))?;
    let (proof, record, state) = Proof::parse(text).map_err(bad)?;
    signed(&proof.note, &state.origin, &keys)?;
    match context.json() {
        true => context.print_json(&json!({
            "origin": state.origin, "records": state.size,
            "record": serde_json::from_slice::<Value>(&proof.line).expect("it was just read"),
        })),
        false => {
            let size = count(state.size, "record");
            let origin = escaped(&state.origin);
            context.print(&format!("{}is in {origin}, which had {size}\n", row(&record)))
        }
    }
}

fn export(place: &Place, since: Since, out: &Path, context: &Context) -> Result<(), Failure> {
    let (mut bytes, mut records) = (Vec::new(), 0_u64);
    audit::read(&place.path(context)?, &[], &mut |record, line| {
        if records > 0 || since.begins_at(record) {
            bytes.extend_from_slice(line);
            records += 1;
        }
    })?;
    files::write_atomic(out, &bytes)?;
    let shown = out.to_string_lossy();
    match context.json() {
        true => context.print_json(&json!({"file": shown, "records": records})),
        false => context.print(&format!("{}: {}\n", escaped(&shown), count(records, "record"))),
    }
}

fn checkpoint(
    place: &Place,
    signers: &[Box<dyn Signer>],
    out: Option<PathBuf>,
    context: &Context,
) -> Result<(), Failure> {
    let path = place.path(context)?;
    let now = timestamp(context.now())?;
    // Opening would make it.
    drop(files::open(&path)?);
    let signers: Vec<&dyn Signer> = signers.iter().map(AsRef::as_ref).collect();
    let (state, note) = Log::open(&path, now)?.checkpoint(&signers, now)?;
    if let Some(out) = out {
        files::write_atomic(&out, note.to_text().as_bytes())?;
    }
    match context.json() {
        true => context.print_json(&json!({
            "origin": state.origin, "records": state.size, "root": state.root,
            "checkpoint": note.to_text(),
        })),
        false => context.print(&note.to_text()),
    }
}
