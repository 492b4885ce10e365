//! `gapferry key`: makes, shows and checks keys.

mod check;
mod new;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use super::input;
use crate::trust::SecretKey;

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry key new -o release.key
  gapferry key show release.key.pub
  gapferry key check release.key";

/// Make, show and check signing keys
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(new::Args),
    Show(show::Args),
    Check(check::Args),
}

/// Does it.
///
/// # Errors
/// When a file cannot be read or written, or holds no key.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        KeyCommand::New(args) => new::run(args, context),
        KeyCommand::Show(args) => show::run(args, context),
        KeyCommand::Check(args) => check::run(args, context),
    }
}

/// `FILE.pub`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// The private key in `text`, the content of `path`.
fn secret_key(
    path: &Path,
    text: &str,
    passphrase_file: Option<&Path>,
) -> Result<SecretKey, Failure> {
    let passphrase = passphrase_file.map(input::secret).transpose()?;
    let key = SecretKey::from_pem(text, passphrase.as_ref().map(|line| line.as_slice()));
    key.map_err(|error| Failure::from(error).at(path.display()))
}
