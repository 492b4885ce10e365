//! `gapferry lock`: pins names to digests and writes them down for review.

use std::path::PathBuf;

use serde_json::json;

use super::args::RegistryArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
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
c  Pin what lies in an archive under another name:
    gapferry lock registry.example/app:1.0=docker-archive:app.tar -o images.lock";

/// Pin images to digests, with everything that refers to them, in a file for review
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub(super) images: ImageArgs,
    /// The lock file
    #[arg(short, long, value_name = "FILE", required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Write nothing; say what has moved since this lock was written, and exit with 4 if anything has
    #[arg(long, value_name = "LOCK", conflicts_with_all = ["out", "images", "lists", "platform", "policy"])]
    check: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

/// Does it.
///
/// # Errors
/// When an image cannot be had, or the lock cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let out = match (&args.check, &args.out) {
        (Some(lock), _) => return super::lock_check::run(lock, &args, context),
        (None, Some(out)) => out,
        (None, None) => return Err(Failure::new(Exit::Usage, "usage", "no lock is named")),
    };
    let gate = args.policy.gate(args.registries.jobs, context)?;
    let client = registries::client(&args.registries, context)?;
    let opener = Opener::new(client).with_foreign_layers(args.images.foreign_layers);
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
    files::write_atomic(out, &pinned.lock.to_bytes())?;
    match context.json() {
        true => context.print_json(&json!({
            "lock": out.to_string_lossy(),
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
                escaped(&out.to_string_lossy())
            ))?;
        }
    }
    partial(&pinned.failures, context)
}

fn line(image: &PinnedImage) -> String {
    let documents = count(image.documents.len(), "document");
    format!("{}  {}  {documents}, {}\n", image.digest, image.name, bytes(image.bytes))
}
