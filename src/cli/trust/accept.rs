//! `gapferry trust accept`: from now on this site believes trust documents.

use std::path::PathBuf;

use serde_json::json;

use super::super::audit::{LogArgs, fact};
use super::super::bundles::timestamp;
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::state::StateArgs;
use super::show;
use crate::audit::Facts;
use crate::oci::Digest;
use crate::trust::{Accepted, Chain, read_papers};

const EXAMPLES: &str = "\
EXAMPLES:
  The first time, with a digest that came by another way than the documents:
    gapferry trust accept /media/stick/bundle --digest sha256:DIGEST
  Later ones come with bundles and are kept after an import; or without a bundle:
    gapferry trust accept /media/stick/trust";

/// Believe trust documents from now on
///
/// The first document that counts is named by its digest, which a person got by another way than the
/// documents. Newer ones must be signed by the keys that are believed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the trust documents lie: a directory of them, or a bundle in a directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The SHA-256 of the first document to believe
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<Digest>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Does it.
///
/// # Errors
/// Without a digest the first time; when documents are damaged or do not join what is believed.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let asked = args.digest.map(|digest| ("digest".to_owned(), fact(&digest.to_string())));
    let place = ("documents".to_owned(), fact(&args.dir.to_string_lossy()));
    let facts: Facts = asked.into_iter().chain([place]).collect();
    let mut run = args.log.begin(&args.state, "trust accept", facts, context)?;
    let done = accept(&args, context).and_then(|chain| {
        run.note("name", chain.newest().name.as_str());
        run.note("number", u64::from(chain.newest().number));
        run.note("accepted", chain.newest_digest().to_string());
        print(&chain, context)
    });
    run.end(done, &[])
}

fn accept(args: &Args, context: &Context) -> Result<Chain, Failure> {
    let accepted = Accepted::beneath(&args.state.directory(context)?);
    let here = |error| Failure::from(error).at(args.dir.display());
    let papers = read_papers(&args.dir).map_err(here)?;
    let now = timestamp(context.now())?;
    let chain = match (accepted.load()?, args.digest) {
        (None, None) => {
            let message = "this site has accepted no trust document yet";
            let failure = Failure::new(Exit::Usage, "no-digest", message);
            return Err(failure.hint("give the digest of the first: --digest sha256:HEX"));
        }
        (None, Some(digest)) => Chain::accept(&digest, papers, now).map_err(here)?,
        (Some(chain), Some(digest)) if !is_of(&chain, &digest) => {
            let message =
                format!("this site has accepted other documents, of which {digest} is none");
            let failure = Failure::new(Exit::NotAllowed, "already-accepted", message);
            return Err(failure.hint("to begin anew, move `trust` out of the state directory"));
        }
        (Some(mut chain), _) => {
            chain.extend(papers, now).map_err(here)?;
            chain
        }
    };
    accepted.save(&chain)?;
    Ok(chain)
}

fn is_of(chain: &Chain, digest: &Digest) -> bool {
    chain.links().iter().any(|(paper, _)| paper.digest() == *digest)
}

fn print(chain: &Chain, context: &Context) -> Result<(), Failure> {
    let (newest, digest) = (chain.newest(), chain.newest_digest());
    match context.json() {
        true => context.print_json(&json!({
            "name": newest.name.as_str(), "number": newest.number, "digest": digest,
        })),
        false => context.print(&format!(
            "accepted: document {} of {}\n  {digest}\n{}",
            newest.number,
            newest.name.as_str(),
            show::details(newest)
        )),
    }
}
