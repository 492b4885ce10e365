//! `gapferry key check`: whether a key pair can be used, and is kept as it should be.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::input;
use super::super::signers::public_key;
use super::{beside, secret_key};
use crate::files::FileError;
use crate::trust::{Purpose, Signature, Signer as _};

const EXAMPLES: &str = "\
EXAMPLES:
  Do the two files belong together, and can nobody else read the private one?
    gapferry key check release.key
  With the public key elsewhere, and a passphrase:
    gapferry key check release.key site/release.pub --passphrase-file passphrase.txt";

/// Check that a private key fits its public key and is readable by its owner alone
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The private key (PEM or OpenSSH)
    #[arg(value_name = "PRIVATE-KEY")]
    private: PathBuf,
    /// The public key; PRIVATE-KEY.pub unless given
    #[arg(value_name = "PUBLIC-KEY")]
    public: Option<PathBuf>,
    /// The first line of this file opens an encrypted private key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// When the two are not a pair, others can read the private one, or a file holds no key.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let text = input::key(&args.private)?;
    let secret = secret_key(&args.private, &text, args.passphrase_file.as_deref())?;
    let public_path = args.public.unwrap_or_else(|| beside(&args.private));
    let public = public_key(&public_path)?;
    let (scheme, id) = (public.scheme(), public.key_id());
    if id != secret.public().key_id() {
        let what = match public.is_same_key(secret.public()) {
            true => "the public key is the same key for another scheme",
            false => "the public key belongs to another private key",
        };
        let failure = Failure::new(Exit::Damaged, "other-key", what).at(public_path.display());
        return Err(failure.hint("see `gapferry key show` for both"));
    }
    Signature::by(&secret, Purpose::Seal, b"gapferry key check")?;
    check_mode(&args.private)?;
    match context.json() {
        true => context.print_json(&json!({
            "fits": true, "private": true, "scheme": scheme.name(), "keyId": id.to_string(),
        })),
        false => context.print(&format!(
            "the keys fit, and others cannot read the private one\nscheme  {scheme}\nkey id  {id}\n"
        )),
    }
}

/// Refuses a file that others than its owner can read or write.
fn check_mode(path: &Path) -> Result<(), Failure> {
    let found = std::fs::metadata(path).map_err(|error| FileError::io("inspect", path, error))?;
    let mode = found.permissions().mode() & 0o777;
    // A pipe has no name by which others could open it.
    if !found.is_file() || mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("others may use the private key (mode {mode:o})");
    let failure = Failure::new(Exit::NotAllowed, "open-key", message).at(path.display());
    Err(failure.hint("chmod 600; if others could read it for long, make another key"))
}
