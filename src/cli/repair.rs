//! `gapferry repair`: writes a damaged bundle anew, as it was; and `verify --repair`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, escaped};
use super::verify::prove;
use crate::files;
use crate::oci::Reference;
use crate::parity::{Mended, ParityError, Stretch, mend};
use crate::report::Event;
use crate::verify::{Contents, Remaining};

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
    /// Repairs what lies in `places`, if that is wanted and there is parity.
    ///
    /// # Errors
    /// When there is parity that cannot be used, or more damage than it repairs.
    pub fn mend(
        &self,
        places: &[PathBuf],
        trust: &TrustArgs,
        context: &Context,
    ) -> Result<Option<Mended>, Failure> {
        if !self.repair {
            return Ok(None);
        }
        let temporary = context.variable("TMPDIR").map_or("/tmp".into(), PathBuf::from);
        let scratch = self.scratch.as_ref().unwrap_or(&temporary);
        match mend(places, scratch, context.progress()) {
            Ok(mended) => {
                whole(&mended, trust, context)?;
                Ok(Some(mended))
            }
            // It may be whole, and only its parity lost.
            Err(error @ ParityError::Absent(_)) => {
                context.progress().event(Event::Doubt { what: error.to_string() });
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
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
    whole(&mended, &args.trust, context)?;
    let contents = args.trust.look_mended(&mended, context)?;
    if args.only_damaged {
        prove(&contents, context)?;
        mended.write(&args.out, true, context.progress())?;
        return report(&args, &mended, &contents, context);
    }
    mended.write(&args.out, false, context.progress())?;
    let written = || {
        let contents = args.trust.look(std::slice::from_ref(&args.out), context)?;
        prove(&contents, context)?;
        Ok(contents)
    };
    let contents = written().map_err(|failure: Failure| {
        let failure = failure.at("what was repaired");
        failure.and_hint("what was written is not proven: remove it")
    })?;
    report(&args, &mended, &contents, context)
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

/// Fails when anything is lost; says before what that is, and which images are whole.
fn whole(mended: &Mended, trust: &TrustArgs, context: &Context) -> Result<(), Failure> {
    let Some(Stretch { file, offset, length, .. }) = mended.lost.first() else { return Ok(()) };
    let remaining = trust.remaining(mended, context);
    match context.json() {
        true => context.print_json(&lost_json(mended, remaining.as_ref()))?,
        false => context.print(&lost_lines(mended, remaining.as_ref()))?,
    }
    let total: u64 = mended.lost.iter().map(|stretch| stretch.length).sum();
    let message = format!(
        "more is damaged than parity repairs: {}, {length} bytes from byte {offset}; {} in all",
        file.display(),
        bytes(total)
    );
    Err(Failure::new(Exit::Damaged, "lost", message)
        .hint("give every place that holds a part of the bundle or its parity; or fetch it anew"))
}

fn lost_lines(mended: &Mended, remaining: Result<&Remaining, &Failure>) -> String {
    let mut text = lines(mended);
    for Stretch { file, offset, length, .. } in &mended.lost {
        let name = escaped(&file.display().to_string());
        text += &format!("lost: {name}, {length} bytes from byte {offset}\n");
    }
    match remaining {
        Ok(remaining) => {
            let names = |word: &str, images: &[Reference]| -> String {
                images.iter().map(|name| format!("{word}: {name}\n")).collect()
            };
            text += &names("image lost", &remaining.lost);
            text += &names("image whole", &remaining.whole);
            if !remaining.is_verified {
                text += "signature NOT VERIFIED: anybody may have listed these (give --trust)\n";
            }
        }
        Err(why) => {
            text += &format!("which images are lost cannot be told: {}\n", escaped(&why.message))
        }
    }
    text
}

fn lost_json(mended: &Mended, remaining: Result<&Remaining, &Failure>) -> Value {
    let remaining = remaining.ok();
    json!({
        "repair": json(mended),
        "lost": mended.lost.iter().map(stretch).collect::<Vec<_>>(),
        "signatureVerified": remaining.is_some_and(|it| it.is_verified),
        "imagesLost": remaining.map(|it| it.lost.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "imagesWhole": remaining.map(|it| it.whole.iter().map(ToString::to_string).collect::<Vec<_>>()),
    })
}

/// What was repaired, for people.
pub fn lines(mended: &Mended) -> String {
    let mut text = match mended.corrected.is_empty() && mended.lost.is_empty() {
        true => "nothing was damaged\n".to_owned(),
        false => String::new(),
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
