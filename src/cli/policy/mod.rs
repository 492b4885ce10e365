//! `gapferry policy`, and the option `--policy` of other subcommands.

mod check;
mod evidence;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::{count, escaped, escaped_json};
use crate::oci::{Digest, Manifest, PinnedImage};
use crate::policy::{Circumstances, Evidence, Finding, MAX_POLICY_SIZE, Policy};
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
    /// The policy, if there is one.
    ///
    /// # Errors
    /// When it, or a key that it names, cannot be read or makes no sense.
    pub fn read(&self) -> Result<Option<Policy>, Failure> {
        self.policy.as_deref().map(read).transpose()
    }
}

/// Reads a policy, and the keys that it names from where they lie beside it.
fn read(path: &Path) -> Result<Policy, Failure> {
    let bytes = input::read(path, MAX_POLICY_SIZE)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let key = |name: &str| input::key(&beside.join(name)).map(|text| text.to_string());
    Policy::parse(&bytes, key).map_err(|failure: Failure| failure.at(path.display()))
}

/// Holds images at their sources against a policy.
///
/// # Errors
/// `policy`, when it objects to anything; whatever keeps from reading what it asks for.
pub fn enforce_at_source(
    policy: Option<&Policy>,
    images: &[PinnedImage],
    documents: &BTreeMap<Digest, Manifest>,
    opener: &Opener,
    by_tag: bool,
    context: &Context,
) -> Result<(), Failure> {
    enforce(policy, images, &AtSource { documents, opener }, by_tag, context)
}

/// Holds images of a bundle against a policy.
///
/// # Errors
/// As [`enforce_at_source`].
pub fn enforce_aboard<'a>(
    policy: Option<&Policy>,
    images: impl IntoIterator<Item = &'a PinnedImage>,
    aboard: &Aboard<'_>,
    context: &Context,
) -> Result<(), Failure> {
    enforce(policy, images, aboard, false, context)
}

fn enforce<'a, E: Evidence<Error = Failure>>(
    policy: Option<&Policy>,
    images: impl IntoIterator<Item = &'a PinnedImage>,
    evidence: &E,
    by_tag: bool,
    context: &Context,
) -> Result<(), Failure> {
    let Some(policy) = policy else { return Ok(()) };
    context.progress().begin("checking the policy", 0);
    let circumstances = Circumstances { now: context.now(), by_tag };
    let findings = policy.check(images, evidence, circumstances);
    context.progress().end();
    match findings?.as_slice() {
        [] => Ok(()),
        findings => Err(refused(findings, context)),
    }
}

/// Lists the findings on standard error, one a line or as one JSON array; the failure sums up.
fn refused(findings: &[Finding], context: &Context) -> Failure {
    let text = match context.json() {
        true => escaped_json(&json!(findings.iter().map(as_json).collect::<Vec<_>>()).to_string()),
        false => {
            let lines = findings.iter().map(|it| format!("policy: {}", escaped(&it.to_string())));
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    // That nobody may listen there is no further failure.
    let _ = writeln!(std::io::stderr(), "{text}");
    let message = format!("the policy is not met: {}", count(findings.len(), "finding"));
    let failure = Failure::new(Exit::NotAllowed, "policy", message);
    failure.hint("each is listed before; nothing was written")
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "image": finding.image,
        "code": finding.breach.code(),
        "digest": finding.breach.digest(),
        "message": finding.breach.to_string(),
    })
}
