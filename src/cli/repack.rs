//! `gapferry repack`: the same bundle in another packaging.

use serde_json::json;

use super::bundles::{BundleArgs, PackagingArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::media::{self, Labels};
use super::output::escaped;
use super::parity;
use super::space::SpaceArgs;
use crate::bundle::{BundlePath, Medium, Packaging, Spread, Writer};
use crate::repack::repack_with;
use crate::verify::Contents;

const EXAMPLES: &str = "\
EXAMPLES:
  From volumes to one archive, for a Blu-ray disc:
    gapferry repack /media/a /media/b -o bundle.tar --trust release.key.pub
  From an archive to volumes that fit DVDs:
    gapferry repack bundle.tar -o dvds --volume-size 4400MB
  Onto two sticks at once:
    gapferry repack bundle.tar --media /media/a,/media/b --trust release.key.pub";

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
    let (out, packaging) = (args.packaging.out(), args.packaging.packaging());
    let spread = spread(&args, &contents)?;
    match (&spread, packaging) {
        (Some(_), _) if args.space.no_space_check => {}
        (Some(spread), Packaging::Volumes { limit }) => {
            media::check(
                spread,
                (limit, false),
                contents.places().into_iter().map(|(_, size)| size),
            )?;
        }
        _ => args.space.check(out, packaging, contents.seal().bytes)?,
    }
    let to = match &spread {
        None => Writer::create(out, packaging)?,
        Some(spread) => Writer::create_on(spread.clone(), packaging)?,
    };
    repack_with(&contents, to, args.jobs.into(), context.progress())?;
    let parity = args.packaging.protect(context)?;
    let places = args.packaging.places();
    let labels = match &spread {
        None => Labels::new(),
        Some(_) => media::labels(&args.packaging, &Medium::gather(&places)?),
    };
    let shown: Vec<_> = places.iter().map(|place| place.to_string_lossy()).collect();
    let shown = shown.join(", ");
    if context.json() {
        let signed = !contents.signers().is_empty();
        return context.print_json(&json!({
            "bundle": shown, "seal": contents.seal_digest(), "signatureVerified": signed,
            "media": media::labels_json(&labels),
            "parity": parity.as_ref().map(parity::json),
        }));
    }
    let parity = parity.as_ref().map_or(String::new(), parity::line);
    let (seal, labels) = (contents.seal_digest(), media::labels_text(&labels));
    context.print(&format!("repacked: {}\n{parity}seal {seal}\n{labels}", escaped(&shown)))
}

/// What goes to which medium. All files are there, so their sizes are known.
fn spread(args: &Args, contents: &Contents) -> Result<Option<Spread>, Failure> {
    let seal = contents.seal();
    let title = format!("stream {}, sequence {}", seal.stream.as_str(), seal.sequence);
    let medium = contents.medium();
    let heads = medium.paths().filter(|path| !matches!(path, BundlePath::Blob(_)));
    let heads = heads.filter_map(|path| medium.get(path)).map(|piece| piece.size);
    media::spread(&args.packaging, title, (heads.fold(0, u64::saturating_add), 0), None)
}
