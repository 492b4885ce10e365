//! `gapferry trust add`: adds keys and streams to a draft.

use std::path::PathBuf;

use super::super::context::Context;
use super::super::failure::Failure;
use super::{Changes, For, NewStream, dated_key};
use crate::trust::Timestamp;

const EXAMPLES: &str = "\
EXAMPLES:
  One key more for a stream, for a year:
    gapferry trust add trust --key prod=eve.pub --not-after 2027-11-20T10:00:00Z
  A stream more, and a root key more:
    gapferry trust add trust --stream lab=1:ann.pub --root d.pub
  After the loss of a maker's records: let sequence numbers begin anew:
    gapferry trust add trust --epoch prod=2";

/// Write a trust document with more keys or streams, to be signed
///
/// It continues the newest document in DIR. If that is not signed yet, it is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    changes: Changes,
    /// A public key that signs trust documents (repeatable)
    #[arg(long, value_name = "KEY.pub")]
    root: Vec<PathBuf>,
    /// A public key that may seal this stream (repeatable)
    #[arg(long, value_name = "STREAM=KEY.pub")]
    key: Vec<For<PathBuf>>,
    /// A stream, in the place of one of this name (repeatable)
    #[arg(long, value_name = "STREAM=M:KEY.pub,...")]
    stream: Vec<NewStream>,
    /// The keys that are added count until then, such as 2027-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
}

/// Does it.
///
/// # Errors
/// When a file holds no key, a threshold cannot be met, or the draft is signed in part.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.changes.edit(context, |document| {
        for root in &args.root {
            document.add_root(dated_key(root, args.not_after)?);
        }
        for stream in &args.stream {
            stream.add_to(document, args.not_after)?;
        }
        for For { stream, value } in &args.key {
            document.add_key(stream, dated_key(value, args.not_after)?)?;
        }
        Ok(())
    })
}
