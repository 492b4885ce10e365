//! `gapferry diff`: what two bundles or locks do not share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::bundles::TrustArgs;
use super::context::Context;
use super::failure::Failure;
use super::images::{is_lock, read_lock};
use super::output::bytes;
use crate::chunk::ChunkIndex;
use crate::diff::{Change, Diff, Side, diff};
use crate::oci::{Digest, PinnedImage};
use crate::select::Lock;
use crate::verify::Contents;

const EXAMPLES: &str = "\
EXAMPLES:
  What the new bundle carries beyond the old one:
    gapferry diff may.tar june.tar --trust release.key.pub
  What has changed since the lock that was approved:
    gapferry diff approved.lock images.lock
  Is aboard what was approved:
    gapferry diff images.lock /media/stick/bundle --trust release.key.pub";

/// Show what two bundles or locks do not share
///
/// Without --trust bundles are held against themselves only: anybody may have made them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The one: a lock, or a bundle (a directory or an archive)
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The other
    #[arg(value_name = "B")]
    second: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
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
    let second = open(&args.second, &args.trust, context)?;
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
