//! `gapferry trust rotate`: puts one key in the place of another in a draft.

use std::path::PathBuf;
use std::str::FromStr;

use super::super::context::Context;
use super::super::failure::Failure;
use super::{Changes, dated_key, key_id};
use crate::trust::Timestamp;

const EXAMPLES: &str = "\
EXAMPLES:
  A key of a stream, wherever it stands:
    gapferry trust rotate trust --key bob.pub=bob-2027.pub
  A root key; both the old keys and the new ones must sign:
    gapferry trust rotate trust --root a.pub=a-2027.pub --not-after 2029-01-01T00:00:00Z";

/// Write a trust document with one key in the place of another, to be signed
///
/// It continues the newest document in DIR. If that is not signed yet, it is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    changes: Changes,
    /// A root key (id or file), and the public key that takes its place (repeatable)
    #[arg(long, value_name = "OLD=NEW.pub")]
    root: Vec<Pair>,
    /// A key of streams (id or file), and the public key that takes its place (repeatable)
    #[arg(long, value_name = "OLD=NEW.pub")]
    key: Vec<Pair>,
    /// The new keys count until then, such as 2027-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Pair {
    old: String,
    new: PathBuf,
}

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Pair, &'static str> {
        let (old, new) = text.split_once('=').ok_or("expected OLD=NEW.pub")?;
        Ok(Pair { old: old.to_owned(), new: PathBuf::from(new) })
    }
}

/// Does it.
///
/// # Errors
/// When a key is not there, a file holds no key, or the draft is signed in part.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.changes.edit(context, |document| {
        for Pair { old, new } in &args.root {
            document.remove_root(&key_id(old)?)?;
            document.add_root(dated_key(new, args.not_after)?);
        }
        for Pair { old, new } in &args.key {
            document.replace_key(&key_id(old)?, dated_key(new, args.not_after)?)?;
        }
        Ok(())
    })
}
