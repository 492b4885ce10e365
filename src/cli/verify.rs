//! `gapferry verify`: proves a bundle, every byte of it.

use serde_json::json;

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::output::{bytes, count};
use super::policy::{Aboard, PolicyArgs};
use crate::bundle::{BundlePath, Seal};
use crate::memory::Memory;
use crate::verify::{Contents, Restore, Site, VerifyError};

const EXAMPLES: &str = "\
EXAMPLES:
  A bundle on a stick:
    gapferry verify /media/stick/bundle --trust release.key.pub
  Volumes on two disks, signed by two of three people:
    gapferry verify /media/a /media/b --trust ann.pub --trust bob.pub --trust eve.pub --threshold 2
  Whether a site's policy is met, too:
    gapferry verify /media/stick/bundle --trust release.key.pub --policy site.toml
  The same without gapferry, in the bundle's directory:
    openssl pkeyutl -verify -pubin -inkey release.key.pub -rawin -in seal -sigfile seal.*.sig
    sha256sum SHA256SUMS        (compare with the last line of the seal)
    sha256sum -c SHA256SUMS";

/// Prove a bundle: signatures, digests, completeness
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Prove every byte of the medium, but do not make packed layers again
    #[arg(long)]
    quick: bool,
    /// Take a bundle that is older than what was imported here
    #[arg(long)]
    restore: bool,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let gate = args.policy.gate(1, context)?;
    let memory = args.trust.state.memory(context)?;
    let restore = if args.restore { Restore::Look } else { Restore::No };
    let site = Site { memory, restore, ..args.trust.site(context)? };
    let bundle = args.trust.verify_at(&args.bundle.places, &site, context)?;
    let contents = bundle.get();
    prove_blobs(contents, context)?;
    let not_made = match args.quick {
        true => contents.catalog().layers.len(),
        false => prove_layers(contents, context)?,
    };
    gate.record(contents.lading().record())?;
    gate.aboard(contents.images(), &Aboard::new(contents))?;
    let (seal, signers) = (contents.seal(), contents.signers());
    if context.json() {
        return context.print_json(&json!({
            "verified": true,
            "seal": contents.seal_digest(),
            "signers": signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "stream": seal.stream.as_str(),
            "epoch": seal.epoch,
            "trustDocument": contents.chain().map(|chain| chain.newest().number),
            "sequence": seal.sequence,
            "previous": seal.previous,
            "previousImported": site.memory.has_previous(seal),
            "created": seal.created.to_string(),
            "images": seal.images,
            "files": seal.files,
            "bytes": seal.bytes,
            "layersNotMade": not_made,
            "requires": seal.requires,
        }));
    }
    let mut notes: String =
        seal.requires.iter().map(|base| format!("a delta of {base}\n")).collect();
    notes += &skipped(seal, &site.memory);
    if not_made > 0 {
        let why = if args.quick { "as asked" } else { "they take from the destination" };
        notes += &format!("{} not made again: {why}\n", count(not_made, "packed layer"));
    }
    if let Some(chain) = contents.chain() {
        let newest = chain.newest();
        notes += &format!("trust document {} of {}\n", newest.number, newest.name.as_str());
    }
    let signers: String = signers.iter().map(|id| format!("signed by {id}\n")).collect();
    context.print(&format!(
        "verified: {}, {}, {}\nstream {}, sequence {}, created {}\nseal {}\n{signers}{notes}",
        count(seal.images, "image"),
        count(seal.files, "file"),
        bytes(seal.bytes),
        seal.stream.as_str(),
        seal.sequence,
        seal.created,
        contents.seal_digest(),
    ))
}

/// A line for people when the bundle before this one was never imported.
pub fn skipped(seal: &Seal, memory: &Memory) -> String {
    match (seal.previous, memory.has_previous(seal)) {
        (Some(previous), Some(false)) => {
            format!(
                "follows {previous}, which was not imported here: bundles between are missing\n"
            )
        }
        _ => String::new(),
    }
}

/// The failure of a damaged blob, with the images that it belongs to.
pub fn explained(error: VerifyError, contents: &Contents) -> Failure {
    let images = match &error {
        VerifyError::Damaged { path: BundlePath::Blob(blob), .. }
        | VerifyError::Frame { path: BundlePath::Blob(blob), .. } => {
            contents.images_with(&blob.digest())
        }
        VerifyError::Remade { layer, .. } | VerifyError::Recipe { layer, .. } => {
            contents.images_with(layer)
        }
        _ => Vec::new(),
    };
    let mut failure = Failure::from(error);
    if let Some((first, rest)) = images.split_first() {
        failure.message += &format!("; {} needs it", first.name);
        if !rest.is_empty() {
            failure.message += &format!(", and {} more", count(rest.len(), "image"));
        }
    }
    failure
}

/// Proves every blob, and every packed layer that can be made here.
///
/// # Errors
/// When anything is damaged.
pub fn prove(contents: &Contents, context: &Context) -> Result<(), Failure> {
    prove_blobs(contents, context)?;
    prove_layers(contents, context).map(|_| ())
}

/// Proves every blob and pack.
///
/// # Errors
/// When anything is damaged.
pub fn prove_blobs(contents: &Contents, context: &Context) -> Result<(), Failure> {
    contents.prove_blobs(context.progress()).map_err(|damage| first(damage, contents, context))
}

fn prove_layers(contents: &Contents, context: &Context) -> Result<usize, Failure> {
    contents.prove_layers(context.progress()).map_err(|damage| first(damage, contents, context))
}

/// The first damage is the failure, the rest is warned of.
fn first(damage: Vec<VerifyError>, contents: &Contents, context: &Context) -> Failure {
    let mut failures = damage.into_iter().map(|error| explained(error, contents));
    let first = failures.next().expect("there is damage");
    failures.take(20).for_each(|failure| failure.warn("also", context));
    first
}
