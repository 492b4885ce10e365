//! `gapferry key show`: which key it is, and how to check its signatures without gapferry.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::input;
use super::super::output::{escaped, quoted};
use super::super::signers::check_line;
use super::{beside, secret_key};
use crate::trust::{KeyRecord, PublicKey, Scheme, Signer as _};

const EXAMPLES: &str = "\
EXAMPLES:
  Compare the key id over the phone before you trust a key:
    gapferry key show release.key.pub
  A key of OpenSSH:
    gapferry key show ~/.ssh/id_ed25519.pub
  For scripts:
    gapferry key show release.key.pub --output json";

/// Show the scheme and the id of a key, and how to check signatures without gapferry
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A public or a private key (PEM or OpenSSH), or allowed signers
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The first line of this file opens an encrypted private key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// When the file cannot be read, or holds no key.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (keys, public_path) = load(&args)?;
    if !context.json() {
        let file = quoted(&public_path.to_string_lossy());
        let shown: Vec<String> = keys.iter().map(|key| table(key, &escaped(&file))).collect();
        return context.print(&shown.join("\n"));
    }
    match &keys[..] {
        [key] => context.print_json(&value(key)),
        keys => context.print_json(&keys.iter().map(value).collect::<Vec<_>>()),
    }
}

fn value(key: &PublicKey) -> Value {
    let (text, is_line) = (key.to_text(), key.scheme() == Scheme::OpenSsh);
    json!({
        "scheme": key.scheme().name(),
        "keyId": key.key_id().to_string(),
        "publicKeyPem": (!is_line).then_some(&text),
        "opensshPublicKey": is_line.then_some(text.trim_end()),
    })
}

fn table(key: &PublicKey, file: &str) -> String {
    let (scheme, id, check) = (key.scheme(), key.key_id(), check_line(key, file));
    format!("scheme  {scheme}\nkey id  {id}\ncheck   {check}\n")
}

/// The public keys in the file, or that of the private key in it, and where the public key's file
/// is.
fn load(args: &Args) -> Result<(Vec<PublicKey>, PathBuf), Failure> {
    let text = input::key(&args.file)?;
    if text.contains("PRIVATE KEY-----") {
        let key = secret_key(&args.file, &text, args.passphrase_file.as_deref())?;
        return Ok((vec![key.public().clone()], beside(&args.file)));
    }
    let records = KeyRecord::parse(&text);
    let records = records.map_err(|error| Failure::from(error).at(args.file.display()))?;
    Ok((records.into_iter().map(|record| record.key).collect(), args.file.clone()))
}
