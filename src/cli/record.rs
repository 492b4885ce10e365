//! The transfer record of an export: from options, or from a file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::policy::Gate;
use crate::audit::Checkpoint;
use crate::bundle::{ImageRecord, LogState, Said, TransferRecord, Words};
use crate::export::{self, Plan};
use crate::oci::{Digest, PinnedImage, json};
use crate::source::Opener;

/// The largest record file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What people say of the transfer. Any of these puts a transfer record into the lading.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Transfer record")]
pub struct RecordArgs {
    /// Take the transfer record from this file (TOML, or JSON if it ends in .json); options go before
    #[arg(long, value_name = "FILE")]
    pub record_file: Option<PathBuf>,
    /// What the record is called [default: STREAM/SEQUENCE]
    #[arg(long, value_name = "ID")]
    pub record_id: Option<Words>,
    /// The request or change that the transfer belongs to
    #[arg(long, value_name = "ID")]
    pub ticket: Option<Words>,
    /// Who prepared the transfer
    #[arg(long, value_name = "NAME")]
    pub preparer: Option<Words>,
    /// Who approved the transfer
    #[arg(long, value_name = "NAME")]
    pub approver: Option<Words>,
    /// How the medium is to be handled, in the words of the site
    #[arg(long, value_name = "LABEL")]
    pub handling: Option<Words>,
    /// From where the transfer goes, in the words of the site
    #[arg(long, value_name = "PLACE")]
    pub source: Option<Words>,
}

/// A record file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: Option<Words>,
    ticket: Option<Words>,
    preparer: Option<Words>,
    approver: Option<Words>,
    source: Option<Words>,
    destination: Option<Words>,
    handling: Option<Words>,
}

impl RecordArgs {
    /// The record with what people say; `None` when nothing is said. `id` is what it is called unless
    /// they say.
    ///
    /// # Errors
    /// When the file cannot be read or makes no sense.
    pub fn said(&self, id: &str) -> Result<Option<TransferRecord>, Failure> {
        let file = self.record_file.as_deref().map(read).transpose()?;
        let options = [&self.record_id, &self.ticket, &self.preparer, &self.approver];
        let more = [&self.handling, &self.source];
        if file.is_none() && options.into_iter().chain(more).all(Option::is_none) {
            return Ok(None);
        }
        let file = file.unwrap_or_default();
        let first = |option: &Option<Words>, file: Option<Words>| option.clone().or(file);
        let said = Said {
            ticket: first(&self.ticket, file.ticket),
            preparer: first(&self.preparer, file.preparer),
            approver: first(&self.approver, file.approver),
            source: first(&self.source, file.source),
            destination: file.destination,
            handling: first(&self.handling, file.handling),
        };
        let default = || id.parse().expect("streams and numbers are words");
        let id = first(&self.record_id, file.id).unwrap_or_else(default);
        Ok(Some(TransferRecord::new(id, said)))
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let bytes = input::read(path, MAX_FILE)?;
    let parsed = match path.extension().is_some_and(|kind| kind == "json") {
        true => json::parse(&bytes).map_err(|error| error.to_string()),
        false => toml::from_slice(&bytes).map_err(|error| error.message().to_owned()),
    };
    parsed.map_err(|what| {
        let failure = Failure::new(Exit::Usage, "bad-record-file", what).at(path.display());
        failure.hint("id, ticket, preparer, approver, source, destination, handling: texts")
    })
}

/// Adds what is found out: the program, the policy, the log, and what is attached to the images.
///
/// # Errors
/// When the program or what is attached cannot be read.
pub fn complete(
    mut record: TransferRecord,
    plan: &Plan,
    gate: &Gate<'_>,
    (opener, jobs): (&Opener, usize),
    log: Option<Checkpoint>,
    context: &Context,
) -> Result<TransferRecord, Failure> {
    context.progress().begin("reading SBOMs and scans", 0);
    let attached = export::attached(plan, opener, jobs)?;
    context.progress().end();
    let of_image = |(image, attached): (&PinnedImage, _)| ImageRecord {
        name: image.name.clone(),
        signatures: gate.signatures(image),
        attached,
    };
    let images = plan.images.iter().zip(attached).map(of_image);
    let mut images: Vec<ImageRecord> =
        images.filter(|it| !it.signatures.is_empty() || !it.attached.is_empty()).collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let log = log.and_then(|Checkpoint { origin, size, root }| {
        Some(LogState { origin: origin.parse().ok()?, size, root })
    });
    record.tool_digest = Some(tool_digest()?);
    record.policy = gate.digest();
    record.log = log;
    record.images = images;
    Ok(record)
}

/// The SHA-256 of the program that runs.
fn tool_digest() -> Result<Digest, Failure> {
    let failed = |error| Failure::new(Exit::Failed, "read", format!("this program: {error}"));
    let mut program = std::fs::File::open("/proc/self/exe").map_err(failed)?;
    let mut hasher = crate::oci::Hasher::sha256();
    let mut block = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut program, &mut block).map_err(failed)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&block[..count]),
        }
    }
}
