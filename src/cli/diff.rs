//! `gapferry diff`: what two bundles, locks or lists do not share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::args::RegistryArgs;
use super::bundles::TrustArgs;
use super::context::Context;
use super::failure::Failure;
use super::images::{ImageArgs, is_lock, read_lock};
use super::output::bytes;
use super::registries;
use crate::chunk::ChunkIndex;
use crate::diff::{Change, Diff, Side, diff};
use crate::oci::{Digest, PinnedImage, Platform};
use crate::select::{ListFile, Lock};
use crate::source::Opener;
use crate::verify::Contents;

const EXAMPLES: &str = "\
EXAMPLES:
  What the new bundle carries beyond the old one:
    gapferry diff may.tar june.tar --trust release.key.pub
  What has changed since the lock that was approved:
    gapferry diff approved.lock images.lock
  Is aboard what was approved:
    gapferry diff images.lock /media/stick/bundle --trust release.key.pub
  What a list asks for now that the last bundle does not hold:
    gapferry diff may.tar -f images.txt --image busybox:1.36 --trust release.key.pub";

/// Show what two bundles, locks or lists do not share
///
/// Without --trust bundles are held against themselves only: anybody may have made them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The one: a lock, or a bundle (a directory or an archive)
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The other; or what --image and --file ask for
    #[arg(value_name = "B", required_unless_present_any = ["wanted", "lists"],
          conflicts_with_all = ["wanted", "lists"])]
    second: Option<PathBuf>,
    /// In the place of B: an image, pattern, chart or registry, as `gapferry lock` takes it
    /// (repeatable)
    #[arg(long = "image", value_name = "IMAGE")]
    wanted: Vec<String>,
    /// In the place of B: a file that names images, as `gapferry lock` takes it (repeatable)
    #[arg(short = 'f', long = "file", value_name = "[KIND:]FILE")]
    lists: Vec<ListFile>,
    /// Of what is asked for, only this platform (repeatable)
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<Platform>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

enum Thing {
    Lock(Lock),
    Bundle(Box<Contents>),
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with one of the two.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let first = open(&args.first, &args.trust, context)?;
    let second = match &args.second {
        Some(path) => open(path, &args.trust, context)?,
        None => Thing::Lock(args.asked(context)?),
    };
    let chunks = (first.chunks()?, second.chunks()?);
    let diff = diff(&first.side(chunks.0.as_ref()), &second.side(chunks.1.as_ref()));
    if context.json() {
        return context.print_json(&diff);
    }
    context.print(&table(&diff, matches!((&first, &second), (Thing::Bundle(_), Thing::Bundle(_)))))
}

fn open(path: &Path, trust: &TrustArgs, context: &Context) -> Result<Thing, Failure> {
    match is_lock(path) {
        true => Ok(Thing::Lock(read_lock(path)?)),
        false => Ok(Thing::Bundle(Box::new(trust.look(&[path.to_owned()], context)?))),
    }
}

impl Args {
    /// What is asked for, as it is now.
    fn asked(&self, context: &Context) -> Result<Lock, Failure> {
        let images = ImageArgs {
            images: self.wanted.clone(),
            lists: self.lists.clone(),
            platform: self.platform.clone(),
            ..ImageArgs::default()
        };
        let opener = Opener::new(registries::client(&self.registries, context)?);
        Ok(images.pin(&opener, self.registries.jobs.into(), context)?.lock)
    }
}

impl Thing {
    /// The chunks of its layers, if it is a bundle whose layers were opened.
    fn chunks(&self) -> Result<Option<ChunkIndex>, Failure> {
        match self {
            Thing::Lock(_) => Ok(None),
            Thing::Bundle(contents) => Ok(contents.chunks()?),
        }
    }

    fn side<'a>(&'a self, chunks: Option<&'a ChunkIndex>) -> Side<'a> {
        let images: &[PinnedImage] = match self {
            Thing::Lock(lock) => lock.images(),
            Thing::Bundle(contents) => contents.images(),
        };
        let documents = images.iter().flat_map(|image| &image.documents);
        let mut blobs: BTreeMap<Digest, u64> = documents.map(|it| (it.digest, it.size)).collect();
        if let Thing::Bundle(contents) = self {
            blobs.extend(contents.catalog().image_blobs());
        }
        Side { images, blobs, chunks }
    }
}

fn table(diff: &Diff, with_bytes: bool) -> String {
    let lines = |sign: char, changes: &[Change]| -> String {
        let line = |change: &Change| {
            let digests: Vec<String> = [change.before, change.after]
                .into_iter()
                .flatten()
                .map(|it| it.to_string())
                .collect();
            format!("{sign} {}  {}\n", change.name, digests.join(" -> "))
        };
        changes.iter().map(line).collect()
    };
    let mut text =
        lines('+', &diff.added) + &lines('-', &diff.removed) + &lines('~', &diff.changed);
    text += &format!(
        "{} added, {} removed, {} changed, {} the same\n",
        diff.added.len(),
        diff.removed.len(),
        diff.changed.len(),
        diff.same
    );
    if with_bytes {
        text += &format!(
            "{} new blobs, {}; {} are in both\n",
            diff.new_blobs,
            bytes(diff.new_bytes),
            bytes(diff.shared_bytes)
        );
    }
    if let Some(delta) = &diff.delta {
        text += &format!(
            "a delta would carry {} of {} of plain content before compression, and {} as it is\n",
            bytes(delta.new_plain),
            bytes(delta.plain),
            bytes(delta.unopened)
        );
    }
    text
}
