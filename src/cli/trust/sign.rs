//! `gapferry trust sign`: signs a draft, after a look at what it changes.

use std::path::PathBuf;

use serde_json::json;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::sign::{check_asking, confirm};
use super::super::signers::SignerArgs;
use super::show;
use crate::trust::{Chain, Document, Workbook};

const EXAMPLES: &str = "\
EXAMPLES:
  See what it changes, then sign:
    gapferry trust sign trust --key a.key
  With a key that ssh-agent holds, without being asked:
    gapferry trust sign trust --key ~/.ssh/id_ed25519.pub --yes
  Without gapferry, with the key id that `gapferry key show` tells:
    openssl pkeyutl -sign -inkey a.key -rawin -in trust-000002 -out trust-000002.KEY-ID.sig
    ssh-keygen -Y sign -n gapferry-trust -f id < trust-000002 > trust-000002.KEY-ID.sig";

/// Sign a trust document, after a look at what it changes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the trust documents lie
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Sign without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    signers: SignerArgs,
}

/// Does it.
///
/// # Errors
/// When documents are damaged, nobody agrees, a signer fails, or has no root key.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    check_asking(args.yes, "look at it with `gapferry trust show`, and give --yes", context)?;
    let here = |error| Failure::from(error).at(args.dir.display());
    let workbook = Workbook::open(&args.dir).map_err(here)?;
    if let Some((_, draft)) = workbook.draft().filter(|_| !context.json()) {
        context.print(&changes(workbook.chain().map(Chain::newest), draft))?;
    }
    let signers = args.signers.signers(context)?;
    confirm(args.yes, "Sign this document?")?;
    let signed = workbook.sign(&signers).map_err(here)?;
    let standings = Workbook::open(&args.dir).and_then(|it| it.standings()).map_err(here)?;
    if context.json() {
        return context.print_json(&json!({
            "signedBy": signed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "complete": standings.is_empty(),
            "signatures": standings.iter().map(show::standing_value).collect::<Vec<_>>(),
        }));
    }
    let mut text: String = signed.iter().map(|id| format!("signed by {id}\n")).collect();
    match standings.is_empty() {
        true => text += "it has all the signatures that it needs\n",
        false => text.extend(standings.iter().map(show::standing)),
    }
    context.print(&text)
}

/// What a draft says that the document before did not, and what it does not say any more. There is one
/// spelling of everything, so its lines tell.
fn changes(before: Option<&Document>, draft: &Document) -> String {
    let Some(before) = before else {
        return format!("the first document of {}:\n{}", draft.name.as_str(), show::details(draft));
    };
    let text = |it: &Document| String::from_utf8_lossy(&it.to_bytes()).into_owned();
    let (old, new) = (text(before), text(draft));
    let lacking = |lines: &str, other: &str, mark: char| -> String {
        let lines = lines.lines().filter(|line| !other.lines().any(|it| it == *line));
        lines.map(|line| format!("{mark} {line}\n")).collect()
    };
    lacking(&old, &new, '-') + &lacking(&new, &old, '+')
}
