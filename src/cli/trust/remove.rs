//! `gapferry trust remove`: takes keys and streams out of a draft.

use super::super::context::Context;
use super::super::failure::Failure;
use super::{Changes, key_id};
use crate::trust::Name;

const EXAMPLES: &str = "\
EXAMPLES:
  Revoke a key, in every stream:
    gapferry trust remove trust --key bob.pub --threshold prod=1
  By its id, when the file is gone:
    gapferry trust remove trust --root KEY-ID
  A stream that nobody seals any more:
    gapferry trust remove trust --stream lab";

/// Write a trust document with fewer keys or streams, to be signed: so keys are revoked
///
/// It continues the newest document in DIR. If that is not signed yet, it is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    changes: Changes,
    /// A key that is to sign no trust documents any more: its id, or its file (repeatable)
    #[arg(long, value_name = "KEY")]
    root: Vec<String>,
    /// A key that may seal nothing any more: its id, or its file (repeatable)
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A stream (repeatable)
    #[arg(long, value_name = "STREAM")]
    stream: Vec<Name>,
}

/// Does it.
///
/// # Errors
/// When something is not there, a threshold cannot be met, or the draft is signed in part.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.changes.edit(context, |document| {
        for root in &args.root {
            document.remove_root(&key_id(root)?)?;
        }
        for key in &args.key {
            document.remove_key(&key_id(key)?)?;
        }
        for stream in &args.stream {
            document.stream(stream)?;
            document.streams.remove(stream);
        }
        Ok(())
    })
}
