//! `gapferry parity`: adds parity to a bundle; and the options that say how much.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::bundles::{BundleArgs, PackagingArgs, TrustArgs, size};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count, escaped};
use super::verify::prove_blobs;
use crate::files::FAT_LIMIT;
use crate::parity::{Amount, Made, Order, ParityError, Survey, protect};

const EXAMPLES: &str = "\
EXAMPLES:
  A tenth of its size, beside the bundle:
    gapferry parity /media/stick/bundle --parity 10% --trust release.key.pub
  So that any one of the volumes may be lost, to a stick of its own:
    gapferry parity /media/a /media/b --parity-volumes 1 -o /media/c --trust release.key.pub
  Later, when something is damaged:
    gapferry repair /media/a /media/c -o repaired --trust release.key.pub";

/// Add parity to a bundle, which repairs it when sectors, files or volumes are lost
///
/// The bundle is proven before, and its files stay as they are: nothing is signed again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    parity: ParityArgs,
    /// Another directory to write it to; beside the bundle, in the first place, unless given
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No file of parity is larger than this (such as 4GiB); the largest volume unless given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    volume_size: Option<u64>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// How much parity.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct ParityArgs {
    /// Write parity of this share, which repairs as much damage
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "parity_volumes")]
    parity: Option<u8>,
    /// Write parity of as much as N volumes hold: any N may be lost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    parity_volumes: Option<u16>,
}

impl ParityArgs {
    fn amount(&self) -> Option<Amount> {
        let volumes = self.parity_volumes.map(Amount::Volumes);
        volumes.or(self.parity.map(Amount::Percent))
    }

    /// What volumes of at most `limit` bytes may have, so that each file of parity, with its index, is
    /// as large as a volume may be.
    pub fn leaves(&self, limit: u64) -> u64 {
        match self.parity_volumes {
            Some(_) => limit.saturating_sub(limit / 32).saturating_sub(64 * 1024),
            None => limit,
        }
    }
}

impl PackagingArgs {
    /// Makes parity for the bundle that was just written, if any is wanted.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn protect(&self, context: &Context) -> Result<Option<Made>, Failure> {
        let Some(amount) = self.parity.amount() else { return Ok(None) };
        let places = [self.out().to_owned()];
        let order = Order { places: &places, amount, limit: self.limit(), out: None };
        let made = protect(&order, context.progress());
        let made = made.map_err(|error| {
            Failure::from(error)
                .and_hint("the bundle is whole: `gapferry parity` adds parity to it")
        })?;
        Ok(Some(made))
    }
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, or with the place of the parity.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let amount = args.parity.amount().ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, "parity-amount", "how much parity?");
        failure.hint("give --parity 10%, or --parity-volumes 1 for volumes")
    })?;
    let places = &args.bundle.places;
    let contents = args.trust.look(places, context)?;
    prove_blobs(&contents, context)?;
    let limit = args.volume_size.map(|size| if size == FAT_LIMIT + 1 { FAT_LIMIT } else { size });
    let order = Order { places, amount, limit, out: args.out.as_deref() };
    let made = protect(&order, context.progress())?;
    let signed = !contents.signers().is_empty();
    if context.json() {
        let seal = contents.seal_digest();
        return context.print_json(&json!({
            "seal": seal, "signatureVerified": signed, "parity": json(&made),
        }));
    }
    let note = if signed { "" } else { "signature NOT VERIFIED (give --trust)\n" };
    context.print(&format!("{}seal {}\n{note}", line(&made), contents.seal_digest()))
}

/// What was made, for people.
pub fn line(made: &Made) -> String {
    let files = count(made.files.len() as u64, "file");
    let shape = made.geometry;
    format!(
        "parity: {files}, {}; {} of {} each, any {} of which may be lost in a group of {}\n",
        bytes(made.bytes),
        count(shape.groups, "group"),
        bytes(shape.block),
        count(shape.parity, "block"),
        shape.data + shape.parity,
    )
}

/// What was made, for scripts.
pub fn json(made: &Made) -> Value {
    let shape = made.geometry;
    json!({
        "files": made.files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
        "bytes": made.bytes,
        "blockBytes": shape.block,
        "groups": shape.groups,
        "dataBlocks": shape.data,
        "parityBlocks": shape.parity,
    })
}

/// What parity lies there, for people.
pub fn found(parity: &Result<Vec<Survey>, ParityError>) -> String {
    let sets = match parity {
        Ok(sets) => sets,
        Err(error) => return format!("parity        {}\n", escaped(&error.to_string())),
    };
    let line = |set: &Survey| {
        let files = match set.files == set.of {
            true => count(set.files as u64, "file"),
            false => format!("{} of {} files", set.files, set.of),
        };
        let shape = set.geometry;
        let volumes = match set.volumes {
            0 => String::new(),
            number => format!("; any {} may be lost", count(number as u64, "volume")),
        };
        format!(
            "parity        {files}, {}, for any {} of {} in each of {}{volumes}\n",
            bytes(set.bytes),
            shape.parity,
            count(shape.data + shape.parity, "block"),
            count(shape.groups, "group"),
        )
    };
    sets.iter().map(line).collect()
}

/// What parity lies there, for scripts; `null` when there is none that can be read.
pub fn found_json(parity: &Result<Vec<Survey>, ParityError>) -> Value {
    let Some(set) = parity.as_ref().ok().and_then(|sets| sets.first()) else { return Value::Null };
    json!({
        "files": set.files,
        "filesMade": set.of,
        "bytes": set.bytes,
        "blockBytes": set.geometry.block,
        "groups": set.geometry.groups,
        "dataBlocks": set.geometry.data,
        "parityBlocks": set.geometry.parity,
        "volumes": set.volumes,
    })
}

/// `10%` or `10`.
fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let number = number.filter(|number| (1..=100).contains(number));
    number.ok_or_else(|| "expected a share from 1% to 100%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_hundredths() {
        assert_eq!((percent("10%"), percent("100"), percent("1%")), (Ok(10), Ok(100), Ok(1)));
        for text in ["", "%", "0%", "101%", "1.5%", "-1%", "10%%", "300%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
