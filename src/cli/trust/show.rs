//! `gapferry trust show`: whose keys count, and which signatures are missing.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::state::StateArgs;
use crate::trust::{Accepted, Chain, DatedKey, Document, KeyId, Paper, Standing, Workbook};

const EXAMPLES: &str = "\
EXAMPLES:
  What lies in a directory, and who has yet to sign:
    gapferry trust show trust
  What this site has accepted:
    gapferry trust show
  The digest to read to a site over the phone:
    gapferry trust show trust --output json";

/// Show trust documents: whose keys count, and which signatures are missing
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where trust documents lie; without it, those that this site accepted
    #[arg(value_name = "DIR", conflicts_with = "state")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

/// Does it.
///
/// # Errors
/// When documents are damaged, or there are none.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match &args.dir {
        Some(dir) => directory(dir, context),
        None => accepted(&args.state.directory(context)?, context),
    }
}

fn directory(dir: &Path, context: &Context) -> Result<(), Failure> {
    let here = |error| Failure::from(error).at(dir.display());
    let workbook = Workbook::open(dir).map_err(here)?;
    let standings = workbook.standings().map_err(here)?;
    print(workbook.chain(), workbook.draft(), &standings, context)
}

fn accepted(state: &Path, context: &Context) -> Result<(), Failure> {
    let chain = Accepted::beneath(state).load()?.ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, "no-trust", "no trust document is accepted");
        failure.at(state.display()).hint("see `gapferry trust accept --help`")
    })?;
    print(Some(&chain), None, &[], context)
}

fn print(
    chain: Option<&Chain>,
    draft: Option<&(Paper, Document)>,
    standings: &[Standing],
    context: &Context,
) -> Result<(), Failure> {
    let links = chain.iter().flat_map(|chain| chain.links());
    if context.json() {
        return context.print_json(&json!({
            "documents": links.map(value).collect::<Vec<_>>(),
            "draft": draft.map(value),
            "signatures": standings.iter().map(standing_value).collect::<Vec<_>>(),
        }));
    }
    let mut text: String = links.map(head).collect();
    text += &chain.map(|chain| details(chain.newest())).unwrap_or_default();
    if let Some(draft) = draft {
        text += &format!("\nnot yet signed by enough keys:\n{}{}", head(draft), details(&draft.1));
        text += &standings.iter().map(standing).collect::<String>();
    }
    context.print(&text)
}

fn head((paper, document): &(Paper, Document)) -> String {
    let (number, name) = (document.number, document.name.as_str());
    format!("document {number} of {name}, {}\n  {}\n", document.created, paper.digest())
}

/// Whose keys count according to a document.
pub fn details(document: &Document) -> String {
    let key = |(id, key): (&KeyId, &DatedKey)| {
        let until = key.not_after.map(|time| format!(" until {time}")).unwrap_or_default();
        format!("  {id} {}{until}\n", key.key.scheme())
    };
    let mut text = format!("root keys, {} must sign:\n", document.root_threshold);
    text += &document.roots.iter().map(key).collect::<String>();
    for (name, stream) in &document.streams {
        let (epoch, threshold) = (stream.epoch, stream.threshold);
        text += &format!("stream {}, epoch {epoch}, {threshold} must sign:\n", name.as_str());
        let keys = stream.keys.iter().filter_map(|id| document.keys.get_key_value(id));
        text += &keys.map(key).collect::<String>();
    }
    text
}

/// Who signed a draft, and who may yet.
pub fn standing(standing: &Standing) -> String {
    let Standing { number, needed, signed, open } = standing;
    let of = signed.len();
    let mut text =
        format!("signed by {of} of the {needed} root keys that document {number} asks\n");
    text += &signed.iter().map(|id| format!("  {id} signed\n")).collect::<String>();
    if of < *needed {
        text += &open.iter().map(|id| format!("  {id} may sign\n")).collect::<String>();
    }
    text
}

fn ids<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> Vec<String> {
    ids.into_iter().map(ToString::to_string).collect()
}

/// Who signed a draft, for scripts.
pub fn standing_value(standing: &Standing) -> Value {
    let Standing { number, needed, signed, open } = standing;
    json!({"rootsOf": number, "needed": needed, "signed": ids(signed), "open": ids(open)})
}

fn value((paper, document): &(Paper, Document)) -> Value {
    let key = |(id, key): (&KeyId, &DatedKey)| {
        json!({
            "keyId": id.to_string(), "scheme": key.key.scheme().name(),
            "notAfter": key.not_after.map(|time| time.to_string()),
        })
    };
    let streams = document.streams.iter().map(|(name, stream)| {
        json!({
            "stream": name.as_str(), "epoch": stream.epoch, "threshold": stream.threshold,
            "keys": ids(&stream.keys),
        })
    });
    json!({
        "name": document.name.as_str(),
        "number": document.number,
        "digest": paper.digest(),
        "created": document.created.to_string(),
        "rootThreshold": document.root_threshold,
        "roots": document.roots.iter().map(key).collect::<Vec<_>>(),
        "keys": document.keys.iter().map(key).collect::<Vec<_>>(),
        "streams": streams.collect::<Vec<_>>(),
        "signatures": ids(paper.signatures.iter().map(|signature| &signature.key_id)),
    })
}
