//! `gapferry repack`: the same bundle in another packaging.

use serde_json::json;

use super::bundles::{BundleArgs, PackagingArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::output::escaped;
use super::parity;
use super::space::SpaceArgs;
use crate::repack::repack;

const EXAMPLES: &str = "\
EXAMPLES:
  From volumes to one archive, for a Blu-ray disc:
    gapferry repack /media/a /media/b -o bundle.tar --trust release.key.pub
  From an archive to volumes that fit DVDs:
    gapferry repack bundle.tar -o dvds --volume-size 4400MB";

/// Write the same bundle in another packaging; its signatures stay good
///
/// Every byte is proven against the seal on the way. Without --trust the seal itself is taken as it
/// is: whoever imports the new bundle checks its signatures.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    packaging: PackagingArgs,
    #[command(flatten)]
    space: SpaceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// How many blobs are copied at once
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, or with the place of the new one.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let contents = args.trust.look(&args.bundle.places, context)?;
    let (out, packaging) = (&args.packaging.out, args.packaging.packaging());
    args.space.check(out, packaging, contents.seal().bytes)?;
    repack(&contents, out, packaging, args.jobs.into(), context.progress())?;
    let parity = args.packaging.protect(context)?;
    let shown = out.to_string_lossy();
    if context.json() {
        let signed = !contents.signers().is_empty();
        return context.print_json(&json!({
            "bundle": shown, "seal": contents.seal_digest(), "signatureVerified": signed,
            "parity": parity.as_ref().map(parity::json),
        }));
    }
    let parity = parity.as_ref().map_or(String::new(), parity::line);
    let seal = contents.seal_digest();
    context.print(&format!("repacked: {}\n{parity}seal {seal}\n", escaped(&shown)))
}
