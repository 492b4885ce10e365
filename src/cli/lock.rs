//! `gapferry lock`: pins names to digests and writes them down for review.

use std::path::PathBuf;

use serde_json::json;

use super::args::RegistryArgs;
use super::context::Context;
use super::failure::Failure;
use super::images::{ImageArgs, partial};
use super::output::{bytes, count, escaped};
use super::policy::PolicyArgs;
use super::registries;
use crate::export;
use crate::files;
use crate::oci::PinnedImage;
use crate::source::Opener;

const EXAMPLES: &str = "\
EXAMPLES:
  Pin two images with all their platforms, signatures and SBOMs:
    gapferry lock busybox:1.35 quay.io/prometheus/prometheus:v3.0.0 -o images.lock
  Pin a list, for one platform:
    gapferry lock -f images.txt --platform linux/amd64 -o images.lock
  Pin what a site's policy lets through, or nothing:
    gapferry lock -f images.txt --policy site.toml -o images.lock
  Pin the three newest versions of a range, and every tag of a repository:
    gapferry lock 'quay.io/a/b:{semver=>=1.2 <2; newest=3}' 'quay.io/a/c:*' -o images.lock
  Pin what manifests, a compose file and a chart name:
    gapferry lock -f deployment.yaml -f compose.yaml chart:app-1.4.0.tgz -o images.lock
  Pin a whole registry, without its SBOMs:
    gapferry lock registry.example/ --no-referrers='application/spdx*' -o all.lock
  Pin what lies in an archive under another name:
    gapferry lock registry.example/app:1.0=docker-archive:app.tar -o images.lock";

/// Pin images to digests, with everything that refers to them, in a file for review
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    images: ImageArgs,
    /// The lock file
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Does it.
///
/// # Errors
/// When an image cannot be had, or the lock cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let gate = args.policy.gate(args.registries.jobs, context)?;
    let opener = Opener::new(registries::client(&args.registries, context)?);
    let pinned = args.images.pin(&opener, args.registries.jobs.into(), context)?;
    let images = pinned.lock.images();
    if images.is_empty() {
        return partial(&pinned.failures, context);
    }
    if !gate.is_open() {
        let documents =
            export::fetch_documents(images, &opener, None, args.registries.jobs.into())?;
        gate.at_source(images, &documents, &opener, false)?;
    }
    files::write_atomic(&args.out, &pinned.lock.to_bytes())?;
    match context.json() {
        true => context.print_json(&json!({
            "lock": args.out.to_string_lossy(),
            "images": images.iter().map(|image| json!({
                "name": image.name, "digest": image.digest, "documents": image.documents.len(),
            })).collect::<Vec<_>>(),
            "missing": pinned.failures.iter().map(|failure| &failure.message).collect::<Vec<_>>(),
        }))?,
        false => {
            context.print(&images.iter().map(line).collect::<String>())?;
            context.print(&format!(
                "{} locked in {}\n",
                count(images.len(), "image"),
                escaped(&args.out.to_string_lossy())
            ))?;
        }
    }
    partial(&pinned.failures, context)
}

fn line(image: &PinnedImage) -> String {
    let documents = count(image.documents.len(), "document");
    format!("{}  {}  {documents}, {}\n", image.digest, image.name, bytes(image.bytes))
}
