//! `gapferry sign`: adds signatures to a bundle.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use serde_json::json;

use super::audit::{LogArgs, Run, keys, paths};
use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::escaped;
use super::signers::SignerArgs;
use super::{inspect, verify};
use crate::audit::Facts;
use crate::sign::{Added, sign};
use crate::trust::Signer;

const EXAMPLES: &str = "\
EXAMPLES:
  The second of two people looks at the bundle and signs it too:
    gapferry sign /media/stick/bundle --key bob.key --trust ann.key.pub
  With a key that ssh-agent holds, without being asked:
    gapferry sign bundle.tar --key ~/.ssh/id_ed25519.pub --yes
  From a medium that cannot be written to; the signature travels by itself:
    gapferry sign /media/disc/bundle --key bob.key --out .
    gapferry verify /media/disc/bundle seal.*.sig --trust bob.key.pub
  Without gapferry, with the key id that `gapferry key show` tells:
    openssl pkeyutl -sign -inkey bob.key -rawin -in seal -out seal.KEY-ID.sig";

/// Add signatures to a bundle, after a look at what is aboard
///
/// The whole bundle is read and its parts are held against each other first; what does not fit
/// together is not signed. With --trust its signatures are verified too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Write the signatures to this directory instead of to the bundle
    #[arg(short, long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Sign without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    signers: SignerArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle; when nobody agrees; when a signer fails.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    check_asking(args.yes, "look at the bundle with `gapferry inspect`, and give --yes", context)?;
    let signers = args.signers.signers(context)?;
    let facts = Facts::from([
        ("bundle".to_owned(), paths(&args.bundle.places)),
        ("keys".to_owned(), keys(&signers)),
    ]);
    let mut run = args.log.begin(&args.trust.state, "sign", facts, context)?;
    let done = signed(&args, &signers, &mut run, context);
    if done.is_err() {
        run.note_found(&args.bundle.places);
    }
    run.end(done, &signers)
}

fn signed(
    args: &Args,
    signers: &[Box<dyn Signer>],
    run: &mut Run<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let contents = args.trust.look_before_signing(&args.bundle.places, context)?;
    run.note("seal", contents.seal_digest().to_string());
    verify::prove(&contents, context)?;
    if !context.json() {
        context.print(&inspect::table(&contents))?;
    }
    confirm(args.yes, "Sign this bundle?")?;
    let added = sign(&contents, signers, args.out.as_deref())?;
    run.note("signatures", added.iter().filter(|it| it.written.is_some()).count());
    if !context.json() {
        return context.print(&added.iter().map(line).collect::<String>());
    }
    let shown = added.iter().map(|added| {
        json!({
            "keyId": added.key_id.to_string(),
            "written": added.written.as_ref().map(|path| path.to_string_lossy()),
        })
    });
    context.print_json(&json!({
        "seal": contents.seal_digest(), "signatures": shown.collect::<Vec<_>>(),
    }))
}

fn line(added: &Added) -> String {
    match &added.written {
        Some(path) => {
            format!("signed by {}: {}\n", added.key_id, escaped(&path.to_string_lossy()))
        }
        None => format!("signed by {}: before\n", added.key_id),
    }
}

/// Refuses to begin what nobody can be asked about.
///
/// # Errors
/// Without `yes`, when there is no terminal.
pub fn check_asking(yes: bool, hint: &str, context: &Context) -> Result<(), Failure> {
    match yes || (!context.json() && std::io::stdin().is_terminal()) {
        true => Ok(()),
        false => Err(Failure::new(Exit::Usage, "not-confirmed", "nobody can be asked").hint(hint)),
    }
}

/// Asks, unless `yes` says it all.
///
/// # Errors
/// When the answer is not yes.
pub fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    match yes || confirmed(question)? {
        true => Ok(()),
        false => Err(Failure::new(Exit::Failed, "declined", "nothing was signed")),
    }
}

fn confirmed(question: &str) -> Result<bool, Failure> {
    let failed = |error| Failure::new(Exit::Failed, "output", format!("cannot ask: {error}"));
    let mut asked = std::io::stderr();
    write!(asked, "{question} [y/N] ").and_then(|()| asked.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
