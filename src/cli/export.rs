//! `gapferry export`: writes images to a signed bundle.

use std::path::PathBuf;

use serde_json::json;

use super::args::RegistryArgs;
use super::bundles::{PackagingArgs, timestamp};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::images::{ImageArgs, Pinned, partial, read_lock};
use super::output::{bytes, count, escaped};
use super::registries;
use super::signers::SignerArgs;
use crate::bundle::Name;
use crate::export::{self, BaseBundle, Bases, Order, PackMode, Plan, Summary};
use crate::source::Opener;
use crate::trust::{Keyring, Signer};
use crate::verify::{self, Claims, Site};

const EXAMPLES: &str = "\
EXAMPLES:
  Everything that a reviewed lock names, to a stick:
    gapferry export --lock images.lock -o /media/stick/bundle --key release.key
  One archive, which podman and docker load too:
    gapferry export busybox:1.35 -o busybox.tar --key release.key --store-layers
  Volumes that fit FAT32, for one site and for 90 days:
    gapferry export -f images.txt -o out --volume-size 4GiB --key release.key \\
      --destination plant-7 --expires 90d
  What the site does not have since the last bundle, as small as it gets:
    gapferry export -f images.txt -o june --key release.key --since may --pack always
  Signed by a key that ssh-agent holds, and by one in a hardware module:
    gapferry export --lock images.lock -o out --key ~/.ssh/id_ed25519.pub \\
      --signer-command 'hsm.pub=hsm-sign --slot 1'";

/// Write images to a signed bundle
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    images: ImageArgs,
    /// Carry exactly what this lock names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "lists", "platform", "no_referrers"])]
    lock: Option<PathBuf>,
    #[command(flatten)]
    packaging: PackagingArgs,
    /// The line of bundles that this one continues
    #[arg(long, value_name = "NAME", default_value = "default")]
    stream: Name,
    /// The number of this bundle in its stream; must go up. The time in seconds unless given
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// Refuse the bundle after this time: 90d, 12h, or 2027-02-20T10:00:00Z
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// The only site that may import the bundle
    #[arg(long, value_name = "NAME")]
    destination: Option<Name>,
    /// Which layers are opened and packed: those that share content with what is aboard or at the
    /// destination (auto), all (always), or none (never)
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pack: Pack,
    /// Keep every layer a plain blob, which other tools read: the same as --pack never
    #[arg(long, conflicts_with = "pack")]
    store_layers: bool,
    /// How hard zstd works on packs
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Leave out what this bundle brought to the destination; its head files are enough
    /// (repeatable)
    #[arg(long, value_name = "BUNDLE")]
    since: Vec<PathBuf>,
    /// Hold layers here while they are worked on; beside the bundle unless given
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Read the whole bundle back and verify it
    #[arg(long)]
    read_back: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signers: SignerArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Which layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pack {
    Auto,
    Always,
    Never,
}

/// When a bundle expires.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    After(u64),
    At(crate::bundle::Timestamp),
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Expiry, String> {
        if let Ok(time) = text.parse() {
            return Ok(Expiry::At(time));
        }
        let wrong = || "expected 90d, 12h or 2027-02-20T10:00:00Z".to_owned();
        let unit = match text.chars().last() {
            Some('d') => 86_400,
            Some('h') => 3_600,
            _ => return Err(wrong()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(unit).filter(|span| *span > 0).map(Expiry::After).ok_or_else(wrong)
    }
}

impl Args {
    fn pack_mode(&self) -> PackMode {
        match (self.store_layers, self.pack) {
            (true, _) | (_, Pack::Never) => PackMode::Never,
            (_, Pack::Auto) => PackMode::Auto,
            (_, Pack::Always) => PackMode::Always,
        }
    }
}

/// Does it.
///
/// # Errors
/// When an image cannot be had, or the bundle cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let signers = args.signers.signers(context)?;
    let opener = Opener::new(registries::client(&args.registries, context)?);
    let jobs = usize::from(args.registries.jobs);
    let pinned = pinned(&args, &opener, context)?;
    let images = pinned.lock.into_images();
    context.progress().begin("fetching manifests", 0);
    let documents = export::fetch_documents(&images, &opener, jobs)?;
    context.progress().end();
    let plan = export::plan(images, documents)?;
    let bases = bases(&args)?;
    if args.dry_run {
        print_plan(&args, &plan, &bases, context)?;
        return partial(&pinned.failures, context);
    }
    let order = order(&args, &signers, &bases, context)?;
    let summary = export::write(&plan, &opener, &args.packaging.out, &order, context.progress())?;
    check(&args, &signers, &order, context)?;
    print_summary(&args, &plan, &summary, context)?;
    partial(&pinned.failures, context)
}

fn pinned(args: &Args, opener: &Opener, context: &Context) -> Result<Pinned, Failure> {
    match &args.lock {
        Some(path) => Ok(Pinned { lock: read_lock(path)?, failures: Vec::new() }),
        None => args.images.pin(opener, args.registries.jobs.into(), context),
    }
}

/// What the bundles that the destination took say of themselves. That they say so is enough: a
/// delta that counts on something else is refused where it is imported.
fn bases(args: &Args) -> Result<Bases, Failure> {
    let read = |place: &PathBuf| {
        let claims = verify::claims(std::slice::from_ref(place));
        let claims = claims.map_err(|error| Failure::from(error).at(place.display()))?;
        let Claims { seal_digest: seal, lading, catalog, chunks, .. } = claims;
        Ok(BaseBundle { seal, lading, catalog, chunks })
    };
    Ok(Bases::new(args.since.iter().map(read).collect::<Result<_, Failure>>()?))
}

fn order<'a>(
    args: &'a Args,
    signers: &'a [Box<dyn Signer>],
    bases: &'a Bases,
    context: &Context,
) -> Result<Order<'a>, Failure> {
    let now = context.signing_time()?;
    let expires = match args.expires {
        None => None,
        Some(Expiry::At(time)) => Some(time),
        Some(Expiry::After(span)) => Some(timestamp(now.saturating_add(span))?),
    };
    let created = timestamp(now)?;
    if expires.is_some_and(|expires| expires <= created) {
        return Err(Failure::new(
            Exit::Usage,
            "expired",
            "the bundle would expire before it is made",
        ));
    }
    Ok(Order {
        packaging: args.packaging.packaging(),
        stream: args.stream.clone(),
        sequence: args.sequence.unwrap_or(now),
        created,
        expires,
        destination: args.destination.clone(),
        pack: args.pack_mode(),
        level: args.level,
        bases,
        scratch: args.scratch.as_deref(),
        signers,
        jobs: args.registries.jobs.into(),
    })
}

/// Verifies what was written as its receiver will: always the head files and the manifests, and
/// the blobs on demand.
fn check(
    args: &Args,
    signers: &[Box<dyn Signer>],
    order: &Order<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let keys: Vec<_> = signers.iter().map(|signer| signer.public().clone()).collect();
    let site = Site { now: order.created, name: args.destination.clone() };
    let written = [args.packaging.out.clone()];
    let bundle = verify::verify(&written, &Keyring::of_all(keys)?, &site)
        .map_err(|error| Failure::from(error).at("the bundle just written"))?;
    if args.read_back {
        super::verify::prove(bundle.get(), context)?;
    }
    Ok(())
}

/// What would travel. What packing saves only shows when layers are read.
fn print_plan(args: &Args, plan: &Plan, bases: &Bases, context: &Context) -> Result<(), Failure> {
    let (images, documents, blobs) = (plan.images.len(), plan.documents.len(), plan.blobs.len());
    let (size, packing) = (plan.blob_bytes(), args.pack_mode() != PackMode::Never);
    let held: Vec<u64> =
        plan.blobs.iter().filter_map(|blob| Some(bases.blob(&blob.descriptor)?.size)).collect();
    let held_size: u64 = held.iter().sum();
    let new = size.saturating_sub(held_size);
    if context.json() {
        return context.print_json(&json!({
            "images": images, "documents": documents, "blobs": blobs, "blobBytes": size,
            "heldBlobs": held.len(), "heldBytes": held_size, "newBytes": new, "packing": packing,
        }));
    }
    let mut text = String::new();
    for image in &plan.images {
        text += &format!("{}  {}\n", image.digest, image.name);
    }
    text += &format!(
        "would write {}: {}, {} of {}\n",
        count(images, "image"),
        count(documents, "document"),
        count(blobs, "blob"),
        bytes(size)
    );
    if !held.is_empty() {
        let held = count(held.len(), "blob");
        text += &format!("the destination holds {held} of {}\n", bytes(held_size));
    }
    text += &match packing {
        true => format!("at most {} would travel, and less where packing pays\n", bytes(new)),
        false => format!("{} would travel\n", bytes(new)),
    };
    context.print(&text)
}

fn print_summary(
    args: &Args,
    plan: &Plan,
    summary: &Summary,
    context: &Context,
) -> Result<(), Failure> {
    let (out, seal) = (args.packaging.out.to_string_lossy(), &summary.seal);
    if context.json() {
        return context.print_json(&json!({
            "bundle": out,
            "seal": summary.seal_digest,
            "stream": seal.stream.as_str(),
            "sequence": seal.sequence,
            "images": seal.images,
            "files": seal.files,
            "bytes": seal.bytes,
            "readBack": args.read_back,
        }));
    }
    let what = if args.read_back { "written, read back and verified" } else { "written" };
    context.print(&format!(
        "{what}: {}\n{}, {}, {}\nstream {}, sequence {}\nseal {}\n",
        escaped(&out),
        count(plan.images.len(), "image"),
        count(seal.files, "file"),
        bytes(seal.bytes),
        seal.stream.as_str(),
        seal.sequence,
        summary.seal_digest
    ))
}
