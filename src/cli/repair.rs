//! `gapferry repair`: writes a damaged bundle anew, as it was; and `verify --repair`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count, escaped};
use super::verify::prove;
use crate::files;
use crate::parity::{Mended, Stretch, mend};
use crate::verify::{Contents, examine_medium};

const EXAMPLES: &str = "\
EXAMPLES:
  A stick with bad sectors, whose bundle has parity:
    gapferry repair /media/stick/bundle -o repaired --trust release.key.pub
  Volumes of which one is lost, and the parity:
    gapferry repair /media/a /media/c -o repaired --trust release.key.pub
  An archive; its parity lies beside it:
    gapferry repair bundle.tar -o repaired.tar --trust release.key.pub";

/// Write a damaged bundle anew, as it was, with the parity that lies beside it
///
/// The damaged medium is only read. What was repaired is verified before success is reported; without
/// --trust every byte is held against the seal, but anybody may have made that, and the output says so.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Where to write the repaired bundle: a new directory; FILE.tar if it is one archive
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Write the files that were damaged and no others, to be copied into their places
    #[arg(long)]
    only_damaged: bool,
    /// Hold repaired blocks here meanwhile; beside OUT unless given
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Whether to read a bundle as it was before it was damaged.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RepairArgs {
    /// Read what is damaged as its parity says it was; the medium stays as it is
    #[arg(long)]
    repair: bool,
    /// Hold repaired blocks here meanwhile; in the directory for temporary files unless given
    #[arg(long, value_name = "DIR", requires = "repair")]
    scratch: Option<PathBuf>,
}

impl RepairArgs {
    /// Repairs what lies in `places`, if that is wanted.
    ///
    /// # Errors
    /// When there is no parity of it, or more damage than that mends.
    pub fn mend(&self, places: &[PathBuf], context: &Context) -> Result<Option<Mended>, Failure> {
        if !self.repair {
            return Ok(None);
        }
        let temporary = context.variable("TMPDIR").map_or("/tmp".into(), PathBuf::from);
        let scratch = self.scratch.as_ref().unwrap_or(&temporary);
        let mended = mend(places, scratch, context.progress())?;
        whole(&mended, context)?;
        Ok(Some(mended))
    }
}

/// Does it.
///
/// # Errors
/// When there is no parity, more damage than it mends, or anything else is wrong with the bundle.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let beside = files::parent(&args.out);
    files::create_directories(&beside)?;
    let scratch = args.scratch.as_ref().unwrap_or(&beside);
    let mended = mend(&args.bundle.places, scratch, context.progress())?;
    whole(&mended, context)?;
    if args.only_damaged {
        let contents = look(&args.trust, &mended, context)?;
        mended.write(&args.out, true, context.progress())?;
        return report(&args, &mended, &contents, context);
    }
    mended.write(&args.out, false, context.progress())?;
    let places = [args.out.clone()];
    let contents = args.trust.look(&places, context);
    let contents = contents.map_err(|failure| failure.at("what was repaired"))?;
    prove(&contents, context)?;
    report(&args, &mended, &contents, context)
}

/// Verifies what was repaired before it is written.
fn look(trust: &TrustArgs, mended: &Mended, context: &Context) -> Result<Contents, Failure> {
    let contents = match trust.trust.is_empty() {
        true => examine_medium(mended.medium()?)?,
        false => trust.verify_mended(mended, &trust.site(context)?, context)?.into_inner(),
    };
    prove(&contents, context)?;
    Ok(contents)
}

fn report(
    args: &Args,
    mended: &Mended,
    contents: &Contents,
    context: &Context,
) -> Result<(), Failure> {
    let signed = !contents.signers().is_empty();
    let (out, seal) = (args.out.to_string_lossy(), contents.seal_digest());
    if context.json() {
        return context.print_json(&json!({
            "bundle": out, "seal": seal, "signatureVerified": signed, "repair": json(mended),
        }));
    }
    let word = match (signed, args.only_damaged) {
        (true, _) => "verified",
        (false, _) => "signature NOT VERIFIED: anybody may have made this (give --trust)",
    };
    context.print(&format!("repaired: {}\n{}seal {seal}\n{word}\n", escaped(&out), lines(mended)))
}

/// Fails when anything is lost, and says what.
fn whole(mended: &Mended, context: &Context) -> Result<(), Failure> {
    let Some(first) = mended.lost.first() else { return Ok(()) };
    for stretch in mended.lost.iter().skip(1).take(1000) {
        lost(format!("{} is lost", place(stretch))).warn("also", context);
    }
    let total: u64 = mended.lost.iter().map(|stretch| stretch.length).sum();
    let all = count(mended.lost.len() as u64, "stretch");
    Err(lost(format!("{} is lost; in all {} in {all}", place(first), bytes(total))))
}

fn lost(message: String) -> Failure {
    Failure::new(Exit::Damaged, "lost", message)
        .hint("give every place that holds a part of the bundle or of its parity; or fetch it anew")
}

fn place(stretch: &Stretch) -> String {
    let Stretch { file, offset, length, .. } = stretch;
    format!("{}, {length} bytes from byte {offset},", file.display())
}

/// What was repaired, for people.
pub fn lines(mended: &Mended) -> String {
    let mut text = match mended.corrected.as_slice() {
        [] => "nothing was damaged\n".to_owned(),
        _ => String::new(),
    };
    for stretch in &mended.corrected {
        let Stretch { file, offset, length, .. } = stretch;
        let name = escaped(&file.display().to_string());
        text += &format!("corrected: {name}, {length} bytes from byte {offset}\n");
    }
    if !mended.corrected.is_empty() {
        let names = mended.parity.iter().map(|path| escaped(&path.display().to_string()));
        text += &format!("from {}\n", names.collect::<Vec<_>>().join(", "));
    }
    if mended.parity_damaged + mended.pages_lost > 0 {
        text += "the parity is damaged itself; make it anew for what was repaired\n";
    }
    text
}

/// What was repaired, for scripts.
pub fn json(mended: &Mended) -> Value {
    let names = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    json!({
        "corrected": mended.corrected.iter().map(stretch).collect::<Vec<_>>(),
        "from": names(&mended.parity),
        "parityBlocksDamaged": mended.parity_damaged,
        "indexPagesLost": mended.pages_lost,
    })
}

fn stretch(stretch: &Stretch) -> Value {
    let Stretch { part, file, offset, length } = stretch;
    json!({
        "name": part.to_string(), "file": file.to_string_lossy(), "offset": offset, "length": length,
    })
}
