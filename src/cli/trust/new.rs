//! `gapferry trust new`: writes a first trust document, to be signed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::bundles::timestamp;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::{NewStream, dated_key, drafted, print_draft};
use crate::files;
use crate::trust::{Document, Name, Timestamp, TrustFile, Workbook};

const EXAMPLES: &str = "\
EXAMPLES:
  Two of three root keys sign documents; the stream `prod` needs two keys, `test` one:
    gapferry trust new -o trust --name acme --root a.pub --root b.pub --root c.pub \\
      --root-threshold 2 --stream prod=2:ann.pub,bob.pub,eve.pub --stream test=1:ann.pub";

/// Write a first trust document, to be signed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The directory to write to; there may be no trust document in it yet
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// What the documents are called
    #[arg(long, value_name = "NAME")]
    name: Name,
    /// A public key that signs trust documents, and no bundles (repeatable)
    #[arg(long, value_name = "KEY.pub", required = true)]
    root: Vec<PathBuf>,
    /// How many root keys must sign a document
    #[arg(long, value_name = "M")]
    root_threshold: usize,
    /// A stream, how many keys must seal its bundles, and which may (repeatable)
    #[arg(long, value_name = "STREAM=M:KEY.pub,...")]
    stream: Vec<NewStream>,
    /// The keys count until then, such as 2027-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
}

/// Does it.
///
/// # Errors
/// When there is a document already, a file holds no key, or a threshold cannot be met.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let path = args.out.join(TrustFile::document(1).to_string());
    if path.symlink_metadata().is_ok() {
        let message = format!("{} is there already", path.display());
        let failure = Failure::new(Exit::Failed, "exists", message);
        return Err(failure.hint("change it with `gapferry trust add` or `remove`"));
    }
    let mut document = Document {
        name: args.name,
        number: 1,
        previous: None,
        created: timestamp(context.signing_time()?)?,
        root_threshold: args.root_threshold,
        roots: BTreeMap::new(),
        keys: BTreeMap::new(),
        streams: BTreeMap::new(),
    };
    for root in &args.root {
        document.add_root(dated_key(root, args.not_after)?);
    }
    for stream in &args.stream {
        stream.add_to(&mut document, args.not_after)?;
    }
    files::create_directories(&args.out)?;
    let paper = Workbook::begin(&args.out, &document).map_err(drafted)?;
    print_draft(&args.out, &paper, context)
}
