//! `gapferry unpack`: a bundle as a plain OCI layout.

use std::path::PathBuf;

use serde_json::json;

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::output::{count, escaped};
use super::space::SpaceArgs;
use crate::bundle::Packaging;
use crate::unpack::unpack;

const EXAMPLES: &str = "\
EXAMPLES:
  A directory that skopeo, crane, regctl, podman and oras read:
    gapferry unpack /media/stick/bundle -o images --trust release.key.pub
  An archive for podman load:
    gapferry unpack bundle.tar -o images.tar --trust release.key.pub";

/// Write a bundle as a plain OCI layout, with every layer as it left
///
/// The bundle is verified as for an import, and packed layers are made again. What is written is no
/// bundle: it has no seal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Where to write: FILE.tar is an OCI archive, anything else a directory
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    space: SpaceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// How many blobs are written at once
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, or with the place of the layout.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let bundle = args.trust.verify(&args.bundle.places, context)?;
    let packaging = match args.out.extension().is_some_and(|kind| kind == "tar") {
        true => Packaging::Archive,
        false => Packaging::Directory,
    };
    let content = bundle.get().content(bundle.get().images());
    let needed = content.values().fold(0, |sum: u64, size| sum.saturating_add(*size));
    args.space.check(&args.out, packaging, needed)?;
    unpack(&bundle, &args.out, packaging, args.jobs.into(), context.progress())?;
    let (out, images) = (args.out.to_string_lossy(), bundle.get().images().len());
    if context.json() {
        return context.print_json(&json!({"layout": out, "images": images}));
    }
    context.print(&format!("unpacked: {}\n{}\n", escaped(&out), count(images, "image")))
}
