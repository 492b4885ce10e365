//! `gapferry policy`, and the option `--policy` of other subcommands.

mod check;
mod evidence;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::{count, escaped, escaped_json};
use crate::bundle::{CheckedSignatures, TransferRecord, Words};
use crate::oci::{Digest, Manifest, PinnedImage};
use crate::policy::{Circumstances, Evidence, Finding, MAX_POLICY_SIZE, Policy, RecordField};
use crate::pool;
use crate::source::Opener;
pub use evidence::Aboard;
use evidence::AtSource;

const EXAMPLES: &str = "\
EXAMPLES:
  What does it demand, and can its keys be read?
    gapferry policy check site.toml
  Would the images of a lock, or of a bundle, pass?
    gapferry export --lock images.lock --policy site.toml --dry-run -o out --key release.key
    gapferry verify /media/stick/bundle --trust release.key.pub --policy site.toml";

/// Check policies: what images must be and have to be let through
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Check(check::Args),
}

/// Does it.
///
/// # Errors
/// When the policy cannot be read, or makes no sense.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        PolicyCommand::Check(args) => check::run(args, context),
    }
}

/// What images must be and have.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    /// Refuse images that do not meet this policy; all that is wrong with them is listed
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

impl PolicyArgs {
    /// The gate that the policy keeps; one that stands open when there is none. `jobs` images are
    /// judged at a time.
    ///
    /// # Errors
    /// When the policy, or a key that it names, cannot be read or makes no sense.
    pub fn gate<'a>(&self, jobs: u16, context: &'a Context) -> Result<Gate<'a>, Failure> {
        let read = self.policy.as_deref().map(read).transpose()?;
        let (policy, digest) = read.unzip();
        Ok(Gate { policy, digest, jobs: jobs.into(), context })
    }
}

/// Reads a policy, and the keys that it names from where they lie beside it.
fn read(path: &Path) -> Result<(Policy, Digest), Failure> {
    let bytes = input::read(path, MAX_POLICY_SIZE)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let key = |name: &str| input::key(&beside.join(name)).map(|text| text.to_string());
    let policy = Policy::parse(&bytes, key);
    let policy = policy.map_err(|failure: Failure| failure.at(path.display()))?;
    Ok((policy, Digest::of(&bytes)))
}

/// Where images are let through, or not.
pub struct Gate<'a> {
    policy: Option<Policy>,
    digest: Option<Digest>,
    jobs: usize,
    context: &'a Context,
}

impl Gate<'_> {
    /// True when everything is let through.
    pub fn is_open(&self) -> bool {
        self.policy.is_none()
    }

    /// The SHA-256 of the policy file.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The signatures of cosign that `image` had to have. Once it is let through it has them.
    pub fn signatures(&self, image: &PinnedImage) -> Vec<CheckedSignatures> {
        let rules = self.policy.iter().flat_map(|policy| policy.signatures_for(image));
        let words = |file: &String| Words::try_from(file.clone()).ok();
        rules
            .map(|rule| CheckedSignatures {
                threshold: rule.threshold,
                keys: rule.keys.iter().filter_map(|(file, _)| words(file)).collect(),
            })
            .collect()
    }

    /// Holds a transfer record against the policy; one that is not there says nothing.
    ///
    /// # Errors
    /// `policy`, when it objects to anything.
    pub fn record(&self, record: Option<&TransferRecord>) -> Result<(), Failure> {
        let rule = self.policy.as_ref().and_then(|policy| policy.record.as_ref());
        let Some(rule) = rule else { return Ok(()) };
        let said = |field| record.and_then(|record| said(record, field));
        match rule.check(said).as_slice() {
            [] => Ok(()),
            breaches => {
                let shown = breaches.iter().map(|it| {
                    json!({"image": null, "code": it.code(), "digest": null, "message": it.to_string()})
                });
                let lines = breaches.iter().map(ToString::to_string);
                Err(refused((shown.collect(), lines.collect()), self.context))
            }
        }
    }

    /// Holds images at their sources against the policy. `by_tag` says that no lock pinned them.
    ///
    /// # Errors
    /// `policy`, when it objects to anything; whatever keeps from reading what it asks for.
    pub fn at_source(
        &self,
        images: &[PinnedImage],
        documents: &BTreeMap<Digest, Manifest>,
        opener: &Opener,
        by_tag: bool,
    ) -> Result<(), Failure> {
        self.pass(images, &AtSource { documents, opener }, by_tag)
    }

    /// Holds images of a verified bundle against the policy.
    ///
    /// # Errors
    /// As [`Gate::at_source`].
    pub fn aboard<'i>(
        &self,
        images: impl IntoIterator<Item = &'i PinnedImage>,
        aboard: &Aboard<'_>,
    ) -> Result<(), Failure> {
        self.pass(images, aboard, false)
    }

    fn pass<'i, E: Evidence<Error = Failure> + Sync>(
        &self,
        images: impl IntoIterator<Item = &'i PinnedImage>,
        evidence: &E,
        by_tag: bool,
    ) -> Result<(), Failure> {
        let Some(policy) = &self.policy else { return Ok(()) };
        let images: Vec<&PinnedImage> = images.into_iter().collect();
        let circumstances = Circumstances { now: self.context.now(), by_tag };
        self.context.progress().begin("checking the policy", 0);
        let findings = pool::run(self.jobs, &images, |image| {
            policy.check(std::iter::once(*image), evidence, circumstances)
        })?;
        self.context.progress().end();
        match findings.concat().as_slice() {
            [] => Ok(()),
            findings => {
                let lines = findings.iter().map(ToString::to_string).collect();
                Err(refused((findings.iter().map(as_json).collect(), lines), self.context))
            }
        }
    }
}

/// Lists the findings on standard error, one a line or as one JSON array; the failure sums up.
fn refused((shown, lines): (Vec<Value>, Vec<String>), context: &Context) -> Failure {
    let text = match context.json() {
        true => escaped_json(&json!(shown).to_string()),
        false => {
            let lines = lines.iter().map(|line| format!("policy: {}", escaped(line)));
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    // That nobody may listen there is no further failure.
    let _ = writeln!(std::io::stderr(), "{text}");
    let message = format!("the policy is not met: {}", count(shown.len(), "finding"));
    let failure = Failure::new(Exit::NotAllowed, "policy", message);
    failure.hint("each is listed before; nothing was written")
}

/// A field of a transfer record, if it has it.
fn said(record: &TransferRecord, field: RecordField) -> Option<&str> {
    let said = &record.said;
    let words = match field {
        RecordField::Ticket => &said.ticket,
        RecordField::Preparer => &said.preparer,
        RecordField::Approver => &said.approver,
        RecordField::Source => &said.source,
        RecordField::Destination => &said.destination,
        RecordField::Handling => &said.handling,
    };
    words.as_ref().map(Words::as_str)
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "image": finding.image,
        "code": finding.breach.code(),
        "digest": finding.breach.digest(),
        "message": finding.breach.to_string(),
    })
}
