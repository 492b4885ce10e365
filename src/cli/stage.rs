//! `gapferry stage`: copies one medium after the other into a directory.

use std::path::PathBuf;

use serde_json::json;

use super::bundles::TrustArgs;
use super::context::Context;
use super::failure::Failure;
use super::output::{count, escaped};
use super::space::SpaceArgs;
use crate::bundle::number_list;
use crate::stage::{Stage, Summary};

const EXAMPLES: &str = "\
EXAMPLES:
  One drive, three sticks, in any order; what is missing is said each time:
    gapferry stage /media/stick -o /srv/staging --trust release.key.pub
  When all are there:
    gapferry verify /srv/staging --trust release.key.pub
    gapferry import /srv/staging --trust release.key.pub --to docker://registry.site:5000";

/// Copy a medium into a directory, until the bundle is whole there
///
/// Every file is held against its digest on the way. With keys or accepted trust documents the
/// signatures are verified before anything is copied; without, the seal is taken as it is, and that is
/// said. Whoever uses the bundle verifies all of it anew.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A medium with volumes of a bundle (repeatable)
    #[arg(value_name = "MEDIUM", required = true)]
    places: Vec<PathBuf>,
    /// The directory in which the bundle comes together
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    space: SpaceArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the medium, or with the directory.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let site = args.trust.site(context)?;
    let anchor = args.trust.anchor(&site, context)?;
    let trust = anchor.as_ref().map(|anchor| (anchor, &site));
    let stage = Stage::plan(&args.places, &args.out, trust)?;
    args.space.files(&args.out, stage.sizes())?;
    let summary = stage.run(context.progress())?;
    let signers: Vec<String> = stage.signers().iter().map(ToString::to_string).collect();
    let out = args.out.to_string_lossy();
    if context.json() {
        return context.print_json(&json!({
            "directory": out,
            "seal": stage.seal_digest(),
            "signatureVerified": !signers.is_empty(),
            "signers": signers,
            "copied": summary.copied,
            "volumes": summary.count,
            "missingVolumes": summary.gap.as_ref().map_or(&[][..], |gap| &gap.volumes),
            "missingFiles": summary.missing,
            "complete": summary.missing == 0,
        }));
    }
    let word = match signers.is_empty() {
        true => "NOT VERIFIED: no key was named; it fits together, but anybody may have made it\n"
            .to_owned(),
        false => signers.iter().map(|id| format!("signed by {id}\n")).collect(),
    };
    let (copied, seal) = (count(summary.copied, "file"), stage.seal_digest());
    let state = state(&summary);
    context
        .print(&format!("staged: {}\n{copied} copied\n{state}seal {seal}\n{word}", escaped(&out)))
}

/// What is there, and what is not.
fn state(summary: &Summary) -> String {
    let of = summary.count.map_or(String::new(), |count| format!(" of {count}"));
    let there = match summary.volumes.len() {
        0 => String::new(),
        1 => format!("volume {}{of} is there\n", number_list(&summary.volumes)),
        _ => format!("volumes {}{of} are there\n", number_list(&summary.volumes)),
    };
    let missing = match (&summary.gap, summary.missing) {
        (_, 0) => "nothing is missing: verify it, or import it\n".to_owned(),
        (Some(gap), _) => format!("{gap}\n"),
        (None, missing) => format!("{} missing\n", count(missing, "file")),
    };
    there + &missing
}
